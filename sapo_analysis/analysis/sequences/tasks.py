"""Single tasks under each strategy: what is kept of them, and what other tasks gave them before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.sequences.metrics import CHAIN, interval_over, over_orders

_NUMBERS = ("final", "just_learned", "change", "before", "loss_change")
_KEYS = ["strategy", "test_prompts", "eval_task"]


def task_metrics(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (strategy, kind of test prompt, task), over the chains that are complete.

    `final`: score after the last stage (all its examples); `just_learned`; `change`: after the last
    stage − when just learned, which chains that learn it last do not have; `before`: gain over θ_0
    while not learned yet, which chains that learn it first do not have; `loss_change`: as `change`,
    in nats per token. Each with `_lower` and `_upper`, 95 % as in `summary`.

    Args:
        scores: as `sequence_scores` gives them.
    """
    chains = pd.DataFrame(_of_chains(scores), columns=[*CHAIN, "eval_task", *_NUMBERS])
    rows = []
    for key, own in chains.groupby(_KEYS, sort=False):
        row: dict[str, Any] = dict(zip(_KEYS, key, strict=True))
        for name in _NUMBERS:
            *ends, _ = interval_over(own.dropna(subset=name), name)
            row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), ends, strict=True))
        row |= {"unit": over_orders(own, "final")[1], "n_orders": own["order"].nunique()}
        rows.append(row)
    return pd.DataFrame(rows)


def _of_chains(scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for key, own in scores.groupby([*CHAIN, "eval_task"], sort=False):
        n, j = int(own["n_stages"].iloc[0]), int(own["position"].iloc[0])
        shared = own[~own["is_final"]].set_index("stage").sort_index()
        if len(shared) < n + 1:
            continue  # under way, or diverged
        final = own[own["is_final"] & (own["stage"] == n)]
        value, loss = shared["value"], shared["loss"]
        yield {
            **dict(zip([*CHAIN, "eval_task"], key, strict=True)),
            "final": float(final["value"].iloc[0] if len(final) else value[n]),
            "just_learned": float(value[j]),
            "change": float(value[n] - value[j]) if j < n else NAN,
            "before": float((value.loc[1 : j - 1] - value[0]).mean()),
            "loss_change": float(loss[n] - loss[j]) if j < n else NAN,
        }
