"""The layers of a scatter of prompts: points, marks, rings, and arrows for what lies outside."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.figures import theme
from sapo_analysis.figures.outcomes import Outcome, indicator_words
from sapo_analysis.figures.spec import FigureSpec, Layer, Note, Panel, Points

MARKS = {
    "original": (theme.MARK_ORIGINAL, "original prompt", 17.0, True),
    "sapo": (theme.MARK_SAPO, "SAPO's pick (lowest loss)", 17.0, False),
    "best": (theme.MARK_BEST, "best in hindsight", 24.0, True),
}
"""Mark → shape, legend text, size, hollow. Sizes differ so that several marks fit on one point."""
MARK_COLORS = {"original": theme.VERMILION, "sapo": theme.BLUE, "best": theme.GREEN}
"""Of marks where all groups are grey, among which grey ones would be lost."""

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
    highlight: str | None
    size: float = 9.0  # of a dot (points)
    opacity: float = 0.9
    brief: bool = False  # hovers without the prompt's text: there are too many


def draw_points(
    points: pd.DataFrame, scene: Scene, marked: pd.DataFrame, listed: bool = True
) -> list[Layer]:
    """Points by colour and shape, then the marks.

    Args:
        points: A row per dot, with `_group` and `_mark`.
        scene: Columns, colours and shapes.
        marked: A row per prompt: where the marks stand.
        listed: Whether groups are named in the legend.
    """
    points = points.assign(
        _color=points["_group"].map(scene.groups), _shape=points["current_task"].map(scene.shapes)
    )
    # More than eight groups are all grey: a legend of equal entries would say nothing.
    named = listed and (len(scene.groups) <= theme.MAX_COLOURED_GROUPS)
    points["_label"] = points["_group"] if named else ""
    if scene.highlight is not None and scene.by == "current_task":
        lit = points["current_task"] == scene.highlight
        points.loc[lit, "_label"] = points.loc[lit, "_group"]
    layers: list[Layer] = []
    parts = points.groupby(["_label", "_color", "_shape"], sort=True)
    ordered = sorted(  # the highlighted task is drawn on top
        parts, key=lambda part: (part[1]["current_task"] == scene.highlight).any()
    )
    for (label, color, shape), part in ordered:
        layers.append(_layer(part, scene, str(color), str(shape), str(label) or None))
    # The filled star lies under the dot, whose shape and colour it would hide.
    over = [layer for mark in ("original", "best") for layer in _marks(marked, scene, mark)]
    return [*_marks(marked, scene, "sapo"), *layers, *over]


def _layer(part: pd.DataFrame, scene: Scene, color: str, shape: str, label: str | None) -> Points:
    return Points(
        x=floats(part[scene.x]),
        y=floats(part[scene.y]),
        color=color,
        marker=shape,
        size=scene.size,
        hollow=scene.hollow,
        opacity=scene.opacity,
        label=label,
        keys=_keys(part),
        hover=_hovers(part, scene),
    )


Range = tuple[float, float]
GAP = 13.0
"""Between an arrow and its name (points)."""
LETTER, TALL = 0.022, 0.08
"""Room that a letter of a name needs across, and a name upright, as shares of a narrow panel."""
INWARDS = {"arrow-up": -1.0, "arrow-down": 1.0}
"""Arrows that stand in a row: a name beside one would cover the next, so it stands further in."""


def clipped_points(
    points: pd.DataFrame,
    scene: Scene,
    frame: tuple[Range, Range],
    marked: pd.DataFrame,
) -> list[Layer]:
    """`draw_points` inside the frame; one outside becomes an arrow on it with its name.

    Args:
        points: As there.
        scene: As there.
        frame: The ranges of the x and the y axis.
        marked: As there.
    """
    x, y = points[scene.x], points[scene.y]
    x_limits, y_limits = _inset(frame[0]), _inset(frame[1])
    inside = x.between(*x_limits) & y.between(*y_limits)
    # A mark outside stands on the frame, over the arrow of its point.
    marked = marked.assign(
        **{
            scene.x: marked[scene.x].clip(*x_limits),
            scene.y: marked[scene.y].clip(*y_limits),
        }
    )
    layers = draw_points(points[inside], scene, marked)
    outside = points[~inside]
    arrows = _arrows(outside, scene, x_limits, y_limits)
    height = frame[1][1] - frame[1][0]
    named = [
        _Named(x, y + INWARDS.get(layer.marker, 0.0) * TALL * height, layer.marker, prompt)
        for layer in arrows
        for x, y, (_, prompt) in zip(layer.x, layer.y, layer.keys, strict=True)
    ]
    return [*layers, *arrows, *_names(named, frame, float(points[scene.x].mean()))]


def _arrows(outside: pd.DataFrame, scene: Scene, x_limits: Range, y_limits: Range) -> list[Points]:
    """Points outside as arrows on the frame, a layer for each direction and colour."""
    x, y = outside[scene.x], outside[scene.y]
    # Of one in a corner the height says more.
    sideways = np.where(x > x_limits[1], "arrow-right", "arrow-left")
    upright = np.where(y > y_limits[1], "arrow-up", "arrow-down")
    at = outside.assign(
        **{scene.x: x.clip(*x_limits), scene.y: y.clip(*y_limits)},
        _arrow=np.where(y.between(*y_limits), sideways, upright),
        _color=outside["_group"].map(scene.groups),
    )
    return [
        Points(
            x=floats(part[scene.x]),
            y=floats(part[scene.y]),
            color=str(color),
            marker=str(arrow),
            size=13.0,
            hollow=scene.hollow,
            keys=_keys(part),
            hover=tuple(f"{said}\noutside the shown range" for said in _hovers(part, scene)),
        )
        for (arrow, color), part in at.groupby(["_arrow", "_color"], sort=True)
    ]


@dataclass(frozen=True)
class _Named:
    """Where the name of an arrow stands, and the prompt that the arrow is."""

    x: float
    y: float
    arrow: str
    name: str


def _names(arrows: list[_Named], frame: tuple[Range, Range], middle: float) -> list[Layer]:
    """Names of arrows; of those too close to be read apart the first, and how many more."""
    width, height = frame[0][1] - frame[0][0], frame[1][1] - frame[1][0]

    def covers(a: _Named, b: _Named) -> bool:
        (a_start, a_end), (b_start, b_end) = (_reach(one, width, middle) for one in (a, b))
        across = a_start < b_end and b_start < a_end
        return across and abs(a.y - b.y) < TALL * height

    groups: list[list[_Named]] = []
    for one in sorted(arrows, key=lambda a: (a.arrow, a.x, a.y)):
        near = next((group for group in groups if covers(group[0], one)), None)
        if near is None:
            groups.append([one])
        else:
            near.append(one)
    notes: list[Layer] = []
    for group in groups:
        first, more = group[0], len(group) - 1
        said = f"{first.name} +{more}" if more else first.name
        side = "right" if first.x > middle else "left"
        gap = 0.0 if first.arrow in INWARDS else GAP
        notes.append(Note(first.x, first.y, said, side, gap, part="names"))
    return notes


def _reach(one: _Named, width: float, middle: float) -> Range:
    """From where to where a name stands, with how many more it stands for."""
    room = LETTER * (len(one.name) + len(" +9")) * width
    return (one.x - room, one.x) if one.x > middle else (one.x, one.x + room)


def _inset(frame: Range) -> Range:
    """Just inside the frame, where a marker is whole."""
    margin = 0.02 * (frame[1] - frame[0])
    return frame[0] + margin, frame[1] - margin


def _marks(points: pd.DataFrame, scene: Scene, mark: str) -> list[Layer]:
    """One kind of mark, in one colour: the dot that it stands on tells of which group it is."""
    part = points[np.array([mark in marks for marks in points["_mark"]], dtype=bool)]
    if part.empty:
        return []
    shape, label, size, hollow = MARKS[mark]
    all_grey = len(scene.groups) > 1 and set(scene.groups.values()) == {theme.GREY}
    color = MARK_COLORS[mark] if all_grey else theme.NEUTRAL
    nothing: tuple[float, ...] = (float("nan"),)
    return [
        Points(
            *(floats(part[scene.x]), floats(part[scene.y]), color, shape, size),
            hollow=hollow or scene.hollow,
            keys=_keys(part),
            hover=_hovers(part, scene),
            part="marks",
        ),
        # In the legend it is smaller than around a dot.
        Points(
            *(nothing, nothing, color, shape, 11.0),
            hollow=hollow or scene.hollow,
            label=label,
            part="marks",
        ),
    ]


def ringed(spec: FigureSpec, selected: Collection[tuple[str, str]]) -> FigureSpec:
    """The figure with a ring around every dot of these (task, prompt_id)."""
    wanted = set(selected)
    return replace(spec, panels=tuple(_with_rings(panel, wanted) for panel in spec.panels))


def _with_rings(panel: Panel, wanted: set[tuple[str, str]]) -> Panel:
    places: dict[tuple[float, float], None] = {}  # a mark stands where its point does
    for layer in panel.layers:
        if isinstance(layer, Points) and wanted.intersection(layer.keys):
            for key, x, y in zip(layer.keys, layer.x, layer.y, strict=True):
                if key in wanted:
                    places[x, y] = None
    if not places:
        return panel
    at_x, at_y = tuple(x for x, _ in places), tuple(y for _, y in places)
    rings = Points(at_x, at_y, theme.VERMILION, "circle", 26.0, True)
    return replace(panel, layers=(*panel.layers, rings))


def padded(
    values: pd.Series[float],
    limits: tuple[float, float],
    band: tuple[float, float] = (0.0, 0.0),
) -> tuple[float, float]:
    """The axis range: the points inside the limits and the noise band, with a margin.

    A band several times wider than the points is cut, or the points would be a heap in the middle.
    """
    low, high = max(values.min(), limits[0]), min(values.max(), limits[1])
    if band[1] > band[0]:
        reach = 1.6 * max(high - low, 1e-12)
        low, high = min(low, max(band[0], -reach)), max(high, min(band[1], reach))
    margin = 0.08 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def holding(shown: Range, values: Iterable[float]) -> Range:
    """The axis range, grown to hold these values too, with a margin on the side that grew."""
    found = [float(value) for value in values]
    low, high = min([shown[0], *found]), max([shown[1], *found])
    margin = 0.06 * (high - low)
    return (
        low - margin if low < shown[0] else low,
        high + margin if high > shown[1] else high,
    )


def floats(values: pd.Series[float]) -> tuple[float, ...]:
    """A column as plain numbers."""
    return tuple(float(value) for value in values)


def _keys(points: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    keys = zip(points["current_task"], points["prompt_id"], strict=True)
    return tuple((str(task), str(prompt)) for task, prompt in keys)


def _hovers(points: pd.DataFrame, scene: Scene) -> tuple[str, ...]:
    """What is said of each point: values as measured, not as moved for the view."""
    x_name, unit = indicator_words(scene.x), points.get("unit", pd.Series("", points.index))
    y_name = entry(scene.y).label
    columns = [points[c] for c in ("prompt_id", "current_task", "_x", "_y", "n_seeds", "_mark")]
    texts = points["text"] if "text" in points and not scene.brief else [None] * len(points)
    hovers = []
    for prompt, task, x, y, n, marks, u, text in zip(*columns, unit, texts, strict=True):
        lines = [f"{prompt} · {task}"]
        if marks:
            lines.append(", ".join(MARKS[mark][1] for mark in marks))
        if isinstance(text, str):
            lines += _wrapped(text)
        lines.append(f"{x_name}: {x:.4g}")
        lines.append(f"{y_name}: {y:.4g} {u}".rstrip())
        lines.append(f"mean of {n} seeds" if n != 1 else "1 seed")
        hovers.append("\n".join(lines))
    return tuple(hovers)


@lru_cache(maxsize=20_000)
def _wrapped(text: str) -> tuple[str, ...]:
    return tuple(textwrap.wrap(text, TEXT_WIDTH)[:4])
