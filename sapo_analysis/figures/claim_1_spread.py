"""Claim 1: how far prompts move the in-task result, and how far they move other tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.noise.claim_1_spreads import Spreads
from sapo_analysis.analysis.wording import counted
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.scope_bars import BARS, scope_bars
from sapo_analysis.figures.spec import (
    FigureSpec,
    Intervals,
    Layer,
    Line,
    Panel,
    Points,
    Ticks,
)
from sapo_analysis.figures.task_names import beside_axis

MEAN = "mean"
IN_TASK, ELSEWHERE, SEED = "in-task result", "mean impact on other tasks", "from the seed alone"
UNITS = {"score": "points", "loss": "nats per token"}


def claim_1_spread(
    spreads: Spreads,
    means: Sequence[Estimate] = (),
    *,
    seed_alone: float = math.nan,
    hollow: bool = False,
) -> FigureSpec:
    """Each task's two spreads over prompts on one scale, and beside them their ratio.

    Both axes are logarithmic, so the way from one spread to the other is the ratio. Rows are sorted
    by it; the lowest row has the geometric means over tasks.

    Args:
        spreads: `claim_1_spreads(df, form)`.
        means: claim 1's estimates of `claims(df)` in the same form, for one scope or both.
        seed_alone: `claim_1_from_the_seed_alone(df)[form]`: the log ratio if prompts did nothing.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something else, or no task has both spreads.
    """
    _check(spreads, means)
    table = spreads.table.sort_values("ratio", kind="stable")
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    lowest = 1.4 if means else 0.0
    heights = {str(row["current_task"]): lowest + i for i, row in enumerate(rows)}
    names, places = list(beside_axis(heights)), list(heights.values())
    if means:
        names, places = [MEAN, *names], [0.0, *places]
    axes: dict[str, Any] = {
        "y_label": "",
        "y_range": (-0.7, max(places) + 0.7),
        "y_ticks": Ticks(tuple(places), tuple(names)),
        "x_log": True,
    }
    unit = UNITS[spreads.form]
    spread_layers = _spreads(rows, heights, bool(means), hollow)
    ratio_layers = _ratios(rows, heights, means, seed_alone, hollow)
    panels = (
        Panel(
            layers=spread_layers,
            x_label=f"sd over prompts ({unit}, log)",
            title="Spread",
            x_range=_around([x for a in spread_layers if isinstance(a, Points) for x in a.x]),
            **axes,
        ),
        Panel(
            layers=ratio_layers,
            x_label="other tasks ÷ in-task (log)",
            title="Ratio",
            x_range=_around([1.0, *_all_x(ratio_layers)]),
            **axes,
        ),
    )
    above = sum(row["ratio"] > 1 for row in rows)
    said = ", ".join(f"{row['current_task']} {row['ratio']:.2g}" for row in reversed(rows))
    return FigureSpec(
        name=f"claim_1_spread_{spreads.form}",
        panels=panels,
        table=_long(table, means),
        caption=_caption(spreads, means, seed_alone, above, hollow),
        alt=f"Spread over prompts on other tasks ÷ in-task, by task: {said}; above 1 in {above} of"
        f" {counted(len(rows), 'task')}.",
        columns=2,
        height=150 + 30 * len(places),
        aspect=0.9,
        wide=True,
    )


def _spreads(
    rows: Sequence[dict[str, Any]], heights: dict[str, float], has_mean: bool, hollow: bool
) -> tuple[Layer, ...]:
    own = [row["in_task_spread"] for row in rows]
    other = [row["impact_spread"] for row in rows]
    y = list(heights.values())
    if has_mean:
        own, other = [_geometric(own), *own], [_geometric(other), *other]
        y = [0.0, *y]
    names = [f"{MEAN}, geometric"] * has_mean + list(heights)
    ways = [
        Line((a, b), (place, place), theme.NEUTRAL, 1.2)
        for a, b, place in zip(own, other, y, strict=True)
    ]
    points = [
        Points(
            *(tuple(values), tuple(y), color, marker, 9.0, hollow),
            label=label,
            keys=tuple((name,) for name in names),
            hover=tuple(
                f"{name}\n{label}: sd {value:.3g}"
                for name, value in zip(names, values, strict=True)
            ),
        )
        for values, color, marker, label in (
            (own, theme.ORANGE, "circle", IN_TASK),
            (other, theme.BLUE, "square", ELSEWHERE),
        )
    ]
    return (*ways, *points, *_seed_marks(rows, heights))


def _seed_marks(rows: Sequence[dict[str, Any]], heights: dict[str, float]) -> list[Layer]:
    """What the seed alone spreads either by, a small mark under its point."""
    known = [row for row in rows if not math.isnan(row["seed_ratio"])]
    if not known:
        return []
    y = tuple(heights[str(row["current_task"])] - 0.28 for row in known)
    layers: list[Layer] = []
    for column, color, marker, label in (
        ("in_task_seed", theme.ORANGE, "circle", f"{IN_TASK}, {SEED}"),
        ("impact_seed", theme.BLUE, "square", f"other tasks, {SEED}"),
    ):
        x = tuple(float(row[column]) for row in known)
        hover = tuple(f"{row['current_task']}\n{label}: sd {row[column]:.3g}" for row in known)
        layers.append(
            Points(x, y, color, marker, 5.0, True, label=label, hover=hover, part="noise")
        )
    return layers


def _ratios(
    rows: Sequence[dict[str, Any]],
    heights: dict[str, float],
    means: Sequence[Estimate],
    seed_alone: float,
    hollow: bool,
) -> tuple[Layer, ...]:
    top = max(heights.values()) + 0.7
    layers: list[Layer] = [Line((1.0, 1.0), (-0.7, top), theme.NEUTRAL, 0.8)]
    if not math.isnan(seed_alone):
        at = math.exp(seed_alone)
        look = (theme.GREY, 1.0)
        layers.append(Line((at, at), (-0.7, top), *look, dash=(3, 2), label=SEED, part="noise"))
    for row in rows:
        name, y = str(row["current_task"]), (heights[str(row["current_task"])],)
        words = (
            f"{name}\nratio {row['ratio']:.3g} ({row['lower']:.3g} to {row['upper']:.3g})"
            f"\n{counted(row['n_prompts'], 'prompt')}"
        )
        ends = (row["lower"],), (row["upper"],)
        layers += [
            Intervals(y, *ends, theme.BLUE, 1.4, part="intervals"),
            Points(
                *((row["ratio"],), y, theme.BLUE, "pentagon", 9.0, hollow),
                keys=((name,),),
                hover=(words,),
            ),
        ]
    return (*layers, *_mean_row(means, hollow))


def _mean_row(means: Sequence[Estimate], hollow: bool) -> list[Layer]:
    ends = {e.scope: (math.exp(e.lower), math.exp(e.upper)) for e in means}
    none = (math.nan, math.nan)
    of_both = ends.get("new_tasks", none), ends.get("these_tasks")
    # On this axis the thin bar is often shorter than the diamond is wide.
    layers = scope_bars(0.0, *of_both, whose="mean, ", below=0.42)
    if means:
        words = f"{MEAN}, geometric\n" + "\n".join(_read_out(e) for e in means)
        at = (math.exp(means[0].value),), (0.0,)
        layers.append(Points(*at, theme.VERMILION, "diamond", 11.0, hollow, hover=(words,)))
    return layers


def _caption(
    spreads: Spreads, means: Sequence[Estimate], seed_alone: float, above: int, hollow: bool
) -> Caption:
    table = spreads.table
    statistics = [_read_out(e) for e in means]
    statistics.append(f"the ratio is above 1 in {above} of {counted(len(table), 'task')}")
    marks: list[str | Of] = ["rows are sorted by the ratio"]
    if means:
        marks += ["lowest row: geometric means over tasks", Of("intervals", BARS)]
    if table["seed_ratio"].notna().any():
        small = (
            "small hollow marks: what the seed alone would spread the means over seeds by, from the"
            " prompt × seed component of main trials"
        )
        marks.append(Of("noise", small))
    if not math.isnan(seed_alone):
        dashes = f"dashes: the ratio if prompts did nothing, {math.exp(seed_alone):.2g}"
        marks.append(Of("noise", dashes))
    if hollow:
        marks.append("hollow: the study is not finished")
    if spreads.excluded:
        told = "; ".join(f"{task} ({why})" for task, why in sorted(spreads.excluded.items()))
        marks.append(f"left out: {told}")
    return Caption(
        shows="spread: standard deviation over prompts of the final in-task result and of the mean"
        f" impact on all other tasks, per current task, {spreads.form} form, means over seeds;"
        " ratio: the second ÷ the first",
        n={
            "tasks": len(table),
            "prompts": int(table["n_prompts"].min()),
            "seeds": int(table["n_seeds"].min()),
        },
        statistics=tuple(statistics),
        interval="95 % of a task over its prompts: log ratio ± 1.96 · √(1 / (prompts − 1)); of the"
        " mean for new tasks: Student t over log ratios, for these tasks: normal with their errors",
        marks=tuple(marks),
        terms=("claim_1",),
    )


def _read_out(e: Estimate) -> str:
    scope = "new tasks" if e.scope == "new_tasks" else "these tasks"
    ratio = f"ratio {math.exp(e.value):.2f}"
    if math.isnan(e.lower):
        return f"{scope}: {ratio} (no interval)"
    return f"{scope}: {ratio} (95 %: {math.exp(e.lower):.2f} to {math.exp(e.upper):.2f})"


def _long(table: pd.DataFrame, means: Sequence[Estimate]) -> pd.DataFrame:
    """A row per task, and a row per scope of the mean, as ratios."""
    rows = [
        {
            "current_task": MEAN,
            "scope": e.scope,
            **{name: math.exp(asdict(e)[name]) for name in ("lower", "upper")},
            "ratio": math.exp(e.value),
            "n_prompts": e.n_prompts,
            "n_seeds": e.n_seeds,
        }
        for e in means
    ]
    whole = table.assign(scope="this task")
    return pd.concat([whole, pd.DataFrame(rows)], ignore_index=True) if rows else whole


def _geometric(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _all_x(layers: Sequence[Layer]) -> list[float]:
    found: list[float] = []
    for layer in layers:
        if isinstance(layer, Points | Line):
            found += layer.x
        elif isinstance(layer, Intervals):
            found += [*layer.lower, *layer.upper]
    return found


def _around(values: Sequence[float]) -> tuple[float, float]:
    """A range of a logarithmic axis that holds these values."""
    low, high = math.log(min(values)), math.log(max(values))
    margin = 0.06 * (high - low) + 0.05
    return math.exp(low - margin), math.exp(high + margin)


def _check(spreads: Spreads, means: Sequence[Estimate]) -> None:
    if not isinstance(spreads, Spreads):
        raise InputError(
            "The spreads of claim 1 are drawn from Spreads. Make them with claim_1_spreads()."
        )
    if any(not isinstance(e, Estimate) or e.statistic != "log_sd_ratio" for e in means):
        raise InputError(
            "The mean of claim 1 is a log ratio of spreads. Take the estimates of claims()."
        )
    if spreads.table.empty:
        told = "; ".join(f"{task}: {why}" for task, why in sorted(spreads.excluded.items()))
        raise InputError(
            "No task has a spread in-task and one on other tasks" + (f" ({told})." if told else ".")
        )
