"""What was learned against what was kept: tuned score and mean of the others, by checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.methods_compared.averages import by_unit as means_by_unit
from sapo_analysis.analysis.methods_compared.averages import is_sequence, mean_of, sizes
from sapo_analysis.analysis.methods_compared.curves import per_look
from sapo_analysis.analysis.methods_compared.fine_tunes import (
    FINE_TUNE,
    ORIGINAL,
    TRAINING,
    fine_tunes,
)
from sapo_analysis.analysis.methods_compared.looks import has_looks, looks
from sapo_analysis.analysis.methods_compared.sides import BASE, Side, sides
from sapo_analysis.analysis.methods_compared.table import per_fine_tune
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

KINDS = ("base", "checkpoint", "end")
_ENDS = ("tuned", "tuned_lower", "tuned_upper", "others", "others_lower", "others_upper")
TRADE_OFF_COLUMNS = [
    *("name", "policy", "method", "kind", "step", "tuned_prompts", *_ENDS),
    *("unit", "n_tasks", "n_prompts", "n_seeds", "n_orders"),
]


def trade_off(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per point: tuned-task score against the mean score on the other tasks.

    `kind`: `base` (the base model), `checkpoint` (what diagnostics looked at, over their fewer
    examples; `step` in optimizer steps of all phases) or `end` (the fine-tune as it is kept, over
    all test examples; `step` nan). `tuned`: with the prompt that it is tuned with (`tuned_prompts`:
    `training`; `original` of a base model that was not measured with all of these), `others`: with
    original prompts, both 0 to 100 and means over prompts, then seeds, then units; at the end with
    95 % Student t intervals over units, as in `method_table`.

    Raises:
        InputError: the runs cannot be compared, or no fine-tune has ended.
    """
    known = sides(runs)
    tunes = per_fine_tune(fine_tunes(known))
    bare = tunes[tunes["n_shots"] == 0]
    if bare.empty:
        raise InputError("No fine-tune of these runs has ended yet: there is nothing to show.")
    rows = [_base(bare), *_checkpoints(known), *_ends(bare)]
    table = pd.DataFrame(rows, columns=TRADE_OFF_COLUMNS)
    return table.astype(dict.fromkeys((*_ENDS, "step"), float))


def _base(bare: pd.DataFrame) -> dict[str, Any]:
    """The base model with training prompts, as all other points; else with original ones.

    Studies with a past measure training prompts at the state before the fine-tune alone.
    """
    is_known = bool(bare["tuned_score_base"].notna().all())
    found = _means(
        bare,
        bare["tuned_score_base" if is_known else "tuned_score_original_base"],
        bare["normalized_average_others_base"],
    )
    numbers = {key: found[key] for key in ("tuned", "others")}
    about = {"name": BASE, "policy": "", "method": "", "kind": "base", "step": None}
    about["tuned_prompts"] = TRAINING if is_known else ORIGINAL
    return {**about, **numbers, **sizes(bare)}


def _ends(bare: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for _, own in bare.groupby("name", sort=False):
        means = _means(own, own["tuned_score"], own["normalized_average_others"])
        yield {
            **_about(own),
            "tuned_prompts": TRAINING,
            "kind": "end",
            "step": None,
            **means,
            **sizes(own),
        }


def _checkpoints(known: Sequence[Side]) -> Iterator[dict[str, Any]]:
    """Points at which both scores were looked at, of all fine-tunes of a side."""
    if not has_looks([run for one in known for run in one.runs]):
        return
    seen = per_look(looks(known))
    keys = [*FINE_TUNE, "policy", "method", "step"]
    wide = seen.pivot(index=keys, columns="series", values="value").reset_index()
    if not {"tuned_score", "other_score"} <= set(wide.columns):
        return
    wide = wide.dropna(subset=["tuned_score", "other_score"])
    for _, of_side in wide.groupby("name", sort=False):
        n = len(of_side.drop_duplicates(FINE_TUNE))
        for step, own in of_side.groupby("step"):
            if len(own) == n:
                means = _means(own, own["tuned_score"], own["other_score"])
                numbers = {key: means[key] for key in ("tuned", "others")}
                about = {
                    **_about(own),
                    "tuned_prompts": TRAINING,
                    "kind": "checkpoint",
                    "step": step,
                }
                yield {**about, **numbers, **sizes(own)}


def _about(own: pd.DataFrame) -> dict[str, Any]:
    first = own.iloc[0]
    return {key: first[key] for key in ("name", "policy", "method")}


def _means(
    rows: pd.DataFrame, tuned: pd.Series[float], others: pd.Series[float]
) -> dict[str, float]:
    table = rows[["tuned_task", "order", "seed"]].assign(tuned=tuned, others=others)
    units = means_by_unit(table, ["tuned", "others"])
    found: dict[str, float] = {}
    for name in ("tuned", "others"):
        mean = mean_of(units[name], is_sequence(table))
        found |= {name: mean.value, f"{name}_lower": mean.lower, f"{name}_upper": mean.upper}
    return found
