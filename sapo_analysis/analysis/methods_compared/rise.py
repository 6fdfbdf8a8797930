"""Whether fine-tuning makes a model answer other tasks in the tuned task's format."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.claims import MIN_TASKS, no_verdict
from sapo_analysis.analysis.methods_compared.averages import (
    Mean,
    by_unit,
    is_sequence,
    mean_of,
    sizes,
)
from sapo_analysis.analysis.methods_compared.curves import per_look
from sapo_analysis.analysis.methods_compared.fine_tunes import FINE_TUNE
from sapo_analysis.analysis.methods_compared.looks import looks
from sapo_analysis.analysis.methods_compared.sides import sides
from sapo_analysis.analysis.sequences.metrics import LEAST
from sapo_analysis.store import Run

RISE_COLUMNS = [
    *("name", "policy", "method", "before", "after", "value", "lower", "upper", "n_units"),
    *("unit", "n_tasks", "n_prompts", "n_seeds", "n_orders", "verdict"),
]


def format_rise(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per method or strategy: format ratio at the last look − that at the first.

    The ratio is the mean over the other tasks (share of outputs, 0 to 1); `before` and `after` are
    its means, `value` the mean difference over prompts, then seeds, then `unit` (tuned tasks; of
    sequences orders, or the seeds of one), with its 95 % Student t interval over `n_units`.

    `verdict`: `supported` where the interval lies above zero, fine-tuning then spreads its format
    to other tasks; `contradicted` where below; else `unclear`; `too few` with fewer than
    `MIN_TASKS` tasks or `LEAST` orders; "" where a run gets no verdict.

    Raises:
        InputError: the runs cannot be compared, or looked at nothing.
    """
    known = sides(runs)
    silent = bool(no_verdict([run for one in known for run in one.runs]))
    seen = per_look(looks(known))
    ratios = seen[seen["series"] == "format_ratio"].sort_values("step", kind="stable")
    ends = ratios.groupby(FINE_TUNE, sort=False)["value"].agg(before="first", after="last")
    rows = []
    for one in known:
        own = ends.reset_index()
        own = own[own["name"] == one.name]
        own = own.assign(difference=own["after"] - own["before"])
        if own.empty:
            continue
        units = by_unit(own, ["before", "after", "difference"])
        found = mean_of(units["difference"], is_sequence(own))
        size = sizes(own)
        rows.append(
            {
                **{"name": one.name, "policy": one.policy, "method": one.method},
                "before": float(units["before"].mean()),
                "after": float(units["after"].mean()),
                **{"value": found.value, "lower": found.lower, "upper": found.upper},
                **{"n_units": found.n, **size},
                "verdict": "" if silent else _verdict(found, size["unit"]),
            }
        )
    return pd.DataFrame(rows, columns=RISE_COLUMNS)


def _verdict(found: Mean, unit: str) -> str:
    least = MIN_TASKS if unit == "tuned tasks" else LEAST
    if found.n < least or unit not in ("tuned tasks", "orders"):
        return "too few"
    if found.lower > 0:
        return "supported"
    return "contradicted" if found.upper < 0 else "unclear"
