"""A race laid over the scatter of its study: what strategies chose, its loss and its outcome."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.wording import counted
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.outcomes import indicator_words
from sapo_analysis.figures.scatter_views import NOWHERE, Reach
from sapo_analysis.figures.spec import FigureSpec, Layer, Line, Panel, Points, require_columns

X = "pre_update_loss"
SIZES = {"original": 12.0, "random": 11.0, "sapo": 12.0}
OTHER_SIZE = 10.0
FRAME = 20.0
"""Every point of a race stands in a square frame (points), which no mark of the study has."""
EDGE = 0.02
"""A point outside the shown range stands this far inside its edge (share of the range)."""


@dataclass(frozen=True)
class Race:
    """What of a race is drawn.

    Attributes:
        name: of the run.
        table: `races.race_points(...).drawn`.
        y: its column on the vertical axis.
        hollow: whether the race is at work, so that points will come and move.
    """

    name: str
    table: pd.DataFrame
    y: str
    hollow: bool = False


def with_race(
    spec: FigureSpec,
    race: Race,
    points: pd.DataFrame,
    *,
    view: str = "centred",
    only: Collection[tuple[str, str]] | None = None,
    prompts: pd.DataFrame | None = None,
) -> FigureSpec:
    """The scatter of a study with a race over it.

    Each point has its strategy's colour and shape in a square frame, and a line in the strategy's
    dashes from the study's own point of the same prompt: how far another draw moved it. In the
    centred view it is moved by the mean of the study's points, as they are. No number of the study
    hangs on the race. Where the scatter was made without its `race_reach`, a point of the race
    outside the range stands on its edge, and its hover says so.

    Args:
        spec: `impact_scatter(points, x="pre_update_loss", ...)`.
        race: The points to lay over it.
        points: The study's points, as the scatter was made of them.
        view: The view that the scatter was made for.
        only: (task, prompt_id) that the filter shows; None: all.
        prompts: The study's prompts, for hovers.

    Raises:
        InputError: another table.
    """
    maker = "races.race_points(rows, means, y, role, found).drawn"
    columns = ("policy", "strategy", "current_task", "prompt_id", X, race.y, "study_x", "study_y")
    require_columns(race.table, (*columns, "n_seeds", "parent"), maker)
    rows = _shown(race, points, only)
    if rows.empty:
        return spec
    rows = rows.assign(_hover=_hovers(rows, race, prompts))
    if view == "panels":
        tasks = sorted(points["current_task"].unique())
        panels = [
            _over(panel, rows[rows["current_task"] == task], race)
            for panel, task in zip(spec.panels, tasks, strict=True)
        ]
    else:
        moved = _centred(rows, points, race.y, spec.panels[0].x_log) if view == "centred" else rows
        panels = [_over(spec.panels[0], moved, race)]
    theirs = rows.drop(columns="_hover").assign(race=race.name)
    counts = ", ".join(f"{n} of {policy}" for policy, n in rows["policy"].value_counts().items())
    return replace(
        spec,
        panels=tuple(panels),
        table=pd.concat([spec.table.assign(race=""), theirs], ignore_index=True),
        caption=_with_race(spec.caption, rows, race),
        alt=f"{spec.alt} Laid over it: {counted(len(rows), 'point')} of the race {race.name}"
        f"{', which is not finished' if race.hollow else ''} ({counts}), in square frames.",
    )


def _with_race(caption: Caption, rows: pd.DataFrame, race: Race) -> Caption:
    mark = (
        f"in square frames: {counted(len(rows), 'point')} of the race {race.name}"
        f"{', which is not finished' if race.hollow else ''}, in each strategy's shape, with a line"
        " from the study's own point of the same prompt; no number of the study hangs on them"
    )
    return replace(caption, marks=(*caption.marks, mark))


def race_reach(
    race: Race,
    points: pd.DataFrame,
    *,
    view: str = "centred",
    log: bool = False,
    only: Collection[tuple[str, str]] | None = None,
) -> Reach:
    """What the ranges of the scatter have to hold for every point of the race to stand inside.

    Args:
        race: The points that will be laid over it.
        points: As for `with_race`.
        view: The view of the scatter; only the centred one has ranges of its own.
        log: Whether its x is drawn as a logarithm.
        only: As for `with_race`.

    Returns:
        Least and greatest x and y of the race, as on the axes; nothing where it has no points.
    """
    rows = _shown(race, points, only)
    if rows.empty or view != "centred":
        return NOWHERE
    moved = _centred(rows, points, race.y, log)
    x, y = moved[X].dropna(), moved[race.y].dropna()
    return _ends(x), _ends(y)


def _ends(values: pd.Series[float]) -> tuple[float, ...]:
    return (float(values.min()), float(values.max())) if len(values) else ()


def _shown(
    race: Race, points: pd.DataFrame, only: Collection[tuple[str, str]] | None
) -> pd.DataFrame:
    """The race's points of tasks in the scatter that the filter lets through."""
    rows = race.table[race.table["current_task"].isin(points["current_task"])]
    if only is None:
        return rows
    keys = zip(rows["current_task"], rows["prompt_id"], strict=True)
    return rows[[key in only for key in keys]]


def _centred(rows: pd.DataFrame, points: pd.DataFrame, y: str, log: bool) -> pd.DataFrame:
    """Moved as the study's points are; of a logarithmic axis the ratio to the geometric mean."""
    by_task = points.assign(**{X: np.log(points[X].astype(float))} if log else {})
    means = by_task.groupby("current_task")[[X, y]].mean()
    middle_x, middle_y = means[X], means[y]
    tasks = rows["current_task"]
    found = rows.copy()
    for column in (X, "study_x"):
        if log:
            found[column] = np.exp(np.log(rows[column]) - tasks.map(middle_x))
        else:
            found[column] = rows[column] - tasks.map(middle_x)
    for column in (y, "study_y"):
        found[column] = rows[column] - tasks.map(middle_y)
    return found


def _over(panel: Panel, rows: pd.DataFrame, race: Race) -> Panel:
    """A panel with the race's layers on top."""
    layers: list[Layer] = []
    order = [name for name in theme.POLICIES if name in set(rows["policy"])]
    for policy in order:
        own = rows[rows["policy"] == policy]
        color, marker = theme.POLICIES[policy]
        x, outside_x = _inside(own[X], panel.x_range, panel.x_log)
        y, outside_y = _inside(own[race.y], panel.y_range, log=False)
        from_x, _ = _inside(own["study_x"], panel.x_range, panel.x_log)
        from_y, _ = _inside(own["study_y"], panel.y_range, log=False)
        gap = (math.nan,) * len(own)
        layers.append(
            Line(
                tuple(v for three in zip(from_x, x, gap, strict=True) for v in three),
                tuple(v for three in zip(from_y, y, gap, strict=True) for v in three),
                *(color, 1.2),
                dash=theme.DASHES[policy],
            )
        )
        hovers = tuple(
            hover + ("\noutside the shown range" if a or b else "")
            for hover, a, b in zip(own["_hover"], outside_x, outside_y, strict=True)
        )
        keys = tuple(zip(own["current_task"], own["prompt_id"], strict=True))
        size = SIZES.get(policy, OTHER_SIZE)
        layers.append(Points(x, y, color, "square", FRAME, True))
        layers.append(
            Points(
                *(x, y, color, marker, size, race.hollow),
                label=f"race: {policy}",
                keys=keys,
                hover=hovers,
            )
        )
    return replace(panel, layers=(*panel.layers, *layers))


def _inside(
    values: pd.Series[float], shown: tuple[float, float] | None, log: bool
) -> tuple[tuple[float, ...], list[bool]]:
    """Values moved onto the edge of the shown range where they lie outside, and whether they do."""
    if shown is None:
        return tuple(map(float, values)), [False] * len(values)
    low, high = map(math.log, shown) if log else shown
    margin = EDGE * (high - low)
    at = np.log(values) if log else values
    clipped = at.clip(low + margin, high - margin)
    moved = np.exp(clipped) if log else clipped
    return tuple(map(float, moved)), [bool(a) for a in clipped != at]


def _hovers(rows: pd.DataFrame, race: Race, prompts: pd.DataFrame | None) -> list[str]:
    """What is said of each point: values as measured, not as moved for the view."""
    texts: dict[tuple[str, str], str] = {}
    if prompts is not None:
        texts = {(r["task"], r["prompt_id"]): r["text"] for r in prompts.to_dict("records")}
    x_words, y_words = indicator_words(X), entry(race.y).label
    found = []
    for row in rows.to_dict("records"):
        text = texts.get((row["current_task"], row["prompt_id"]), "")
        lines = [
            f"race {race.name}: {row['strategy']}",
            f"{row['prompt_id']} · {row['current_task']}",
            *([text if len(text) <= 120 else f"{text[:120]} …"] if text else []),
            f"{x_words}: {row[X]:.4g} (study {row['study_x']:.4g})",
            f"{y_words}: {row[race.y]:.4g} (study {row['study_y']:.4g})",
            f"mean of {row['n_seeds']} seeds" if row["n_seeds"] != 1 else "1 seed",
            str(row["parent"]),
        ]
        found.append("\n".join(lines))
    return found
