"""Indicator before the update against outcome after it, one point per prompt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.noise.band import NoiseBand
from sapo_analysis.analysis.prompt_means import SD_UNIT, prompts_table
from sapo_analysis.analysis.scatter import (
    marked_prompts,
)
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import scatter_caption, theme
from sapo_analysis.figures.estimates_told import above_means, above_pooled
from sapo_analysis.figures.outcomes import OUTCOMES, indicator_words
from sapo_analysis.figures.scatter_layers import (
    Scene,
    ringed,
)
from sapo_analysis.figures.scatter_views import (
    NOWHERE,
    Parts,
    Reach,
    centred_panel,
    left_out,
    raw_panel,
    task_panels,
)
from sapo_analysis.figures.spec import (
    FigureSpec,
    require_columns,
)

VIEWS = ("centred", "panels", "raw")
SCALES = ("auto", "linear", "log")
BRIEF_FROM = 5_000
"""Dots beyond which a hover names the prompt without its text, and the screen draws by WebGL."""


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
    pooled: Estimate | None = None,
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
        means: `within_task_correlation(...)` in both scopes: the centred view shows r above it,
            but not where x is a logarithm, which r is not of.
        pooled: `pooled_correlation(...)`: the raw view shows it above the points, but not where x
            is a logarithm.
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
    if x_scale == "log":
        means, pooled = (), None
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
    parts = Parts(points, _dots(points, seeds, scene), only, seeds is not None)
    sd = "unit" in points and bool((points["unit"] == SD_UNIT).any())
    y_label = chosen.axis(form, int(points["n_eval_tasks"].max()), eval_task, sd)
    x_label = indicator_words(x)
    if view == "panels":
        panels = task_panels(parts, scene, noise, estimates, x_scale)
    elif view == "raw":
        said = above_pooled(pooled, len(points.dropna(subset=[x, y])))
        panels = [raw_panel(parts, scene, x_label, y_label, x_scale == "log", said)]
    else:
        panel = centred_panel(parts, scene, noise, x_label, y_label, x_scale == "log", reach)
        panels = [replace(panel, subtitle=above_means(means))]
    columns = min(3, len(panels)) if view == "panels" else 1
    rows = -(-len(panels) // columns)
    n_tasks, n_prompts = points["current_task"].nunique(), len(points)
    drawn = points.drop(columns=["_group", "_mark", "_x", "_y"]) if seeds is None else seeds
    told = scatter_caption.Told(
        *(x, y, y_label, view, means, estimates, pooled, noise),
        shapes=tuple(scene.shapes.values()),
        is_in_sd=sd,
        by_seed=seeds is not None,
        hollow=hollow,
    )
    spec = FigureSpec(
        name=f"impact_scatter_{outcome}_{form}_{view}",
        panels=tuple(panels),
        table=drawn,
        caption=scatter_caption.caption(points, panels, told),
        alt=f"Scatter of {x_label} against {y_label.replace(chr(10), ' ')}:"
        f" {n_prompts} prompts of {n_tasks} tasks, view {view}.{left_out(n_dots)}",
        columns=columns,
        height=470 if view != "panels" else max(420, 90 + 290 * rows),
        aspect=0.62,
        wide=view == "panels" and len(panels) > 1,
        x_title=x_label if view == "panels" else "",
        y_title=y_label if view == "panels" else "",
    )
    return ringed(spec, selected)


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
