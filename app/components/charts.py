"""Charts on the page: what a click on them does, and how they are taken along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import plotly.io as pio
import streamlit as st
from plotly.basedatatypes import BaseFigure

from sapo_analysis.app.components import links
from sapo_analysis.app.state import Pair, select_cell, select_points, selected_points
from sapo_analysis.figures import FigureSpec
from sapo_analysis.figures.render_plotly import drawn
from sapo_analysis.figures.theme import GREY
from sapo_analysis.paper.figures import FIGURES
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.stamps import stamp
from sapo_analysis.store import Run

TOOLS = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["autoScale2d", "zoomIn2d", "zoomOut2d", "toImage"],
}
NO_TOOLS = {"displayModeBar": False}
_ROOM_FOR_TOOLS = 42
"""Pixels right of a chart with tools: above it they would cover the legend."""


class _Ready(BaseFigure):  # type: ignore[misc]
    """A figure as plain data, which Streamlit takes as it is.

    Made of plotly's own objects, a scatter of 10,000 points would be checked and copied for a
    second at every rerun. Tests make these objects of every kind of figure.
    """

    def __init__(self, spec: FigureSpec, dragmode: str | bool = False):
        plain = drawn(spec)
        layout = {**plain["layout"], "template": _template(str(pio.templates.default))}
        layout["dragmode"] = dragmode
        if st.context.theme.type == "light":  # Streamlit's own grey is hard to read on white
            layout |= {name: _darker(layout[name]) for name in layout if name[1:5] == "axis"}
        if dragmode:
            layout["modebar"] = {**layout["modebar"], "orientation": "v"}
            layout["margin"] = {**layout["margin"], "r": _ROOM_FOR_TOOLS}
        self._plain = {**plain, "layout": layout}

    def to_dict(self) -> dict[str, Any]:
        """The data."""
        return self._plain


def _darker(axis: dict[str, Any]) -> dict[str, Any]:
    """An axis whose words have a contrast of 4.8 on white."""
    title = {**axis["title"], "font": {"color": GREY}}
    return {**axis, "title": title, "tickfont": {"color": GREY}}


@cache
def _template(name: str) -> dict[str, Any]:
    """Streamlit's look, whose colours the browser fills in by theme."""
    found: dict[str, Any] = pio.templates[name].to_plotly_json()
    return found


def scatter(spec: FigureSpec, key: str) -> None:
    """A chart whose points are prompts: selecting some shows them in the evidence."""
    _chart(spec, key, _choose_prompts, ("points", "box", "lasso"))


def forest(spec: FigureSpec, key: str) -> None:
    """A chart whose points are tasks: a click highlights the task, a second one lets it go."""
    _chart(spec, key, _choose_task, ("points",))


def cells(spec: FigureSpec, key: str) -> None:
    """A heat map between tasks: a click on a cell opens its scatter."""
    _chart(spec, key, _choose_cell, ("points",))


def matrix(spec: FigureSpec, key: str) -> None:
    """Matrices of strategies: a click on a cell shows what stands behind it."""
    _chart(spec, key, _choose_matrix_cell, ("points",))


def still(spec: FigureSpec, key: str) -> None:
    """A chart to look at: a finger that is drawn over it scrolls the page."""
    st.plotly_chart(_Ready(spec), key=key, config=NO_TOOLS, alt=spec.alt)


def _chart(
    spec: FigureSpec, key: str, chosen: Callable[[str], None], modes: tuple[str, ...]
) -> None:
    has_tools = "box" in modes
    st.plotly_chart(
        # With a drag that selects, Streamlit stops clicks from selecting; the tools have the box.
        _Ready(spec, dragmode="pan" if has_tools else False),
        key=key,
        on_select=lambda: chosen(key),
        selection_mode=modes,  # type: ignore[arg-type]
        config=TOOLS if has_tools else NO_TOOLS,
        alt=spec.alt,
    )


def _picked(key: str) -> list[list[str]]:
    state = st.session_state.get(key)
    points = state["selection"]["points"] if state else []
    return [names(point["customdata"]) for point in points if point.get("customdata")]


def names(customdata: Any) -> list[str]:
    """What a point is called; the browser sends a list back as an object with keys 0, 1, 2."""
    if isinstance(customdata, Mapping):
        return [str(customdata[name]) for name in sorted(customdata, key=int)]
    return [str(name) for name in customdata]


def _choose_prompts(key: str) -> None:
    pairs: list[Pair] = [(c[0], c[1]) for c in _picked(key) if len(c) == 2]
    # A redrawn chart reports an empty selection; the URL keeps what was chosen.
    if pairs and pairs != selected_points():
        select_points(pairs)


def _choose_task(key: str) -> None:
    from sapo_analysis.app.components.controls import ALL_TASKS

    tasks = [c[0] for c in _picked(key)]
    if tasks:
        before = st.session_state.get("task")
        st.session_state["task"] = ALL_TASKS if before == tasks[0] else tasks[0]


def _choose_cell(key: str) -> None:
    pairs = [c for c in _picked(key) if len(c) == 2]
    if pairs:
        st.session_state["on_i"], st.session_state["on_j"] = pairs[0]


def _choose_matrix_cell(key: str) -> None:
    found = [c for c in _picked(key) if len(c) == 3]
    if found:
        strategy, stage, position = found[0]
        select_cell(strategy, int(stage), int(position))


def export(spec: FigureSpec, runs: Sequence[Run], figure: str, **options: str | None) -> None:
    """Download a figure as it is shown, or its numbers; the Figures page has the rest.

    Args:
        spec: what is shown.
        runs: behind it.
        figure: its kind, of `paper.figures.FIGURES`.
        options: what of it the Figures page takes over, as `links.figures_of`.
    """
    with st.popover("Export", icon=":material/download:", help="Take this figure along."):
        for kind, mime in (("pdf", "application/pdf"), ("svg", "image/svg+xml")):
            st.download_button(
                f"Figure ({kind.upper()})",
                data=_drawn(spec, kind, runs, FIGURES[figure].title),
                file_name=f"{spec.name}.{kind}",
                mime=mime,
                key=f"export-{kind}",
                help="ICML, full width: 6.75 inches, TrueType text.",
                on_click="ignore",
                width="stretch",
            )
        st.download_button(
            "Numbers (CSV)",
            data=lambda: spec.to_csv(),
            file_name=f"{spec.name}.csv",
            mime="text/csv",
            key="export-csv",
            help="One row per point.",
            on_click="ignore",
            width="stretch",
        )
        links.figures_of(runs, "For a paper …", figure, **options)


def _drawn(spec: FigureSpec, kind: str, runs: Sequence[Run], title: str) -> Callable[[], bytes]:
    # Drawn when the button is pressed: at every rerun it would cost half a second.
    return lambda: spec.to_bytes(kind, "icml", "full", stamp=stamp(numbers_of(runs), title))
