"""How far something that was looked at went along fine-tunes: the last look − the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.methods_compared.averages import by_unit, is_sequence, mean_of, sizes
from sapo_analysis.analysis.methods_compared.fine_tunes import FINE_TUNE
from sapo_analysis.analysis.methods_compared.sides import Side

CHANGE_COLUMNS = (
    *("name", "policy", "method", "before", "after", "value", "lower", "upper", "n_units"),
    *("unit", "n_tasks", "n_prompts", "n_seeds", "n_orders"),
)


def changes(known: Sequence[Side], seen: pd.DataFrame, series: str) -> Iterator[dict[str, Any]]:
    """A row per side that was looked at there, as `CHANGE_COLUMNS`.

    `before` and `after` are means over prompts, then seeds, then `unit` (tuned tasks; of sequences
    orders, or the seeds of one), `value` the mean difference with its 95 % Student t interval over
    `n_units` of them.

    Args:
        known: the sides, in order.
        seen: `per_look` of what was looked at.
        series: which of it.
    """
    of_series = seen[seen["series"] == series].sort_values("step", kind="stable")
    ends = of_series.groupby(FINE_TUNE, sort=False)["value"].agg(before="first", after="last")
    every = ends.reset_index()
    for one in known:
        own = every[every["name"] == one.name]
        if own.empty:
            continue
        own = own.assign(difference=own["after"] - own["before"])
        units = by_unit(own, ["before", "after", "difference"])
        found = mean_of(units["difference"], is_sequence(own))
        yield {
            **{"name": one.name, "policy": one.policy, "method": one.method},
            "before": float(units["before"].mean()),
            "after": float(units["after"].mean()),
            **{"value": found.value, "lower": found.lower, "upper": found.upper},
            **{"n_units": found.n, **sizes(own)},
        }
