"""What a run says of its format, gradients, soft prompts and demonstrations, for its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.methods_compared.curves import alignment_curves, format_curves
from sapo_analysis.analysis.methods_compared.looks import looks
from sapo_analysis.analysis.methods_compared.rise import format_rise
from sapo_analysis.analysis.methods_compared.sides import sides
from sapo_analysis.analysis.methods_compared.table import OVER_TASKS, method_table
from sapo_analysis.analysis.methods_compared.topology import TOPOLOGY_SERIES, topology_change
from sapo_analysis.analysis.methods_compared.topology_association import topology_associations
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import Run

_SIZES = ["unit", "n_tasks", "n_prompts", "n_seeds", "n_orders"]
_SHOTS = ["name", "n_shots", "tuned_score_original", "normalized_average_others", *_SIZES]


def along(runs: Run | Sequence[Run]) -> dict[str, Any]:
    """Parts of a report: plain data, a list of rows each; a part that was not measured is left out.

    `format_rise`: as `format_rise` has it, with `floor` (the same ratio of gold answers).
    `gradient_alignment`: by method `before` and `after` (first and last look, mean over the modules
    of the last layer) and their `floor` there. `topology`, as `topology_change` has it, and
    `topology_associations`. `n_shots`: scores with original prompts by number of demonstrations,
    where several were asked for. Runs that cannot be compared by method, and those of which nothing
    has ended, have no part.

    Raises:
        RunError: a table is damaged.
    """
    opened = as_runs(runs)
    if any(run.is_imported for run in opened):
        return {}
    studies = [run.made_here("be reported") for run in opened]
    found: dict[str, pd.DataFrame] = {}
    try:
        if any(study.diagnostics.every for study in studies):
            seen = set(looks(sides(opened))["series"])
            found |= {"format_rise": _rise(opened)} if "format_ratio" in seen else {}
            found |= {"gradient_alignment": _alignment(opened)} if _GRADIENTS in seen else {}
            if seen.intersection(TOPOLOGY_SERIES):
                found["topology"] = topology_change(opened)
                found["topology_associations"] = topology_associations(opened)
        if len({n for study in studies for n in study.evaluation.n_shots}) > 1:
            table = method_table(opened)
            found["n_shots"] = table.loc[table["tuned_task"] == OVER_TASKS, _SHOTS]
    except RunError:
        raise
    except InputError:
        return {}
    return {
        name: plain(table.to_dict("records")) for name, table in found.items() if not table.empty
    }


_GRADIENTS = "gradient_alignment"


def _rise(runs: list[Run]) -> pd.DataFrame:
    floors = format_curves(runs).groupby("name")["floor"].mean()
    found = format_rise(runs)
    return found.assign(floor=found["name"].map(floors))


def _alignment(runs: list[Run]) -> pd.DataFrame:
    rows = []
    for name, own in alignment_curves(runs).groupby("name", sort=False):
        by = own.groupby("step")[["value", "floor"]].mean().sort_index()
        first = own.iloc[0]
        rows.append(
            {
                "name": name,
                "before": by["value"].iloc[0],
                "after": by["value"].iloc[-1],
                "floor": by["floor"].mean(),
                "n_modules": own["module"].nunique(),
                **{column: first[column] for column in _SIZES},
            }
        )
    return pd.DataFrame(rows)
