"""Indicator before the update against outcome after it, one point per prompt."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.noise.band import NoiseBand, NoiseFacet
from sapo_analysis.analysis.prompt_means import SD_UNIT, prompts_table
from sapo_analysis.analysis.scatter import (
    centred,
    clip_limits,
    marked_prompts,
    needs_log,
    slope_band,
)
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import scatter_caption, theme
from sapo_analysis.figures.estimates_told import above_means, above_task
from sapo_analysis.figures.outcomes import OUTCOMES, indicator_words
from sapo_analysis.figures.scatter_layers import (
    Scene,
    clipped_points,
    draw_points,
    holding,
    padded,
    ringed,
)
from sapo_analysis.figures.spec import (
    Band,
    FigureSpec,
    Layer,
    Line,
    Note,
    Panel,
    Points,
    Span,
    require_columns,
)

VIEWS = ("centred", "panels", "raw")
SCALES = ("auto", "linear", "log")
BRIEF_FROM = 5_000
"""Dots beyond which a hover names the prompt without its text, and the screen draws by WebGL."""
MOST_DOTS = 50_000
"""Dots drawn at most; of more, every n-th. Slopes, ranges and marks are those of all."""
Reach = tuple[tuple[float, ...], tuple[float, ...]]
"""Values of x and of y that something laid over the scatter has, as on its axes."""
NOWHERE: Reach = ((), ())


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
    estimates: Sequence[Estimate] | None = None,
    means: Sequence[Estimate] = (),
    color_by: str = "current_task",
    selected: Sequence[tuple[str, str]] = (),
    highlight: str | None = None,
    hollow: bool = False,
    seeds: pd.DataFrame | None = None,
    only: Collection[tuple[str, str]] | None = None,
    x_scale: str = "auto",
    reach: Reach = NOWHERE,
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
        estimates: `task_correlations(...)`: panels show each task's r, its interval and p.
        means: `within_task_correlation(...)` in both scopes: the centred view shows r above it.
        color_by: `current_task`, `source`, `length` or `frequency`.
        selected: (task, prompt_id) of points that get a ring.
        highlight: The one task to colour; the others turn grey.
        hollow: Draw hollow points: the numbers are not final.
        seeds: `seeds_table(...)` of the same outcome and x: a small dot per seed is drawn, and the
            noise band is that of one trial; marks and slope stay with the means over seeds.
        only: (task, prompt_id) of the points to draw; means, slopes and bands stay those of all.
        x_scale: `linear`, `log` (centred: the ratio to the task's geometric mean), or `auto`:
            logarithmic in a task's panel where its largest x lies far above the median.
        reach: x and y, as on the axes, that the ranges of the centred view are to hold too.

    Raises:
        InputError: unknown names, a table of another kind, or a log scale of x not above 0.
    """
    if outcome not in OUTCOMES:
        raise unknown("outcome", outcome, list(OUTCOMES))
    if view not in VIEWS:
        raise unknown("view", view, list(VIEWS))
    if x_scale not in SCALES:
        raise unknown("scale", x_scale, list(SCALES))
    chosen = OUTCOMES[outcome]
    y = chosen.column(form)
    if "eval_task" in getattr(table, "columns", ()):
        table = prompts_table(table, y, chosen.role, x, eval_task)
    maker = f"run.impacts() or prompts_table(df, {y!r}, {chosen.role!r}, {x!r})"
    require_columns(table, ("current_task", "prompt_id", x, y, "n_seeds", "n_eval_tasks"), maker)
    if seeds is not None:
        again = f"seeds_table(df, {y!r}, {chosen.role!r}, {x!r})"
        require_columns(seeds, ("current_task", "prompt_id", "seed", x, y), again)
    if table.empty:
        raise InputError("There is no point to draw. Choose another outcome, or wait for trials.")
    if x_scale == "log" and not (table[x] > 0).all():
        raise InputError(f"{x!r} has values that are not above 0: it has no log scale.")
    points = with_texts(table, prompts)
    groups = _groups(points, color_by)
    points["_group"] = groups
    n_dots = len(points if seeds is None else seeds)
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
        highlight=highlight,
        size=9.0 if seeds is None else 6.0,
        opacity=0.9 if seeds is None else 0.6,
        brief=n_dots > BRIEF_FROM,
    )
    points["_mark"] = _marks(points, prompts, scene)
    points["_x"], points["_y"] = points[x], points[y]
    parts = _Parts(points, _dots(points, seeds, scene), only, seeds is not None)
    sd = "unit" in points and bool((points["unit"] == SD_UNIT).any())
    y_label = chosen.axis(form, int(points["n_eval_tasks"].max()), eval_task, sd)
    x_label = indicator_words(x)
    if view == "panels":
        panels = _task_panels(parts, scene, noise, estimates, x_scale)
    elif view == "raw":
        panels = [_raw_panel(parts, scene, x_label, y_label, x_scale == "log")]
    else:
        panel = _centred_panel(parts, scene, noise, x_label, y_label, x_scale == "log", reach)
        panels = [replace(panel, subtitle=above_means(means))]
    columns = min(3, len(panels)) if view == "panels" else 1
    rows = -(-len(panels) // columns)
    n_tasks, n_prompts = points["current_task"].nunique(), len(points)
    drawn = points.drop(columns=["_group", "_mark", "_x", "_y"]) if seeds is None else seeds
    dots = f" {min(n_dots, MOST_DOTS):,} of {n_dots:,} dots drawn." if n_dots > MOST_DOTS else ""
    told = scatter_caption.Told(
        *(x, y, y_label, view, means, estimates, noise),
        by_seed=seeds is not None,
        hollow=hollow,
    )
    spec = FigureSpec(
        name=f"impact_scatter_{outcome}_{form}_{view}",
        panels=tuple(panels),
        table=drawn,
        caption=scatter_caption.caption(points, panels, told),
        alt=f"Scatter of {x_label} against {y_label.replace(chr(10), ' ')}:"
        f" {n_prompts} prompts of {n_tasks} tasks, view {view}.{dots}",
        columns=columns,
        height=470 if view != "panels" else max(420, 90 + 290 * rows),
        aspect=0.62,
        wide=view == "panels" and len(panels) > 1,
        x_title=x_label if view == "panels" else "",
        y_title=y_label if view == "panels" else "",
    )
    return ringed(spec, selected)


@dataclass(frozen=True)
class _Parts:
    """`means`: a row per prompt. `dots`: what is drawn, a row per prompt or per prompt and seed."""

    means: pd.DataFrame
    dots: pd.DataFrame
    only: Collection[tuple[str, str]] | None
    by_seed: bool

    def moved(self, scene: Scene, log: bool) -> _Parts:
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

    def of(self, task: str) -> _Parts:
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


def _among(rows: pd.DataFrame, wanted: set[tuple[str, str]]) -> pd.DataFrame:
    keys = zip(rows["current_task"], rows["prompt_id"], strict=True)
    return rows[np.array([key in wanted for key in keys], dtype=bool)]


def _dots(points: pd.DataFrame, seeds: pd.DataFrame | None, scene: Scene) -> pd.DataFrame:
    if seeds is None:
        return points
    keys = ["current_task", "prompt_id"]
    facts = [c for c in ("text", "_group", "_mark") if c in points]
    dots = seeds.merge(points[[*keys, *facts]], on=keys)
    return dots.assign(_x=dots[scene.x], _y=dots[scene.y])


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
    parts: _Parts,
    scene: Scene,
    noise: NoiseBand | None,
    x_label: str,
    y_label: str,
    log: bool,
    reach: Reach,
) -> Panel:
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


def _raw_panel(parts: _Parts, scene: Scene, x_label: str, y_label: str, log: bool) -> Panel:
    dots, marked = parts.shown()
    band = slope_band(parts.means, scene.x, scene.y)
    layers: list[Layer] = []
    if band is not None:
        layers += _slope(band.x, band.y, band.lower, band.upper, "pooled slope, 95 %")
    layers += draw_points(dots, scene, marked)
    label = _on_log_scale(x_label) if log else x_label
    return Panel(tuple(layers), label, y_label, x_log=log, y_zero=True)


def _task_panels(
    parts: _Parts,
    scene: Scene,
    noise: NoiseBand | None,
    estimates: Sequence[Estimate] | None,
    x_scale: str,
) -> list[Panel]:
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
        panels.append(Panel(tuple(layers), "log scale" if log else "", "", task, said, x_log=log))
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
