"""The views of a scatter of prompts: all tasks centred or pooled in one panel, or one per task."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.noise.band import NoiseBand, NoiseFacet
from sapo_analysis.analysis.scatter import centred, clip_limits, needs_log, slope_band
from sapo_analysis.figures import theme
from sapo_analysis.figures.estimates_told import above_task
from sapo_analysis.figures.scatter_layers import (
    Scene,
    clipped_points,
    draw_points,
    holding,
    padded,
)
from sapo_analysis.figures.spec import Band, Layer, Line, Note, Panel, Points, Span

MOST_DOTS = 50_000
"""Dots drawn at most; of more, every n-th. Slopes, ranges and marks are those of all."""
Reach = tuple[tuple[float, ...], tuple[float, ...]]
"""Values of x and of y that something laid over the scatter has, as on its axes."""
NOWHERE: Reach = ((), ())


@dataclass(frozen=True)
class Parts:
    """`means`: a row per prompt. `dots`: what is drawn, a row per prompt or per prompt and seed."""

    means: pd.DataFrame
    dots: pd.DataFrame
    only: Collection[tuple[str, str]] | None
    by_seed: bool

    def moved(self, scene: Scene, log: bool) -> Parts:
        """Both minus their task's mean over prompts; x as a logarithm first, if so."""
        means, dots = self.means, self.dots
        if log:
            means, dots = (
                rows.assign(**{scene.x: np.log(rows[scene.x].astype(float))})
                for rows in (means, dots)
            )
        columns = [scene.x, scene.y]
        return replace(
            self,
            means=centred(means, columns, "current_task"),
            dots=centred(dots, columns, "current_task", of=means),
        )

    def of(self, task: str) -> Parts:
        """One task's."""
        means, dots = (rows[rows["current_task"] == task] for rows in (self.means, self.dots))
        return replace(self, means=means, dots=dots)

    def shown(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Dots and marked prompts that the filter lets through."""
        step = -(-len(self.dots) // MOST_DOTS)
        dots = self.dots.iloc[::step] if step > 1 else self.dots
        if self.only is None:
            return dots, self.means
        wanted = set(self.only)
        return _among(dots, wanted), _among(self.means, wanted)


def left_out(n: int) -> str:
    """Of so many dots, how many are drawn, where that is not all: a sentence."""
    return f" {MOST_DOTS:,} of {n:,} dots drawn." if n > MOST_DOTS else ""


def _among(rows: pd.DataFrame, wanted: set[tuple[str, str]]) -> pd.DataFrame:
    keys = zip(rows["current_task"], rows["prompt_id"], strict=True)
    return rows[np.array([key in wanted for key in keys], dtype=bool)]


def centred_panel(
    parts: Parts,
    scene: Scene,
    noise: NoiseBand | None,
    x_label: str,
    y_label: str,
    log: bool,
    reach: Reach,
) -> Panel:
    """All tasks in one panel, each minus its mean; what lies far outside becomes arrows."""
    moved = parts.moved(scene, log)
    dots, marked = moved.shown()
    facet = noise.pooled if noise is not None else None
    lower, upper = _half(facet, 0.0, parts.by_seed) if facet is not None else (0.0, 0.0)
    x_limits, y_limits = (clip_limits(moved.dots[c]) for c in (scene.x, scene.y))
    frame = (
        holding(padded(moved.dots[scene.x], x_limits), np.log(reach[0]) if log else reach[0]),
        holding(padded(moved.dots[scene.y], y_limits, (lower, upper)), reach[1]),
    )
    band = slope_band(moved.means, scene.x, scene.y, groups=moved.means["current_task"].nunique())
    layers: list[Layer] = []
    if facet is not None:
        layers.append(_noise(facet, parts.by_seed))
    if band is not None:
        layers += _slope(band.x, band.y, band.lower, band.upper, "within-task slope, 95 %")
    layers += clipped_points(dots, scene, frame, marked)
    y_label = y_label.replace("\n(", " minus the task's mean\n(")
    if log:
        name = x_label.split(" (")[0]
        return Panel(
            layers=tuple(_powers(layer) for layer in layers),
            x_label=f"{name} ÷ the task's geometric mean (log)",
            y_label=y_label,
            x_range=(math.exp(frame[0][0]), math.exp(frame[0][1])),
            y_range=frame[1],
            x_log=True,
            y_zero=True,
        )
    return Panel(
        layers=tuple(layers),
        x_label=x_label.replace(" (", " minus the task's mean ("),
        y_label=y_label,
        x_range=frame[0],
        y_range=frame[1],
        x_zero=True,
        y_zero=True,
    )


def _powers(layer: Layer) -> Layer:
    """A layer drawn over logarithms, over the ratios themselves."""
    if isinstance(layer, Points | Line | Band):
        return replace(layer, x=tuple(math.exp(value) for value in layer.x))
    return replace(layer, x=math.exp(layer.x)) if isinstance(layer, Note) else layer


def raw_panel(
    parts: Parts, scene: Scene, x_label: str, y_label: str, log: bool, said: str
) -> Panel:
    """All points as they were measured, whatever their task; `said` stands above them."""
    dots, marked = parts.shown()
    band = slope_band(parts.means, scene.x, scene.y)
    layers: list[Layer] = []
    if band is not None:
        layers += _slope(band.x, band.y, band.lower, band.upper, "pooled slope, 95 %")
    layers += draw_points(dots, scene, marked)
    label = _on_log_scale(x_label) if log else x_label
    return Panel(tuple(layers), label, y_label, subtitle=said, x_log=log, y_zero=True)


def task_panels(
    parts: Parts,
    scene: Scene,
    noise: NoiseBand | None,
    estimates: Sequence[Estimate] | None,
    x_scale: str,
) -> list[Panel]:
    """A panel per current task, with its own slope, noise band and numbers."""
    by_task = {estimate.task: estimate for estimate in estimates or ()}
    facets = {facet.current_task: facet for facet in noise.facets} if noise is not None else {}
    panels = []
    tasks = sorted(parts.means["current_task"].unique())
    for task in map(str, tasks):
        own = parts.of(task)
        dots, marked = own.shown()
        band = slope_band(own.means, scene.x, scene.y)
        layers: list[Layer] = []
        if task in facets:
            layers.append(_noise(facets[task], parts.by_seed))
        if band is not None:
            layers += _slope(band.x, band.y, band.lower, band.upper, "slope, 95 %")
        layers += draw_points(dots, replace(scene, highlight=None), marked, listed=False)
        said = "" if estimates is None else above_task(by_task.get(task))
        log = x_scale == "log" or (x_scale == "auto" and needs_log(own.means[scene.x]))
        title = f"{task} (log scale)" if log else task
        panels.append(Panel(tuple(layers), "", "", title, said, x_log=log))
    return panels


def _half(facet: NoiseFacet, centre: float, by_seed: bool) -> tuple[float, float]:
    """Ends of the band: of a mean over seeds, or of one trial."""
    half = facet.half_width * (math.sqrt(facet.seeds_averaged) if by_seed else 1.0)
    return centre - half, centre + half


def _noise(facet: NoiseFacet, by_seed: bool) -> Span:
    words = f"noise band{' of one trial' if by_seed else ''}, {facet.n_noise_seeds} seeds"
    if facet.dashed:
        words += " (σ's upper limit)"
    lower, upper = _half(facet, facet.centre, by_seed)
    return Span("y", lower, upper, theme.NEUTRAL, 0.22, facet.dashed, words, part="noise")


def _slope(
    x: tuple[float, ...],
    y: tuple[float, ...],
    lower: tuple[float, ...],
    upper: tuple[float, ...],
    label: str,
) -> list[Layer]:
    return [
        Band(x, lower, upper, theme.NEUTRAL, 0.28, part="slope"),
        Line(x, y, theme.NEUTRAL, 1.8, label=label, part="slope"),
    ]


def _on_log_scale(label: str) -> str:
    """`loss (nats)` becomes `loss (nats, log)`."""
    return f"{label[:-1]}, log)" if label.endswith(")") else f"{label} (log)"
