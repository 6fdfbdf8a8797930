"""Indicator before the update against outcome after it, one point per prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.noise import NoiseBand, NoiseFacet
from sapo_analysis.analysis.prompt_means import SD_UNIT, prompts_table
from sapo_analysis.analysis.scatter import (
    centred,
    clip_limits,
    marked_prompts,
    needs_log,
    slope_band,
)
from sapo_analysis.analysis.wording import signed
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import theme
from sapo_analysis.figures.outcomes import OUTCOMES, indicator_words
from sapo_analysis.figures.scatter_layers import Scene, clipped_points, draw_points, padded
from sapo_analysis.figures.spec import (
    Band,
    FigureSpec,
    Layer,
    Line,
    Panel,
    Span,
    require_columns,
)

VIEWS = ("centred", "panels", "raw")


def impact_scatter(
    table: pd.DataFrame,
    *,
    outcome: str = "forgetting_past",
    form: str = "score",
    x: str = "pre_update_loss",
    view: str = "centred",
    eval_task: str | None = None,
    prompts: pd.DataFrame | None = None,
    noise: NoiseBand | None = None,
    estimates: Sequence[Estimate] = (),
    color_by: str = "current_task",
    selected: Sequence[tuple[str, str]] = (),
    highlight: str | None = None,
    hollow: bool = False,
) -> FigureSpec:
    """The scatter that answers the question.

    Args:
        table: `run.impacts()`, or what `prompts_table` makes of it for this outcome and x.
        outcome: A name of `OUTCOMES`.
        form: `score` or `loss`.
        x: Column of the indicator.
        view: `centred` (all tasks, each minus its mean), `panels` (one per task) or `raw` (pooled).
        eval_task: The one evaluated task that y was made of; None: the mean of the role's tasks.
        prompts: The run's table `prompts`; with it the points carry texts and the marks.
        noise: `noise_band(...)` of the same outcome.
        estimates: `task_correlations(...)`: panels show each task's r.
        color_by: `current_task`, `source`, `length` or `frequency`.
        selected: (task, prompt_id) of points that get a ring.
        highlight: The one task to colour; the others turn grey.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: unknown names, or a table of another kind.
    """
    if outcome not in OUTCOMES:
        raise unknown("outcome", outcome, list(OUTCOMES))
    if view not in VIEWS:
        raise unknown("view", view, list(VIEWS))
    chosen = OUTCOMES[outcome]
    y = chosen.column(form)
    if "eval_task" in getattr(table, "columns", ()):
        table = prompts_table(table, y, chosen.role, x, eval_task)
    maker = f"run.impacts() or prompts_table(df, {y!r}, {chosen.role!r}, {x!r})"
    require_columns(table, ("current_task", "prompt_id", x, y, "n_seeds", "n_eval_tasks"), maker)
    if table.empty:
        raise InputError("There is no point to draw. Choose another outcome, or wait for trials.")
    points = with_texts(table, prompts)
    groups = _groups(points, color_by)
    points["_group"] = groups
    scene = Scene(
        x=x,
        y=y,
        outcome=chosen,
        lower_is_better=chosen.lower_is_better(form),
        groups=theme.colors(
            sorted(groups.unique()), highlight if color_by == "current_task" else None
        ),
        shapes=theme.markers(sorted(points["current_task"].unique())),
        by=color_by,
        hollow=hollow,
        selected=frozenset(selected),
        highlight=highlight,
    )
    points["_mark"] = _marks(points, prompts, scene)
    sd = "unit" in points and bool((points["unit"] == SD_UNIT).any())
    y_label = chosen.axis(form, int(points["n_eval_tasks"].max()), eval_task, sd)
    x_label = indicator_words(x)
    if view == "panels":
        panels = _task_panels(points, scene, noise, estimates, x_label, y_label)
    elif view == "raw":
        panels = [_raw_panel(points, scene, x_label, y_label)]
    else:
        panels = [_centred_panel(points, scene, noise, x_label, y_label)]
    columns = min(3, len(panels)) if view == "panels" else 1
    rows = -(-len(panels) // columns)
    shown = points.drop(columns=["_group", "_mark"])
    n_tasks, n_prompts = points["current_task"].nunique(), len(points)
    return FigureSpec(
        name=f"impact_scatter_{outcome}_{form}_{view}",
        panels=tuple(panels),
        table=shown,
        caption={
            "n_tasks": n_tasks,
            "n_points": n_prompts,
            "n_seeds": int(points["n_seeds"].min()),
            "noise": noise.pooled.label if noise is not None and noise.pooled else None,
        },
        alt=f"Scatter of {x_label} against {y_label.replace(chr(10), ' ')}:"
        f" {n_prompts} prompts of {n_tasks} tasks, view {view}.",
        columns=columns,
        height=470 if view != "panels" else max(400, 90 + 260 * rows),
        aspect=0.62 if view != "panels" else 0.32 * rows + 0.1,
    )


def with_texts(points: pd.DataFrame, prompts: pd.DataFrame | None) -> pd.DataFrame:
    """The points with text, source, length and frequency of their prompts where these are known."""
    if prompts is None:
        return points.copy()
    facts = prompts[["task", "prompt_id", "text", "source", "n_tokens", "frequency"]]
    facts = facts.rename(columns={"task": "current_task"})
    return points.merge(facts, on=["current_task", "prompt_id"], how="left")


def _groups(points: pd.DataFrame, by: str) -> pd.Series[str]:
    if by == "current_task":
        return points["current_task"].astype(str)
    column = {"source": "source", "length": "n_tokens", "frequency": "frequency"}.get(by)
    if column is None or column not in points:
        raise unknown("colouring", by, ["current_task", "source", "length", "frequency"])
    if by == "source":
        return points[column].fillna("unknown").astype(str)
    values = points[column].astype(float)
    unit = "tokens" if by == "length" else "pretraining examples"
    thirds = pd.qcut(values, 3, duplicates="drop")
    spans = values.groupby(thirds, observed=True).agg(["min", "max"])
    names = {
        interval: f"{row['min']:.0f} to {row['max']:.0f} {unit}"
        for interval, row in spans.iterrows()
    }
    return thirds.map(lambda interval: names[interval]).astype(object).fillna("unknown").astype(str)


def _marks(points: pd.DataFrame, prompts: pd.DataFrame | None, scene: Scene) -> pd.Series[Any]:
    """A tuple of marks per point. SAPO's pick needs pre-update loss on x."""
    found: dict[tuple[str, str], list[str]] = {}
    if prompts is not None:
        picks = points if "pre_update_loss" in points else points.assign(pre_update_loss=0.0)
        marked = marked_prompts(picks, prompts, scene.y, lower_is_better=scene.lower_is_better)
        for row in marked.itertuples():
            if row.mark != "sapo" or "pre_update_loss" in points:
                key = (str(row.current_task), str(row.prompt_id))
                found.setdefault(key, []).append(str(row.mark))
    keys = zip(points["current_task"], points["prompt_id"], strict=True)
    return pd.Series([tuple(found.get(key, ())) for key in keys], index=points.index)


def _centred_panel(
    points: pd.DataFrame, scene: Scene, noise: NoiseBand | None, x_label: str, y_label: str
) -> Panel:
    moved = centred(points, [scene.x, scene.y], ["current_task"])
    x_limits, y_limits = clip_limits(moved[scene.x]), clip_limits(moved[scene.y])
    frame = (
        padded(moved[scene.x], x_limits),
        padded(moved[scene.y], y_limits, noise.pooled if noise else None),
    )
    band = slope_band(moved, scene.x, scene.y, groups=moved["current_task"].nunique())
    layers: list[Layer] = []
    if noise is not None and noise.pooled is not None:
        layers.append(_noise(noise.pooled))
    if band is not None:
        layers += _slope(band.x, band.y, band.lower, band.upper, "within-task slope, 95 %")
    layers += clipped_points(moved, scene, frame)
    return Panel(
        layers=tuple(layers),
        x_label=x_label.replace(" (", " minus the task's mean ("),
        y_label=y_label.replace("\n(", " minus the task's mean\n("),
        x_range=frame[0],
        y_range=frame[1],
        x_zero=True,
        y_zero=True,
    )


def _raw_panel(points: pd.DataFrame, scene: Scene, x_label: str, y_label: str) -> Panel:
    band = slope_band(points, scene.x, scene.y)
    layers: list[Layer] = []
    if band is not None:
        layers += _slope(band.x, band.y, band.lower, band.upper, "pooled slope, 95 %")
    layers += draw_points(points, scene)
    return Panel(tuple(layers), x_label, y_label, y_zero=True)


def _task_panels(
    points: pd.DataFrame,
    scene: Scene,
    noise: NoiseBand | None,
    estimates: Sequence[Estimate],
    x_label: str,
    y_label: str,
) -> list[Panel]:
    r = {estimate.task: estimate.value for estimate in estimates}
    facets = {facet.current_task: facet for facet in noise.facets} if noise is not None else {}
    panels = []
    columns = min(3, points["current_task"].nunique())
    for i, (name, part) in enumerate(points.groupby("current_task", sort=True)):
        task = str(name)
        band = slope_band(part, scene.x, scene.y)
        layers: list[Layer] = []
        if task in facets:
            layers.append(_noise(facets[task]))
        if band is not None:
            layers += _slope(band.x, band.y, band.lower, band.upper, "slope, 95 %")
        layers += draw_points(part, replace(scene, highlight=None), listed=False)
        title = f"{task} · r = {signed(r[task])}" if task in r else f"{task} · r undefined"
        first = i % columns == 0
        log = needs_log(part[scene.x])
        label = _on_log_scale(x_label) if log else x_label
        panels.append(Panel(tuple(layers), label, y_label if first else "", title, x_log=log))
    return panels


def _noise(facet: NoiseFacet) -> Span:
    words = f"noise band, {facet.n_noise_seeds} seeds"
    if facet.dashed:
        words += " (σ's upper limit)"
    return Span("y", facet.lower, facet.upper, theme.NEUTRAL, 0.22, facet.dashed, words)


def _slope(
    x: tuple[float, ...],
    y: tuple[float, ...],
    lower: tuple[float, ...],
    upper: tuple[float, ...],
    label: str,
) -> list[Layer]:
    return [
        Band(x, lower, upper, theme.NEUTRAL, 0.28),
        Line(x, y, theme.NEUTRAL, 1.8, label=label),
    ]


def _on_log_scale(label: str) -> str:
    """Short, as panels stand side by side: "loss (nats)" becomes "loss (nats, log)"."""
    return f"{label[:-1]}, log)" if label.endswith(")") else f"{label} (log)"
