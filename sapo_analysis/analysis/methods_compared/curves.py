"""Curves over a fine-tune: tuned score, format ratio and gradient alignment by step and method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.methods_compared.averages import by_unit as means_by_unit
from sapo_analysis.analysis.methods_compared.averages import is_sequence, mean_of, sizes
from sapo_analysis.analysis.methods_compared.fine_tunes import FINE_TUNE
from sapo_analysis.analysis.methods_compared.looks import first_stage_ends, looks
from sapo_analysis.analysis.methods_compared.sides import Side, among, sides
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

FORMAT_SERIES = ("tuned_score", "format_ratio")
FLOOR = "format_ratio_of_targets"
ABOUT = ("name", "policy", "method")
MEAN = ("value", "lower", "upper")
SIZES = ("n_units", "unit", "n_tasks", "n_prompts", "n_seeds", "n_orders")
FORMAT_COLUMNS = [*ABOUT, "step", "series", *MEAN, "floor", "first_stage_ends", *SIZES]
ALIGNMENT_COLUMNS = [*ABOUT, "step", "module", *MEAN, "floor", "first_stage_ends", *SIZES]


def format_curves(runs: Run | Sequence[Run], of: str = "") -> pd.DataFrame:
    """One row per (method or strategy, step, series): how score and format go while it is tuned.

    `series`: `tuned_score` (0 to 100, on the tuned task) or `format_ratio` (share, 0 to 1, of the
    other tasks' outputs in the tuned task's format: the mean over the other tasks). `value`: the
    mean over prompts, then seeds, then `unit` (tuned tasks; of sequences orders, or the seeds of
    one), with its 95 % Student t interval over `n_units` of them, nan with one. `floor`, of
    format_ratio alone: the same of the other tasks' own gold answers, what a model that is right
    everywhere would come to. `first_stage_ends`: the step at which stage 1 of ProMoT ends, else
    nan. Steps that not all fine-tunes of a side were looked at are left out.

    Args:
        runs: that can be compared; see `sides`.
        of: the name of one side: then there is a line per task that it tuned, whose name stands in
            `name`; "": a line per side.

    Raises:
        InputError: the runs cannot be compared, or looked at nothing.
    """
    known, seen = lines_of(runs, of)
    floors = seen[seen["series"] == FLOOR].groupby("name")["value"].mean()
    rows = []
    for row in by_step(seen, list(FORMAT_SERIES), known):
        of_ratio = row["series"] == "format_ratio"
        rows.append({**row, "floor": floors.get(row["name"]) if of_ratio else None})
    return _floats(pd.DataFrame(rows, columns=FORMAT_COLUMNS))


def alignment_curves(runs: Run | Sequence[Run], of: str = "") -> pd.DataFrame:
    """One row per (method or strategy, step, module of the last layer): the gradient alignment.

    `value`: cosine of the gradient with that of shuffled labels (−1 to 1), averaged and with an
    interval as in `format_curves`; where a gradient is zero there is none, and the mean is over the
    others. `floor`: what as many shuffles keep of the labels by chance. Arguments as there.

    Raises:
        InputError: the runs cannot be compared, or looked at no gradient.
    """
    known, seen = lines_of(runs, of)
    own = seen[seen["series"].isin(["gradient_alignment", "gradient_alignment_floor"])]
    if own.empty:
        raise InputError("These runs took no gradients: they have no alignment to show.")
    floors = own[own["series"] == "gradient_alignment_floor"]
    floor = floors.groupby(["name", "subject", "step"])["value"].mean()
    rows = [
        {**row, "module": module, "floor": floor.get((row["name"], module, row["step"]))}
        for module, of_module in own.groupby("subject", sort=False)
        for row in by_step(of_module, ["gradient_alignment"], known)
    ]
    return _floats(pd.DataFrame(rows, columns=ALIGNMENT_COLUMNS))


def per_look(seen: pd.DataFrame) -> pd.DataFrame:
    """One row per fine-tune, step and series: the mean over subjects."""
    keys = [*FINE_TUNE, "policy", "method", "step", "series"]
    return seen.groupby(keys, sort=False)["value"].mean().reset_index()


def lines_of(runs: Run | Sequence[Run], of: str) -> tuple[Mapping[str, Side], pd.DataFrame]:
    """The side that each line is of, by the line's name, and what was looked at under it."""
    known = sides(runs)
    if not of:
        return {one.name: one for one in known}, looks(known)
    one = among(known, of)
    seen = looks([one])
    seen = seen.assign(name=seen["tuned_task"])
    return dict.fromkeys(map(str, seen["name"].unique()), one), seen


def by_step(
    seen: pd.DataFrame, series: list[str], known: Mapping[str, Side]
) -> Iterator[dict[str, Any]]:
    """A row per line, series and step at which all fine-tunes of the line were looked at."""
    each = per_look(seen[seen["series"].isin(series)])
    for (name, one), own in each.groupby(["name", "series"], sort=False):
        taken = own["step"].value_counts()
        steps = sorted(int(step) for step in taken.index[taken == taken.max()])
        wide = own.pivot(index=FINE_TUNE, columns="step", values="value").reset_index()
        units = means_by_unit(wide, steps)
        of_side = known[str(name)]
        about: dict[str, Any] = {"name": name, "policy": of_side.policy, "method": of_side.method}
        about |= {"series": one, "first_stage_ends": first_stage_ends(of_side), **sizes(wide)}
        for step in steps:
            found = mean_of(units[step], is_sequence(wide))
            ends = {"value": found.value, "lower": found.lower, "upper": found.upper}
            yield {**about, "step": step, **ends, "n_units": found.n}


def _floats(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys((*MEAN, "floor", "first_stage_ends"), float))
