"""What figures of a pick's worth call their rules, axes and numbers."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.analysis.read_out import UNITS
from sapo_analysis.analysis.worth.payoff import SelectionValue
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import known_terms
from sapo_analysis.figures.outcomes import SD_WORDS, Outcome, indicator_name

MARKS: dict[str, tuple[str, str, bool]] = {
    "lowest_loss": (*theme.POLICIES["sapo"], False),
    "random": (*theme.POLICIES["random"], False),
    "original": (*theme.POLICIES["original"], False),
    "hindsight_best": (theme.GREEN, theme.MARK_BEST, False),
    "highest_loss": (*theme.POLICIES["sapo"], True),
}
"""Colour, marker and whether it is hollow, of each rule; hollow: the rule turned round."""

NEW_TASKS = "95 % for new tasks: Student t over tasks"


def check(value: SelectionValue) -> None:
    """Reject what has nothing to draw.

    Raises:
        InputError: something else than a `SelectionValue`, or no task had prompts to pick from.
    """
    if not isinstance(value, SelectionValue):
        raise InputError(f"Not a {type(value).__name__}: make it with selection_value(df).")
    if value.by_task.empty:
        raise InputError(
            "No task has two prompts to pick from yet, each with a value at a shared seed."
        )


def names_of(value: SelectionValue) -> dict[str, str]:
    """What a reader calls each rule."""
    indicator = indicator_name(value.x)
    return {
        "lowest_loss": f"lowest {indicator}",
        "random": "random prompt",
        "original": "original prompt",
        "hindsight_best": "best in hindsight",
        "highest_loss": f"highest {indicator}",
    }


def axis(value: SelectionValue) -> str:
    """The axis title of the outcome."""
    outcome = Outcome("", "", value.role or "evaluated", value.y, value.y, 0, None)
    n = int(value.by_task["n_eval_tasks"].min())
    return outcome.axis("score", n, value.eval_task, value.unit == SD_UNIT)


def unit_of(value: SelectionValue) -> str:
    """The unit of every value and gain, on an axis."""
    return UNITS.get(value.unit, value.unit)


def decimals(value: SelectionValue) -> int:
    """Of its numbers in a caption: losses are small."""
    return 3 if value.y.endswith("_loss") else 2


def bounds(lower: float, upper: float, scope: str) -> str:
    """A line of a hover on one interval."""
    known = not math.isnan(lower)
    return f"\n{scope}: {lower:.3g} to {upper:.3g}" if known else f"\n{scope}: no interval"


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each by column."""
    return [{str(key): item for key, item in row.items()} for row in table.to_dict("records")]


def floats(values: Any) -> tuple[float, ...]:
    """A column as plain numbers."""
    return tuple(float(v) for v in values)


def sizes(value: SelectionValue) -> dict[str, int]:
    """What was counted, for a caption."""
    first = value.rules.iloc[0]
    return {what: int(first[f"n_{what}"]) for what in ("tasks", "prompts", "seeds")}


def shown(value: SelectionValue) -> str:
    """The outcome in the middle of a sentence."""
    return axis(value).replace("\n", " ")


def units(value: SelectionValue) -> dict[str, str]:
    """The unit of the outcome, where it is not that of its definition."""
    return {value.y: SD_WORDS} if value.unit == SD_UNIT else {}


def terms(value: SelectionValue, *rules: str) -> tuple[str, ...]:
    """What a caption defines: loss, outcome and how these rules pick."""
    return known_terms(value.x, value.y, *(f"pick_{rule}" for rule in rules))
