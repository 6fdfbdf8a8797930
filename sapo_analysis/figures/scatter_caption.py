"""What the caption of a scatter of prompts has to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.noise.band import UPPER_BOUND_LABEL, NoiseBand
from sapo_analysis.analysis.wording import counted, p_value, sentence
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of, known_terms
from sapo_analysis.figures.estimates_told import (
    OVER_PROMPTS,
    P_SHUFFLED,
    how_intervals,
    sentences_on_means,
    span_of,
)
from sapo_analysis.figures.outcomes import SD_WORDS, indicator_name
from sapo_analysis.figures.spec import Layer, Note, Panel, Points, Span

VIEWS = {
    "centred": "both minus their mean in the task of the prompt",
    "panels": "one panel per current task",
    "raw": "all tasks together, so differences between tasks are in it too",
}


@dataclass(frozen=True)
class Told:
    """What a scatter was made of, for its caption."""

    x: str
    y: str
    y_axis: str  # the axis title of the outcome
    view: str
    means: Sequence[Estimate]
    tasks: Sequence[Estimate] | None
    pooled: Estimate | None
    noise: NoiseBand | None
    shapes: Sequence[str]  # of each task
    is_in_sd: bool  # the outcome, in standard deviations over prompts
    by_seed: bool
    hollow: bool


def caption(points: pd.DataFrame, panels: Sequence[Panel], told: Told) -> Caption:
    """The facts.

    Args:
        points: a row per prompt, with `current_task` and `n_seeds`.
        panels: as drawn: marks that they lack are not explained.
        told: what it was made of.
    """
    dot = "a prompt at one seed" if told.by_seed else "a prompt"
    seeds = int(points["n_seeds"].min())
    averaged = f", mean of {counted(seeds, 'seed')}" if seeds > 1 and not told.by_seed else ""
    what = told.y_axis.split("\n")[0] + (f" ({SD_WORDS})" if told.is_in_sd else "")
    return Caption(
        shows=f"{indicator_name(told.x)} against {what}: a point is {dot}{averaged},"
        f" {VIEWS[told.view]}",
        n={
            "tasks": int(points["current_task"].nunique()),
            "prompts": int(points.groupby("current_task").size().min()),
            "seeds": seeds,
        },
        statistics=_statistics(told),
        interval=_intervals(told),
        marks=tuple(_marks(panels, told)),
        terms=known_terms(told.x, told.y),
        units={told.y: SD_WORDS} if told.is_in_sd else {},
    )


def _statistics(told: Told) -> tuple[str, ...]:
    if told.view == "panels" and told.tasks:
        return (span_of(told.tasks), f"p: {P_SHUFFLED}")
    if told.view == "raw":
        return _on_pooled(told.pooled)
    return sentences_on_means(told.means)


def _on_pooled(pooled: Estimate | None) -> tuple[str, ...]:
    if pooled is None:
        return ()
    shuffled = (f"{p_value(pooled.p)} ({P_SHUFFLED})",) * (not math.isnan(pooled.p))
    return (sentence(pooled), *shuffled)


def _intervals(told: Told) -> str:
    if told.view == "panels":
        return OVER_PROMPTS if told.tasks else ""
    if told.view == "raw":
        known = told.pooled is not None and not math.isnan(told.pooled.lower)
        return POOLED if known else ""
    return how_intervals(told.means)


def _marks(panels: Sequence[Panel], told: Told) -> list[str | Of]:
    layers = [layer for panel in panels for layer in panel.layers]
    parts = {layer.part for layer in layers}
    found: list[str | Of] = []
    if "slope" in parts:
        within = "within-task" if told.view == "centred" else "least-squares"
        line = f"line and band: {within} slope with the 95 % band of its mean"
        found.append(Of("slope", line))
    if "noise" in parts and told.noise is not None:
        found.append(Of("noise", _noise(told.noise, layers)))
    shapes = {layer.marker for layer in layers if isinstance(layer, Points) and layer.label}
    if "marks" in parts:
        named = [f"{word}: {theme.MARKS[mark]}" for mark, word in SHAPES.items() if mark in shapes]
        found.append(Of("marks", "; ".join(named)))
    if any(isinstance(a, Points) and a.marker.startswith("arrow") for a in layers):
        found.append("arrows at the frame: points outside the shown range")
    names = [layer.text for layer in layers if isinstance(layer, Note) and layer.part == "names"]
    if names:
        further = "; +n behind a name: n further points beside it"
        more = further * any(" +" in name for name in names)
        found.append(Of("names", f"arrows are named by their prompts where there is room{more}"))
    if any(panel.x_log for panel in panels):
        found.append(_logarithmic(told))
    if told.hollow:
        found.append("hollow: the study is not finished")
    tasks = {key[0] for a in layers if isinstance(a, Points) for key in a.keys}
    if len(tasks) > theme.MAX_COLOURED_GROUPS and told.view != "panels":
        alike = len(set(told.shapes)) < len(told.shapes)
        shape = "; some share a shape" if alike else "; shape: task"
        many = f"tasks are grey, as there are more than {theme.MAX_COLOURED_GROUPS}"
        found.append(f"{many}{shape}")
    return found


POOLED = "95 % by Fisher's z of all points, which takes points of one task as independent"
SHAPES = {
    theme.MARK_SAPO: "star",
    theme.MARK_ORIGINAL: "diamond",
    theme.MARK_BEST: "triangle",
}


def _logarithmic(told: Told) -> str:
    """Which axes are, and why a straight slope is bent on them; r is that of the values too."""
    where = " where it says so" if told.view == "panels" else ""
    bent = "" if told.view == "centred" else "; the slope is straight in the values themselves"
    return f"the axis of {indicator_name(told.x)} is logarithmic{where}{bent}"


def _noise(noise: NoiseBand, layers: Sequence[Layer]) -> str:
    dashed = any(isinstance(layer, Span) and layer.dashed for layer in layers)
    facets = [noise.pooled] if noise.pooled is not None else list(noise.facets)
    bound = ", an upper bound" if any(f.label == UPPER_BOUND_LABEL for f in facets) else ""
    how = "between dashes" if dashed else "grey band"
    limit = " at its upper 95 % limit" if dashed else ""
    return f"{how}: ± 1.96 σ of what the seed alone moves a point by{limit}{bound}"
