"""Single tasks under each strategy: what is kept of them, and what other tasks gave them before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.sequences.metrics import (
    CHAIN,
    UNITS,
    interval_of,
    means_by_unit,
)

_TERMS = {
    **{name: name for name in ("final", "just_learned", "change", "gain_before")},
    "loss_change": "chain_loss_change",  # of a chain; a trial has a column of that name too
}
TASK_METRICS = {name: entry(term).in_words for name, term in _TERMS.items()}
"""What a task comes to in one chain."""

_NUMBERS = tuple(TASK_METRICS)
_KEYS = ["strategy", "test_prompts", "eval_task"]


def task_metrics(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (strategy, kind of test prompt, task), over the chains that are complete.

    The means of `TASK_METRICS`, each with `_lower` and `_upper`, 95 % as in `summary`, and `_n`,
    over how many of `unit`: what a chain does not have is left out, as a change of what it learned
    last.

    Args:
        scores: as `sequence_scores` gives them.
    """
    chains = _of_chains(scores)
    rows = []
    for own in means_by_unit(chains, _KEYS, _NUMBERS):
        row: dict[str, Any] = dict(zip(_KEYS, own.key, strict=True))
        for name in _NUMBERS:
            known = own.means[name][~np.isnan(own.means[name])]
            ends = interval_of(known)
            row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), ends, strict=True))
            row[f"{name}_n"] = len(known)
        row["unit"] = UNITS[own.unit]
        rows.append(row)
    return pd.DataFrame(rows)


def _of_chains(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (chain, task), of chains that have a last stage: `_NUMBERS`."""
    key = [*CHAIN, "eval_task"]
    shared = scores[~scores["is_final"].astype(bool)]
    stage, position = shared["stage"], shared["position"]
    last = shared[stage == shared["n_stages"]].set_index(key)
    learned = shared[stage == position].set_index(key).reindex(last.index)
    base = shared[stage == 0].set_index(key)["value"].reindex(last.index)
    early = shared[(stage > 0) & (stage < position)].groupby(key)["value"].mean()
    over_all = scores[scores["is_final"].astype(bool) & (scores["stage"] == scores["n_stages"])]
    final = over_all.set_index(key)["value"].reindex(last.index)
    changes = last["position"] < last["n_stages"]  # nothing follows what is learned last
    return pd.DataFrame(
        {
            "final": final.fillna(last["value"]),
            "just_learned": learned["value"],
            "change": (last["value"] - learned["value"]).where(changes),
            "gain_before": early.reindex(last.index) - base,
            "loss_change": (last["loss"] - learned["loss"]).where(changes),
        }
    ).reset_index()
