"""Does the rule pay? Each way of picking a prompt with its outcome, and what it gains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.analysis.worth.payoff import SelectionValue
from sapo_analysis.analysis.worth.picks import RULES
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.payoff_words import (
    MARKS,
    NEW_TASKS,
    axis,
    bounds,
    check,
    decimals,
    names_of,
    rows_of,
    shown,
    sizes,
    terms,
    unit_of,
    units,
)
from sapo_analysis.figures.scope_bars import BARS, scope_bars
from sapo_analysis.figures.spec import FigureSpec, Intervals, Layer, Note, Panel, Points, Ticks


def selection_bars(value: SelectionValue, *, hollow: bool = False) -> FigureSpec:
    """The outcome of each rule's picks, and beside it what the rule gains over each other.

    Outcome: mean over tasks with its interval for new tasks, which mostly shows how tasks differ.
    Gain: the paired differences with both intervals, thick for new tasks and thin for these; they
    tell whether the rule pays. An interval that does not exist is not drawn.

    Args:
        value: `selection_value(...)`.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something else, or no task had prompts to pick from.
    """
    check(value)
    names = names_of(value)
    heights = {rule: float(len(RULES) - 1 - i) for i, rule in enumerate(RULES)}
    rules, contrasts = rows_of(value.rules), rows_of(value.contrasts)
    axes: dict[str, Any] = {
        "y_label": "",
        "y_range": (-0.7, len(heights) - 0.3),
        "y_ticks": Ticks(tuple(heights.values()), tuple(names[rule] for rule in heights)),
    }
    panels = (
        Panel(
            layers=_outcomes(rules, names, heights, hollow),
            x_label=axis(value),
            title="Outcome",
            **axes,
        ),
        Panel(
            layers=_gains(contrasts, names, heights, hollow),
            x_label=f"better by\n({unit_of(value)}, higher is better)",
            title="Gain of the lowest over each",
            x_zero=True,
            **axes,
        ),
    )
    said = ", ".join(
        f"{names[row['rule']]} {row['value']:.2f}" for row in rules if not math.isnan(row["value"])
    )
    return FigureSpec(
        name=f"selection_bars_{value.y}_{value.role or 'all'}",
        panels=panels,
        table=_long(value),
        caption=_bars_caption(value, names, hollow),
        alt=f"Mean {axis(value).splitlines()[0]} by how the prompt was picked: {said}.",
        columns=2,
        height=340,
        aspect=0.4,
    )


def _outcomes(
    rows: Sequence[dict[str, Any]], names: dict[str, str], heights: dict[str, float], hollow: bool
) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    middle = next(row["value"] for row in rows if row["rule"] == "random")
    for row in rows:
        color, marker, turned = MARKS[row["rule"]]
        y = (heights[row["rule"]],)
        if math.isnan(row["value"]):
            layers.append(Note(middle, y[0], row["note"], "center"))
            continue
        if not math.isnan(row["lower"]):
            ends = (row["lower"],), (row["upper"],)
            layers.append(Intervals(y, *ends, color, 1.8, part="intervals"))
        words = (
            f"{names[row['rule']]}: {row['value']:.3g}"
            f"{bounds(row['lower'], row['upper'], 'new tasks')}\n{_counts(row)}"
        )
        layers.append(
            Points((row["value"],), y, color, marker, 11.0, hollow or turned, hover=(words,))
        )
    return tuple(layers)


def _gains(
    rows: Sequence[dict[str, Any]], names: dict[str, str], heights: dict[str, float], hollow: bool
) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for row in rows:
        y = heights[row["against"]]
        if math.isnan(row["gain"]):
            layers.append(Note(0.0, y, row["note"], gap=8.0))
            continue
        new, these = ((row[f"{kind}lower"], row[f"{kind}upper"]) for kind in ("", "these_"))
        layers += scope_bars(y, new, these)
        words = (
            f"{names['lowest_loss']} over {names[row['against']]}: {signed(row['gain'], 3)}"
            f"{bounds(row['lower'], row['upper'], 'new tasks')}"
            f"{bounds(row['these_lower'], row['these_upper'], 'these tasks')}"
            f"\nbetter in {row['tasks_better']} of {_counts(row)}"
        )
        layers.append(
            Points((row["gain"],), (y,), theme.VERMILION, "diamond", 11.0, hollow, hover=(words,))
        )
    color, marker, _ = MARKS["lowest_loss"]
    layers.append(Points((0.0,), (heights["lowest_loss"],), color, marker, 11.0, hollow))
    return tuple(layers)


def _counts(row: dict[str, Any]) -> str:
    return (
        f"{counted(row['n_tasks'], 'task')} × {counted(row['n_prompts'], 'prompt')}"
        f" × {counted(row['n_seeds'], 'seed')}"
    )


def _long(value: SelectionValue) -> pd.DataFrame:
    """Both panels' numbers in one table: a row per rule, and a row per rival."""
    gains = value.contrasts.rename(columns={"gain": "value", "against": "rule"})
    return pd.concat(
        [value.rules.assign(panel="outcome"), gains.assign(panel="gain over")], ignore_index=True
    )


def _bars_caption(value: SelectionValue, names: dict[str, str], hollow: bool) -> Caption:
    unit, known = unit_of(value), [r for r in rows_of(value.contrasts) if not math.isnan(r["gain"])]
    digits = decimals(value)
    hindsight = any(row["against"] == "hindsight_best" for row in known)

    def gain(row: dict[str, Any]) -> str:
        ends = f"{_ends(row, '', digits)}; {_ends(row, 'these_', digits)}"
        better = f"better in {row['tasks_better']} of {counted(row['n_tasks'], 'task')}"
        return f"over {names[row['against']]} {signed(row['gain'], digits)} ({ends}; {better})"

    low, high = names["lowest_loss"], names["highest_loss"]
    marks: list[str | Of] = [
        f"star: {low}, in the panel of gains at 0, where a diamond is its gain over each other",
        Of("intervals", f"gain: {BARS}"),
    ]
    if not hollow:
        marks.append(f"hollow star: {high}, the rule turned round")
    if hollow:
        marks.append("hollow: the study is not finished")
    return Caption(
        # On a narrow page the panels stand one below the other: their titles tell them apart.
        shows=f"outcome: {shown(value)} of the prompt that each rule picks, mean over tasks; gain:"
        f" what {names['lowest_loss']} is better by than each other, of the same trials",
        n=sizes(value),
        statistics=(f"gain in {unit} {', '.join(map(gain, known))}",) if known else (),
        interval=f"{NEW_TASKS}; these tasks: Student t over seeds, variance pooled over tasks"
        + "; of the best in hindsight with the factor of Nadeau and Bengio" * hindsight,
        marks=tuple(marks),
        terms=terms(value, "hindsight_best", "highest_loss"),
        units=units(value),
    )


def _ends(row: dict[str, Any], kind: str, digits: int) -> str:
    scope = "these tasks" if kind else "new tasks"
    low, high = row[f"{kind}lower"], row[f"{kind}upper"]
    if math.isnan(low):
        return f"no interval for {scope}"
    return f"95 % {scope} {signed(low, digits)} to {signed(high, digits)}"
