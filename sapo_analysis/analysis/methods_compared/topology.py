"""The point cloud of a soft prompt along its fine-tunes, in three numbers (methods §7)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.method_names import methods_of
from sapo_analysis.analysis.methods_compared.change import CHANGE_COLUMNS, changes
from sapo_analysis.analysis.methods_compared.curves import (
    ABOUT,
    MEAN,
    SIZES,
    by_step,
    lines_of,
    per_look,
)
from sapo_analysis.analysis.methods_compared.looks import has_looks, looks
from sapo_analysis.analysis.methods_compared.sides import Side, sides
from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.methods.recipe import SOFT_PROMPTS
from sapo_analysis.records import SOFT_PROMPT
from sapo_analysis.store import Run

TOPOLOGY_SERIES = ("h0_persistence", "h1_persistence", "compactness")
TOPOLOGY_COLUMNS = [
    *(*ABOUT, "step", "series", *MEAN, "first_stage_ends", *SIZES),
    *("fewest_tokens", "most_tokens"),
]
TOPOLOGY_CHANGE_COLUMNS = ["series", *CHANGE_COLUMNS]
_NO_SOFT_PROMPT = (
    "No fine-tune trains a soft prompt here. Choose a method that does, as in"
    " `--set method=prompt-tuning`."
)
_NOT_LOOKED_AT = (
    "The soft prompts of these fine-tunes were not looked at: the runs are from before that was"
    " measured, or no fine-tune has ended yet. Run the study again with diagnostics.every above 0."
)


def has_topology(runs: Sequence[Run]) -> bool:
    """Whether any of these runs looked at a soft prompt's point cloud."""
    return has_looks(runs) and any(
        bool((run.table("diagnostics")["subject"] == SOFT_PROMPT).any()) for run in runs
    )


def trains_soft_prompts(runs: Sequence[Run]) -> bool:
    """Whether any fine-tune of these runs trains a soft prompt, looked at or not."""
    return any(_trains_one(method, run) for run in runs for method in methods_of(run))


def topology_curves(runs: Run | Sequence[Run], of: str = "") -> pd.DataFrame:
    """One row per (method or strategy, step, series): the soft prompt's point cloud by step.

    `series`: `h0_persistence` (how long all components last together: the length of a minimum
    spanning tree) and `h1_persistence` (how long all loops last together), both in units of the
    embedding and 0 or more, or `compactness` (1 − rms distance to the centroid ÷ rms norm, 0 to 1).
    Means, intervals, arguments and what is left out are as in `format_curves`. Both sums grow with
    the number of virtual tokens, so that is told: `fewest_tokens` and `most_tokens` of the line.

    Raises:
        InputError: the runs cannot be compared, or looked at no soft prompt.
    """
    known, seen = lines_of(runs, of)
    own = of_clouds(seen, list(known.values()))
    tokens = own.groupby("name")["n_examples"].agg(["min", "max"])
    rows = [
        {
            **row,
            "fewest_tokens": int(tokens.loc[row["name"], "min"]),
            "most_tokens": int(tokens.loc[row["name"], "max"]),
        }
        for row in by_step(own, list(TOPOLOGY_SERIES), known)
    ]
    table = pd.DataFrame(rows, columns=TOPOLOGY_COLUMNS)
    return table.astype(dict.fromkeys((*MEAN, "first_stage_ends"), float))


def topology_change(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per series and method: the last look − the first, as `change.changes` has it.

    Raises:
        InputError: the runs cannot be compared, or looked at no soft prompt.
    """
    known = sides(runs)
    seen = per_look(of_clouds(looks(known), known))
    rows = [
        {"series": series, **row}
        for series in TOPOLOGY_SERIES
        for row in changes(known, seen, series)
    ]
    return pd.DataFrame(rows, columns=TOPOLOGY_CHANGE_COLUMNS)


def of_clouds(seen: pd.DataFrame, known: Sequence[Side]) -> pd.DataFrame:
    """What of it is of soft prompts.

    Raises:
        InputError: nothing is.
    """
    own = seen[seen["series"].isin(TOPOLOGY_SERIES)]
    if own.empty:
        raise no_clouds(known)
    return own


def no_clouds(known: Sequence[Side]) -> InputError:
    """Why these sides have no point cloud of a soft prompt."""
    trains = any(_trains_one(one.method, one.runs[0]) for one in known)
    return InputError(_NOT_LOOKED_AT if trains else _NO_SOFT_PROMPT)


def _trains_one(method: str, run: Run) -> bool:
    recipe = make_method(method, run.made_here("be looked at")).recipe(0)
    return recipe is not None and recipe.has(*SOFT_PROMPTS)
