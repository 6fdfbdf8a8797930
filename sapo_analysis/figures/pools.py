"""The same by pool size: what a pick comes to, and what it loses against hindsight."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sapo_analysis.analysis.wording import signed
from sapo_analysis.analysis.worth.payoff import SelectionValue
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.payoff_words import (
    MARKS,
    NEW_TASKS,
    axis,
    bounds,
    check,
    decimals,
    floats,
    names_of,
    rows_of,
    shown,
    sizes,
    terms,
    unit_of,
    units,
)
from sapo_analysis.figures.spec import Band, FigureSpec, Layer, Line, Panel, Points

DASHES: dict[str, tuple[float, ...]] = {
    "lowest_loss": theme.DASHES["sapo"],
    "random": theme.DASHES["random"],
    "hindsight_best": (6, 2),
}
BAND = "95 % of the gain over random, new tasks"
UNFINISHED = "hollow: the study is not finished"
MOST_MARKS = 25
"""Along a longer curve, so many pool sizes have a mark."""


def pool_curve(value: SelectionValue, *, hollow: bool = False) -> FigureSpec:
    """The expected outcome of a pick by the number of prompts that it is picked from.

    Bands are 95 % for new tasks of the difference to a random pick, around it: with the bands of
    the outcomes themselves one would see how tasks differ, not how rules do.

    Args:
        value: `selection_value(...)`.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something else, or no task had prompts to pick from.
    """
    check(value)
    names = names_of(value)
    sign = -1.0 if value.good_when == "low" else 1.0
    layers: list[Layer] = []
    for rule in DASHES:
        rows = value.curve[value.curve["rule"] == rule]
        known = rows[rows["value"].notna()]
        if known.empty:
            continue
        color = MARKS[rule][0]
        label = BAND if rule == "lowest_loss" else None
        layers += _band(known[known["gain_lower"].notna()], sign, color, label)
        hover = [
            f"{names[rule]} of {row['pool_size']}: {row['value']:.3g}"
            f"\nover random {signed(row['gain'], 3)}"
            f"{bounds(row['gain_lower'], row['gain_upper'], 'new tasks')}"
            for row in rows_of(known)
        ]
        layers += _curve(known, "value", rule, names[rule], hover, hollow)
    largest = int(value.curve["pool_size"].max())
    last = value.curve[(value.curve["pool_size"] == largest) & value.curve["value"].notna()]
    said = ", ".join(f"{names[row['rule']]} {row['value']:.2f}" for row in rows_of(last))
    return FigureSpec(
        name=f"pool_curve_{value.y}_{value.role or 'all'}",
        panels=(
            Panel(
                layers=tuple(layers),
                x_label="prompts to pick from",
                y_label=axis(value),
                x_range=(0.7, largest + 0.3 + 0.01 * largest),
            ),
        ),
        table=value.curve,
        caption=_pool_caption(value, names, hollow),
        alt=f"Expected outcome of a pick by pool size; from {largest} prompts: {said}."
        " Bands: 95 % for new tasks of the difference to a random pick.",
        height=380,
    )


def regret_curve(value: SelectionValue, *, hollow: bool = False) -> FigureSpec:
    """What a pick loses against the best in hindsight, by the number of prompts to pick from.

    The band is 95 % for new tasks. Pools are those of `pool_curve`: the best in hindsight is chosen
    among the prompts of the same pool, on other seeds than it is valued at.

    Args:
        value: `selection_value(...)`.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something else, no task had prompts to pick from, or there is one seed.
    """
    check(value)
    names = names_of(value)
    curve = value.curve[value.curve["regret"].notna()]
    if curve.empty:
        raise InputError(
            "Regret needs two seeds: the best in hindsight is chosen on other seeds than it is"
            " valued at. Run the study with another seed."
        )
    layers: list[Layer] = []
    for rule in ("lowest_loss", "random"):
        rows = curve[curve["rule"] == rule]
        color = MARKS[rule][0]
        bounded = rows[rows["regret_lower"].notna()]
        if rule == "lowest_loss" and len(bounded):
            # A pool of one leaves no choice: there every rule is the best.
            low, high = ((0.0, *floats(bounded[f"regret_{end}"])) for end in ("lower", "upper"))
            x = (1.0, *floats(bounded["pool_size"]))
            label = f"{names[rule]}, 95 % new tasks"
            layers.append(Band(x, low, high, color, 0.18, label=label, part="intervals"))
        hover = [
            f"{names[rule]} of {row['pool_size']}: regret {signed(row['regret'], 3)}"
            f"{bounds(row['regret_lower'], row['regret_upper'], 'new tasks')}"
            for row in rows_of(rows)
        ]
        layers += _curve(rows, "regret", rule, names[rule], hover, hollow)
    largest = int(curve["pool_size"].max())
    unit = f"({unit_of(value)}, lower is better)"
    last = curve[(curve["pool_size"] == largest) & (curve["rule"] != "hindsight_best")]
    said = ", ".join(f"{names[row['rule']]} {signed(row['regret'])}" for row in rows_of(last))
    return FigureSpec(
        name=f"regret_curve_{value.y}_{value.role or 'all'}",
        panels=(
            Panel(
                layers=tuple(layers),
                x_label="prompts to pick from",
                y_label=f"regret in {axis(value).splitlines()[0]}\n{unit}",
                x_range=(0.7, largest + 0.3 + 0.01 * largest),
                y_zero=True,
            ),
        ),
        table=curve.drop(columns=["gain", "gain_lower", "gain_upper"]),
        caption=_regret_caption(value, names, any(isinstance(a, Band) for a in layers), hollow),
        alt=f"Regret against the best in hindsight by pool size; from {largest} prompts: {said}.",
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
            x=(1.0, *floats(rows["pool_size"])),
            lower=(start, *floats(at_random + sign * rows[low])),
            upper=(start, *floats(at_random + sign * rows[high])),
            color=color,
            opacity=0.15,
            label=label,
            part="intervals",
        )
    ]


def _curve(
    rows: pd.DataFrame, column: str, rule: str, name: str, hover: Sequence[str], hollow: bool
) -> list[Layer]:
    """A rule's line with a mark at each pool size, or of many at some; `hover`: one per row."""
    color, marker, _ = MARKS[rule]
    x, y = floats(rows["pool_size"]), floats(rows[column])
    at = _spread(len(rows))
    places = tuple(x[i] for i in at), tuple(y[i] for i in at)
    said = tuple(hover[i] for i in at)
    return [
        Line(x, y, color, 1.8, dash=DASHES[rule]),
        Points(*places, color, marker, 8.0, hollow, label=name, hover=said),
    ]


def _spread(n: int) -> list[int]:
    """Places of at most `MOST_MARKS` of n points, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, MOST_MARKS))})


def _pool_caption(value: SelectionValue, names: dict[str, str], hollow: bool) -> Caption:
    return Caption(
        shows=f"expected {shown(value)} of the prompt picked from a random pool of prompts, by the"
        " size of the pool, mean over tasks",
        n=sizes(value),
        statistics=_at_the_end(value, names, "gain", "over a random prompt"),
        interval=f"{NEW_TASKS}, of the difference to a random pick",
        marks=(
            Of(
                "intervals",
                "bands, each in its rule's colour: the difference to a random pick, drawn around"
                " it",
            ),
            *((UNFINISHED,) * hollow),
        ),
        terms=terms(value, "hindsight_best"),
        units=units(value),
    )


def _regret_caption(
    value: SelectionValue, names: dict[str, str], banded: bool, hollow: bool
) -> Caption:
    return Caption(
        shows="regret: what a pick loses against the best in hindsight of the same pool, by the"
        f" size of the pool, mean over tasks, of {shown(value)}; 0: as good as hindsight",
        n=sizes(value),
        statistics=_at_the_end(value, names, "regret", "behind the best in hindsight"),
        interval=NEW_TASKS,
        marks=(
            *((Of("intervals", f"band: 95 % of {names['lowest_loss']}"),) * banded),
            *((UNFINISHED,) * hollow),
        ),
        terms=terms(value, "regret", "hindsight_best"),
        units=units(value),
    )


def _at_the_end(
    value: SelectionValue, names: dict[str, str], what: str, said: str
) -> tuple[str, ...]:
    """One sentence on each rule at the largest pool."""
    size, digits = value.curve["pool_size"].max(), decimals(value)
    found = []
    for row in rows_of(value.curve[value.curve["pool_size"] == size]):
        if math.isnan(row[what]) or math.isnan(row[f"{what}_lower"]):
            continue
        lower, upper = (signed(row[f"{what}_{end}"], digits) for end in ("lower", "upper"))
        found.append(
            f"{names[row['rule']]} of {size} prompts: {signed(row[what], digits)} {unit_of(value)}"
            f" {said} (95 % new tasks {lower} to {upper})"
        )
    return tuple(found)
