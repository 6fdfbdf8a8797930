"""Whether fine-tuning makes a model answer other tasks in the tuned task's format."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.claims import MIN_TASKS, no_verdict
from sapo_analysis.analysis.methods_compared.averages import Mean
from sapo_analysis.analysis.methods_compared.change import CHANGE_COLUMNS, changes
from sapo_analysis.analysis.methods_compared.curves import per_look
from sapo_analysis.analysis.methods_compared.looks import looks
from sapo_analysis.analysis.methods_compared.sides import sides
from sapo_analysis.analysis.sequences.metrics import LEAST
from sapo_analysis.store import Run

RISE_COLUMNS = [*CHANGE_COLUMNS, "verdict"]


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
    rows = []
    for row in changes(known, per_look(looks(known)), "format_ratio"):
        found = Mean(row["value"], row["lower"], row["upper"], row["n_units"])
        rows.append({**row, "verdict": "" if silent else _verdict(found, row["unit"])})
    return pd.DataFrame(rows, columns=RISE_COLUMNS)


def _verdict(found: Mean, unit: str) -> str:
    least = MIN_TASKS if unit == "tuned tasks" else LEAST
    if found.n < least or unit not in ("tuned tasks", "orders"):
        return "too few"
    if found.lower > 0:
        return "supported"
    return "contradicted" if found.upper < 0 else "unclear"
