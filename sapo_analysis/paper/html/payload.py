"""Figures as JSON inside a page, as exact as there is room for.

First every number is written in full. Where all figures together are larger than what the page has
left for them, the large ones give way, the largest first: each by one step (`STEPS`) before any
goes further, and says so on the page.
"""

from __future__ import annotations

import base64
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sapo_analysis.figures import FigureSpec
from sapo_analysis.figures.render_plotly import drawn

_LONG = 100
"""Numbers in a row from which packing them is worth it."""
_FULLY, _WITHOUT_TEXTS, _NEARLY, _NOT_AT_ALL = STEPS = (
    "",
    "This page has no room for the texts shown on hovering over the points of this figure.",
    "This page has no room for all digits of this figure: its points stand where they are to seven"
    " digits, without texts on hovering.",
    "This page has no room for this figure. `sapo export` gives it as a file.",
)


@dataclass(frozen=True)
class Payload:
    """One figure for the browser.

    Attributes:
        json: plotly's data and layout, safe inside a `<script>` element; "" where left out.
        note: what had to give way; "" where nothing had.
    """

    json: str
    note: str = ""

    @property
    def needs_webgl(self) -> bool:
        """Whether it has so many points that WebGL draws them."""
        return '"type":"scattergl"' in self.json


_LARGE = 0.02
"""Share of the room from which on a figure gives way: smaller ones would gain nothing."""
_LETTER = 6.6
"""Pixels of a letter of an axis title, about."""
_WIDEST = 1060
"""Pixels that a figure has on a wide screen."""


def payloads(specs: Mapping[str, FigureSpec], room: int) -> dict[str, Payload]:
    """Every figure, all together in at most `room` bytes."""
    pictures = {name: _broken(drawn(spec), spec) for name, spec in specs.items()}
    found = {name: _written(picture, 0) for name, picture in pictures.items()}
    for step in range(1, len(STEPS)):
        by_size = sorted(found, key=lambda name: -len(found[name].json))
        for name in by_size:
            if sum(len(one.json.encode()) for one in found.values()) <= room:
                return found
            if len(found[name].json) > room * _LARGE:
                found[name] = _written(pictures[name], step)
    return found


def least_width(spec: FigureSpec) -> int:
    """Pixels that a figure needs to be read; where a screen has less, it is scrolled."""
    return min(_WIDEST, max(620, 290 * spec.columns))


def _broken(picture: dict[str, Any], spec: FigureSpec) -> dict[str, Any]:
    """With the titles of axes on as many lines as the size of a panel asks for."""
    rows = math.ceil(len(spec.panels) / spec.columns)
    room = {
        "xaxis": (least_width(spec) - 60) / spec.columns,
        "yaxis": (spec.height - 130) / rows,
    }
    for name, axis in picture["layout"].items():
        if name[:5] in room and axis["title"]["text"]:
            letters = max(14, int(room[name[:5]] / _LETTER))
            lines = axis["title"]["text"].split("<br>")
            broken = [part for line in lines for part in _wrapped(line, letters)]
            axis["title"]["text"] = "<br>".join(broken)
    return picture


def _wrapped(line: str, letters: int) -> list[str]:
    """Of the ways with the fewest lines the one whose lines are most alike in length."""
    ways = [
        textwrap.wrap(line, n, break_long_words=False, break_on_hyphens=False)
        for n in range(1, letters + 1)
    ]
    fewest = len(ways[-1])
    return next(way for way in ways if len(way) == fewest)


def _written(picture: dict[str, Any], step: int) -> Payload:
    note = STEPS[step]
    if note == _NOT_AT_ALL:
        return Payload("", note)
    if note != _FULLY:
        number = "f8" if note == _WITHOUT_TEXTS else "f4"
        picture = {**picture, "data": [_shorter(trace, number) for trace in picture["data"]]}
    return Payload(as_json(picture), note)


def _shorter(trace: dict[str, Any], number: str) -> dict[str, Any]:
    """A trace without hover texts and keys; its long rows of numbers as plotly's typed arrays."""
    left = {k: v for k, v in trace.items() if k not in ("hovertext", "customdata")}
    if "hovertext" in trace:
        left["hoverinfo"] = "skip"
    for axis in ("x", "y"):
        if _is_long(left.get(axis)):
            packed = np.asarray(left[axis], dtype=f"<{number}").tobytes()
            left[axis] = {"dtype": number, "bdata": base64.b64encode(packed).decode()}
    return left


def _is_long(values: Any) -> bool:
    return (
        isinstance(values, Sequence)
        and len(values) >= _LONG
        and all(isinstance(v, float | int) and math.isfinite(v) for v in values)
    )


def as_json(value: Any) -> str:
    """JSON that cannot end the `<script>` element it stands in; what is no number is null."""
    text = json.dumps(
        _finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    )
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item()
