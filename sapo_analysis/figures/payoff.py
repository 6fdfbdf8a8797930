"""Does the rule pay? Each way of picking a prompt with its outcome, and the same by pool size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.analysis.worth.payoff import SelectionValue
from sapo_analysis.analysis.worth.picks import RULES
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.outcomes import Outcome, indicator_name
from sapo_analysis.figures.spec import (
    Band,
    FigureSpec,
    Intervals,
    Layer,
    Line,
    Note,
    Panel,
    Points,
    Ticks,
)

MARKS: dict[str, tuple[str, str, bool]] = {
    "lowest_loss": (*theme.POLICIES["sapo"], False),
    "random": (*theme.POLICIES["random"], False),
    "original": (*theme.POLICIES["original"], False),
    "hindsight_best": (theme.GREEN, theme.MARK_BEST, False),
    "highest_loss": (*theme.POLICIES["sapo"], True),
}
"""Colour, marker and whether it is hollow, of each rule; hollow: the rule turned round."""

DASHES: dict[str, tuple[float, ...]] = {
    "lowest_loss": theme.DASHES["sapo"],
    "random": theme.DASHES["random"],
    "hindsight_best": (6, 2),
}
BAND = "95 % of the gain over random, new tasks"
MOST_MARKS = 25
"""Along a longer curve, so many pool sizes have a mark."""


def selection_bars(value: SelectionValue, *, hollow: bool = False) -> FigureSpec:
    """The outcome of each rule's picks, and beside it what the rule gains over each other.

    Left: mean over tasks with its interval for new tasks, which mostly shows how tasks differ.
    Right: the paired differences with both intervals, thick for new tasks and thin for these; they
    tell whether the rule pays. An interval that does not exist is not drawn.

    Args:
        value: `selection_value(...)`.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something else, or no task had prompts to pick from.
    """
    _check(value)
    names = _names(value)
    heights = {rule: float(len(RULES) - 1 - i) for i, rule in enumerate(RULES)}
    rules, contrasts = _rows(value.rules), _rows(value.contrasts)
    axes: dict[str, Any] = {
        "y_label": "",
        "y_range": (-0.7, len(heights) - 0.3),
        "y_ticks": Ticks(tuple(heights.values()), tuple(names[rule] for rule in heights)),
    }
    panels = (
        Panel(
            layers=_outcomes(rules, names, heights, hollow),
            x_label=_axis(value),
            title="Outcome",
            **axes,
        ),
        Panel(
            layers=_gains(contrasts, names, heights, hollow),
            x_label=f"better by\n({_unit(value)}, higher is better)",
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
        caption=_facts(value),
        alt=f"Mean {_axis(value).splitlines()[0]} by how the prompt was picked: {said}.",
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
            layers.append(Intervals(y, (row["lower"],), (row["upper"],), color, 1.8))
        words = (
            f"{names[row['rule']]}: {row['value']:.3g}"
            f"{_bounds(row['lower'], row['upper'], 'new tasks')}\n{_counts(row)}"
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
        for kind, width, color, shift in (
            ("", 5.0, theme.BLUE, 0.1),
            ("these_", 1.8, theme.ORANGE, -0.18),
        ):
            low, high = row[f"{kind}lower"], row[f"{kind}upper"]
            if not math.isnan(low):
                label = "these tasks, 95 %" if kind else "new tasks, 95 %"
                layers.append(Intervals((y + shift,), (low,), (high,), color, width, label=label))
        words = (
            f"{names['lowest_loss']} over {names[row['against']]}: {signed(row['gain'], 3)}"
            f"{_bounds(row['lower'], row['upper'], 'new tasks')}"
            f"{_bounds(row['these_lower'], row['these_upper'], 'these tasks')}"
            f"\nbetter in {row['tasks_better']} of {_counts(row)}"
        )
        layers.append(
            Points((row["gain"],), (y,), theme.VERMILION, "diamond", 11.0, hollow, hover=(words,))
        )
    color, marker, _ = MARKS["lowest_loss"]
    layers.append(Points((0.0,), (heights["lowest_loss"],), color, marker, 11.0, hollow))
    return tuple(layers)


def pool_curve(value: SelectionValue) -> FigureSpec:
    """The expected outcome of a pick by the number of prompts that it is picked from.

    Bands are 95 % for new tasks of the difference to a random pick, around it: with the bands of
    the outcomes themselves one would see how tasks differ, not how rules do.

    Args:
        value: `selection_value(...)`.

    Raises:
        InputError: something else, or no task had prompts to pick from.
    """
    _check(value)
    names = _names(value)
    sign = -1.0 if value.good_when == "low" else 1.0
    layers: list[Layer] = []
    for rule in DASHES:
        rows = value.curve[value.curve["rule"] == rule]
        known = rows[rows["value"].notna()]
        if known.empty:
            continue
        color, marker, _ = MARKS[rule]
        label = BAND if rule == "lowest_loss" else None
        layers += _band(known[known["gain_lower"].notna()], sign, color, label)
        x, y = _floats(known["pool_size"]), _floats(known["value"])
        layers.append(Line(x, y, color, 1.8, dash=DASHES[rule]))
        shown = known.iloc[_spread(len(known))]
        hover = tuple(
            f"{names[rule]} of {row['pool_size']}: {row['value']:.3g}"
            f"\nover random {signed(row['gain'], 3)}"
            f"{_bounds(row['gain_lower'], row['gain_upper'], 'new tasks')}"
            for row in _rows(shown)
        )
        x, y = _floats(shown["pool_size"]), _floats(shown["value"])
        layers.append(Points(x, y, color, marker, 8.0, label=names[rule], hover=hover))
    largest = int(value.curve["pool_size"].max())
    last = value.curve[(value.curve["pool_size"] == largest) & value.curve["value"].notna()]
    said = ", ".join(f"{names[row['rule']]} {row['value']:.2f}" for row in _rows(last))
    return FigureSpec(
        name=f"pool_curve_{value.y}_{value.role or 'all'}",
        panels=(
            Panel(
                layers=tuple(layers),
                x_label="prompts to pick from",
                y_label=_axis(value),
                x_range=(0.7, largest + 0.3 + 0.01 * largest),
            ),
        ),
        table=value.curve,
        caption=_facts(value),
        alt=f"Expected outcome of a pick by pool size; from {largest} prompts: {said}."
        " Bands: 95 % for new tasks of the difference to a random pick.",
        height=380,
    )


def _band(rows: pd.DataFrame, sign: float, color: str, label: str | None) -> list[Layer]:
    """The interval of the gain around the random pick, whose value is that of the rule less it."""
    if rows.empty:
        return []
    at_random = rows["value"] - sign * rows["gain"]
    low, high = ("gain_lower", "gain_upper") if sign > 0 else ("gain_upper", "gain_lower")
    # A pool of one leaves no choice: there every rule is the random pick.
    start = float(at_random.iloc[0])
    return [
        Band(
            x=(1.0, *_floats(rows["pool_size"])),
            lower=(start, *_floats(at_random + sign * rows[low])),
            upper=(start, *_floats(at_random + sign * rows[high])),
            color=color,
            opacity=0.15,
            label=label,
        )
    ]


def _check(value: SelectionValue) -> None:
    if not isinstance(value, SelectionValue):
        raise InputError(f"Not a {type(value).__name__}: make it with selection_value(df).")
    if value.by_task.empty:
        raise InputError(
            "No task has two prompts to pick from yet, each with a value at a shared seed."
        )


def _names(value: SelectionValue) -> dict[str, str]:
    """What a reader calls each rule."""
    indicator = indicator_name(value.x)
    return {
        "lowest_loss": f"lowest {indicator}",
        "random": "random prompt",
        "original": "original prompt",
        "hindsight_best": "best in hindsight",
        "highest_loss": f"highest {indicator}",
    }


def _axis(value: SelectionValue) -> str:
    outcome = Outcome("", "", value.role or "evaluated", value.y, value.y, 0, None)
    n = int(value.by_task["n_eval_tasks"].min())
    return outcome.axis("score", n, value.eval_task, value.unit == SD_UNIT)


def _unit(value: SelectionValue) -> str:
    return "sd over prompts" if value.unit == SD_UNIT else value.unit


def _bounds(lower: float, upper: float, scope: str) -> str:
    known = not math.isnan(lower)
    return f"\n{scope}: {lower:.3g} to {upper:.3g}" if known else f"\n{scope}: no interval"


def _counts(row: dict[str, Any]) -> str:
    return (
        f"{counted(row['n_tasks'], 'task')} × {counted(row['n_prompts'], 'prompt')}"
        f" × {counted(row['n_seeds'], 'seed')}"
    )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): item for key, item in row.items()} for row in table.to_dict("records")]


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _spread(n: int) -> list[int]:
    """Places of at most `MOST_MARKS` of n points, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, MOST_MARKS))})


def _long(value: SelectionValue) -> pd.DataFrame:
    """Both panels' numbers in one table: a row per rule, and a row per rival."""
    gains = value.contrasts.rename(columns={"gain": "value", "against": "rule"})
    return pd.concat(
        [value.rules.assign(panel="outcome"), gains.assign(panel="gain over")], ignore_index=True
    )


def _facts(value: SelectionValue) -> dict[str, Any]:
    first = value.rules.iloc[0]
    return {
        "n_tasks": int(first["n_tasks"]),
        "n_prompts": int(first["n_prompts"]),
        "n_seeds": int(first["n_seeds"]),
        "unit": value.unit,
        "method": value.method,
    }
