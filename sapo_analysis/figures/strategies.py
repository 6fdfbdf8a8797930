"""Strategies of a sequence study side by side: metrics with intervals, and the race by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sapo_analysis.analysis.glossary import DIRECTIONS
from sapo_analysis.analysis.sequences import metric_term
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.spec import (
    FigureSpec,
    Intervals,
    Layer,
    Line,
    Note,
    Panel,
    Points,
    Ticks,
    require_columns,
)

TITLES = {
    "ap": "Average performance",
    "bwt": "Backward transfer",
    "bwt_final": "Backward transfer, last row",
    "fwt": "Forward transfer",
    "forgetting_loss": "Forgetting in loss",
}
"""A panel's title; the axis takes unit and good direction from the glossary."""

SUMMARY = (
    *("strategy", "policy", "test_prompts", "metric", "value", "lower", "upper"),
    *("unit", "n_orders", "n_seeds"),
)
LEAST_POINTS = 5.0
"""The least that the axis of a race shows, from end to end."""
RACE = ("strategy", "test_prompts", "stage", "learned", "n_chains")


def strategy_intervals(
    table: pd.DataFrame,
    *,
    test_prompts: str = "original",
    metrics: Sequence[str] = ("ap", "bwt", "fwt"),
    hollow: bool = False,
) -> FigureSpec:
    """Each strategy's metrics with 95 % intervals, a panel per metric.

    Args:
        table: `summary(chain_metrics(sequence_scores(runs)))`.
        test_prompts: which of the three kinds.
        metrics: the panels; one that no strategy has is left out.
        hollow: draw hollow points: the numbers are not final.

    Raises:
        InputError: another table, or one without complete chains.
    """
    require_columns(table, SUMMARY, "summary(chain_metrics(scores))")
    own = table[(table["test_prompts"] == test_prompts) & table["metric"].isin(list(metrics))]
    if own.empty:
        raise InputError(
            f"No chain has learned all its tasks with {test_prompts} test prompts yet."
        )
    known = set(own.loc[own["value"].notna(), "metric"])
    metrics = [name for name in metrics if name in known]
    own = own[own["metric"].isin(metrics)]
    strategies = list(dict.fromkeys(own["strategy"]))
    heights = {name: float(len(strategies) - 1 - i) for i, name in enumerate(strategies)}
    return FigureSpec(
        name=f"strategy_intervals_{test_prompts}",
        panels=tuple(
            _metric_panel(own[own["metric"] == metric], metric, heights, hollow)
            for metric in metrics
        ),
        table=own,
        caption=_caption(own, metrics, test_prompts, hollow),
        alt=f"{len(strategies)} strategies: {', '.join(TITLES[m] for m in metrics)} with 95 %"
        f" intervals, {test_prompts} test prompts.",
        columns=len(metrics),
        height=150 + 30 * len(strategies),
        aspect=0.5,
        wide=True,
        legend=False,
    )


def _caption(
    rows: pd.DataFrame, metrics: Sequence[str], test_prompts: str, hollow: bool
) -> Caption:
    known = rows.dropna(subset=["lower"])
    return Caption(
        shows=f"{in_series([TITLES[name].lower() for name in metrics]).capitalize()} of each"
        f" strategy (policy+method), with {test_prompts} test prompts.",
        n=counts_of(rows),
        interval="" if known.empty else interval_over(known),
        marks=(
            *(() if known.empty else (Of("intervals", ABOUT_ORDERS),)),
            *(("Hollow: the run is not complete, numbers will move.",) if hollow else ()),
        ),
        terms=tuple(metric_term(name).name for name in metrics),
    )


ABOUT_ORDERS = (
    "Intervals show how much orders differ, which all strategies share; differences between"
    " strategies are paired and may be sharper."
)


def in_series(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def counts_of(rows: pd.DataFrame) -> dict[str, int]:
    """How many orders and seeds rows of a summary or of contrasts stand on, at least."""
    return {"orders": int(rows["n_orders"].min()), "seeds": int(rows["n_seeds"].min())}


def interval_over(rows: pd.DataFrame) -> str:
    """What the intervals of such rows are: over orders, or over the seeds of one order."""
    unit = str(rows["unit"].iloc[0])
    n = int(rows["n_orders" if unit == "orders" else "n_seeds"].min())
    return f"95 % Student t over {n} {unit}"


def _metric_panel(
    rows: pd.DataFrame, metric: str, heights: dict[str, float], hollow: bool
) -> Panel:
    layers: list[Layer] = []
    term = metric_term(metric)
    for row in rows.to_dict("records"):
        color, marker = theme.POLICIES[row["policy"]]
        y = (heights[row["strategy"]],)
        bounds = ""
        if not math.isnan(row["lower"]):
            ends = (row["lower"],), (row["upper"],)
            layers.append(Intervals(y, *ends, color, 1.8, part="intervals"))
            bounds = f" (95 % over {row['unit']}: {row['lower']:.2f} to {row['upper']:.2f})"
        words = f"{row['strategy']}\n{TITLES[metric]} {row['value']:.2f}{bounds}"
        layers.append(Points((row["value"],), y, color, marker, 10.0, hollow, hover=(words,)))
    places = tuple(heights.values())
    return Panel(
        layers=tuple(layers),
        x_label=f"{term.unit}, {DIRECTIONS[term.better]}",
        y_label="",
        title=TITLES[metric],
        x_range=padded(rows),
        y_range=(-0.7, max(places) + 0.7),
        x_zero=metric != "ap",
        y_ticks=Ticks(places, tuple(heights)),
    )


def padded(rows: pd.DataFrame) -> tuple[float, float]:
    """Room for every bar and a little more, so that none seems to go on beyond the edge."""
    ends = rows[["value", "lower", "upper"]].to_numpy(dtype=float)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _no_closer(scores: pd.Series[float]) -> tuple[float, float] | None:
    """The y axis where scores are closer than it should show, else None: a hair is no lead."""
    low, high = float(scores.min()), float(scores.max())
    if high - low >= LEAST_POINTS:
        return None
    middle = (low + high) / 2
    return middle - LEAST_POINTS / 2, middle + LEAST_POINTS / 2


def _least_shown(scores: pd.Series[float]) -> tuple[str, ...]:
    if _no_closer(scores) is None:
        return ()
    return (f"The axis shows {LEAST_POINTS:g} points: the lines are closer than that.",)


def strategy_race(
    table: pd.DataFrame,
    *,
    test_prompts: str = "original",
    method: str = "lora",
    n_stages: int = 0,
    named: bool = False,
) -> FigureSpec:
    """Mean score over the tasks learned so far, by stage, a line per policy of one method.

    Args:
        table: `stage_means(sequence_scores(runs))`.
        test_prompts: which of the three kinds.
        method: whose strategies to draw.
        n_stages: stages that are planned; the axis has room for all.
        named: name each line at its end instead of in a legend.

    Raises:
        InputError: another table, or one without a finished stage of this method.
    """
    require_columns(table, RACE, "stage_means(scores)")
    of_method = table["strategy"].str.split("+").str[1] == method
    own = table[(table["test_prompts"] == test_prompts) & of_method]
    if own.empty:
        raise InputError(f"No stage of {method} is measured with {test_prompts} test prompts yet.")
    layers: list[Layer] = []
    for strategy, rows in own.groupby("strategy", sort=False):
        policy = str(strategy).split("+")[0]
        color, marker = theme.POLICIES[policy]
        rows = rows.sort_values("stage")
        x, y = tuple(map(float, rows["stage"])), tuple(map(float, rows["learned"]))
        hover = tuple(f"{strategy}\nstage {int(a)}: {b:.1f}" for a, b in zip(x, y, strict=True))
        layers.append(Line(x, y, color, 1.8, dash=theme.DASHES[policy]))
        layers.append(Points(x, y, color, marker, 9.0, label=policy, hover=hover))
    n = max(int(own["stage"].max()), n_stages)
    if named:
        layers += _names_at_ends(own)
    panel = Panel(
        layers=tuple(layers),
        x_label="stage (tasks learned)",
        y_label="mean score on\nlearned tasks (0 to 100)",
        x_range=(0.7, n + (0.3 + 0.16 * n if named else 0.3)),
        y_range=_no_closer(own["learned"]),
        x_ticks=Ticks(tuple(map(float, range(1, n + 1))), tuple(map(str, range(1, n + 1)))),
    )
    return FigureSpec(
        name=f"strategy_race_{method}_{test_prompts}",
        panels=(panel,),
        table=own,
        caption=Caption(
            shows=f"Mean score on the tasks learned so far by stage, a line per policy with"
            f" {method}, with {test_prompts} test prompts: means over seeds, then over orders.",
            n={"stages": int(own["stage"].max()), "chains of a policy": int(own["n_chains"].min())},
            marks=(
                "Each stage is read on the examples that all stages share.",
                *_least_shown(own["learned"]),
            ),
            terms=("strategy", "stage"),
        ),
        alt=f"Mean score on learned tasks by stage for {own['strategy'].nunique()} strategies.",
        height=380,
        legend=not named,
    )


def _names_at_ends(rows: pd.DataFrame) -> list[Note]:
    """A policy's name beside its last point, moved up where names would cover each other."""
    last = rows.sort_values("stage").groupby("strategy", sort=False).tail(1).sort_values("learned")
    spread = float(rows["learned"].max() - rows["learned"].min())
    apart = max(LEAST_POINTS, spread) * 0.07
    names: list[Note] = []
    for strategy, stage, value in zip(
        last["strategy"], last["stage"], last["learned"], strict=True
    ):
        y = max(float(value), names[-1].y + apart) if names else float(value)
        names.append(Note(float(stage) + 0.07, y, str(strategy).split("+")[0], part="names"))
    return names
