"""The layers of a scatter of prompts: points, marks, rings, and arrows for what lies outside."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sapo_analysis.analysis.noise import NoiseFacet
from sapo_analysis.figures import theme
from sapo_analysis.figures.outcomes import Outcome, indicator_words
from sapo_analysis.figures.spec import Layer, Note, Points

MARKS = {
    "original": (theme.MARK_ORIGINAL, "original prompt", 17.0, True),
    "sapo": (theme.MARK_SAPO, "SAPO's pick (lowest loss)", 15.0, False),
    "best": (theme.MARK_BEST, "best in hindsight", 24.0, True),
}
"""Mark → shape, legend text, size, hollow. Sizes differ so that several marks fit on one point."""

TEXT_WIDTH = 64


@dataclass(frozen=True)
class Scene:
    """What every panel needs to know."""

    x: str
    y: str
    outcome: Outcome
    lower_is_better: bool
    groups: dict[str, str]  # group -> colour
    shapes: dict[str, str]  # task -> marker
    by: str
    hollow: bool
    selected: frozenset[tuple[str, str]]
    highlight: str | None


def draw_points(points: pd.DataFrame, scene: Scene, listed: bool = True) -> list[Layer]:
    """Points by task and colour group, then marks, then rings around the selected ones."""
    layers: list[Layer] = []
    ordered = sorted(
        points.groupby(["_group", "current_task"], sort=True),
        key=lambda item: item[0][1] == scene.highlight,  # the highlighted task is drawn on top
    )
    # More than eight groups are all grey: a legend of equal entries would say nothing.
    named = listed and (len(scene.groups) <= theme.MAX_COLOURED_GROUPS)
    for (group, task), part in ordered:
        label = str(group) if named or group == scene.highlight else None
        layers.append(_layer(part, scene, str(group), str(task), label))
    return [*layers, *_marks(points, scene), *_rings(points, scene)]


def _layer(part: pd.DataFrame, scene: Scene, group: str, task: str, label: str | None) -> Points:
    return Points(
        x=floats(part[scene.x]),
        y=floats(part[scene.y]),
        color=scene.groups[group],
        marker=scene.shapes[task],
        hollow=scene.hollow,
        opacity=0.9,
        label=label,
        keys=_keys(part),
        hover=tuple(_hover(row, scene) for row in part.to_dict("records")),
    )


Range = tuple[float, float]
GAP = "\u00a0" * 5
"""Keeps a name clear of its arrow."""


def clipped_points(
    points: pd.DataFrame,
    scene: Scene,
    frame: tuple[Range, Range],
) -> list[Layer]:
    """`draw_points` inside the frame; one outside becomes an arrow on it with its name.

    Args:
        points: A row per prompt.
        scene: Columns, colours and shapes.
        frame: The ranges of the x and the y axis.
    """
    x, y = points[scene.x], points[scene.y]
    x_limits, y_limits = _inset(frame[0]), _inset(frame[1])
    inside = x.between(*x_limits) & y.between(*y_limits)
    layers = draw_points(points[inside], scene)
    # In a corner several points share one place: their names then share one line.
    names: dict[tuple[float, float], list[str]] = {}
    for position in points.index[~inside]:
        row = points.loc[position]
        at_x = min(max(row[scene.x], x_limits[0]), x_limits[1])
        at_y = min(max(row[scene.y], y_limits[0]), y_limits[1])
        if at_y != row[scene.y]:
            arrow = "arrow-up" if row[scene.y] > at_y else "arrow-down"
        else:
            arrow = "arrow-right" if row[scene.x] > at_x else "arrow-left"
        one = points.loc[[position]].assign(**{scene.x: at_x, scene.y: at_y})
        hover = _hover(row.to_dict(), scene) + "\noutside the shown range"
        layers.append(
            Points(
                x=(float(at_x),),
                y=(float(at_y),),
                color=scene.groups[str(row["_group"])],
                marker=arrow,
                size=13.0,
                hollow=scene.hollow,
                keys=_keys(one),
                hover=(hover,),
            )
        )
        names.setdefault((float(at_x), float(at_y)), []).append(str(row["prompt_id"]))
        layers += _marks(one, scene) + _rings(one, scene)
    middle = points[scene.x].mean()
    for (at_x, at_y), listed in names.items():
        side = "right" if at_x > middle else "left"
        layers.append(Note(at_x, at_y, f"{GAP}{', '.join(listed)}{GAP}", side))
    return layers


def _inset(frame: Range) -> Range:
    """Just inside the frame, where a marker is whole."""
    margin = 0.02 * (frame[1] - frame[0])
    return frame[0] + margin, frame[1] - margin


def _marks(points: pd.DataFrame, scene: Scene) -> list[Layer]:
    layers: list[Layer] = []
    for mark, (shape, label, size, hollow) in MARKS.items():
        part = points[[mark in marks for marks in points["_mark"]]]
        hollow = hollow or scene.hollow
        for (group, _), rows in part.groupby(["_group", "current_task"], sort=True):
            layers.append(
                Points(
                    x=floats(rows[scene.x]),
                    y=floats(rows[scene.y]),
                    color=scene.groups[str(group)],
                    marker=shape,
                    size=size,
                    hollow=hollow,
                    keys=_keys(rows),
                    hover=tuple(_hover(row, scene) for row in rows.to_dict("records")),
                )
            )
        if len(part):
            # The legend shows the shape alone, in grey: marks wear the colours of many tasks.
            nothing: tuple[float, ...] = (float("nan"),)
            layers.append(Points(nothing, nothing, theme.NEUTRAL, shape, 11.0, hollow, label=label))
    return layers


def _rings(points: pd.DataFrame, scene: Scene) -> list[Layer]:
    keys = zip(points["current_task"], points["prompt_id"], strict=True)
    part = points[[key in scene.selected for key in keys]]
    if part.empty:
        return []
    x, y = floats(part[scene.x]), floats(part[scene.y])
    return [Points(x, y, theme.VERMILION, "circle", 26.0, True)]


def padded(
    values: pd.Series[float],
    limits: tuple[float, float],
    facet: NoiseFacet | None = None,
) -> tuple[float, float]:
    """The axis range: the points inside the limits and the noise band, with a margin.

    A band several times wider than the points is cut, or the points would be a heap in the middle.
    """
    low, high = max(values.min(), limits[0]), min(values.max(), limits[1])
    if facet is not None:
        reach = 1.6 * max(high - low, 1e-12)
        low, high = min(low, max(facet.lower, -reach)), max(high, min(facet.upper, reach))
    margin = 0.08 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def floats(values: pd.Series[float]) -> tuple[float, ...]:
    """A column as plain numbers."""
    return tuple(float(value) for value in values)


def _keys(points: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    keys = zip(points["current_task"], points["prompt_id"], strict=True)
    return tuple((str(task), str(prompt)) for task, prompt in keys)


def _hover(row: dict[Hashable, Any], scene: Scene) -> str:
    import textwrap

    lines = [f"{row['prompt_id']} · {row['current_task']}"]
    marks = [MARKS[mark][1] for mark in row["_mark"]]
    if marks:
        lines.append(", ".join(marks))
    if isinstance(row.get("text"), str):
        lines += textwrap.wrap(str(row["text"]), TEXT_WIDTH)[:4]
    lines.append(f"{indicator_words(scene.x)}: {row[scene.x]:.4g}")
    lines.append(f"{scene.y.replace('_', ' ')}: {row[scene.y]:.4g} {row.get('unit', '')}".rstrip())
    lines.append(f"mean of {row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}")
    return "\n".join(lines)
