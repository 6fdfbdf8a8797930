"""The task × stage matrix of each strategy: what was known when."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sapo_analysis.analysis.sequences import Cell, furthest
from sapo_analysis.analysis.wording import signed
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.spec import (
    Cells,
    FigureSpec,
    Layer,
    Line,
    Panel,
    Points,
    Ticks,
    require_columns,
)
from sapo_analysis.figures.task_names import beside_axis
from sapo_analysis.plan import tasks_in

_TARGET, _FRAME = 24.0, 30.0  # points
_IN_A_COLUMN = 4
"""Matrices that have room in one column of a page, two by two."""
COLUMNS = (
    *("strategy", "policy", "method", "order", "seed", "stage", "eval_task", "position"),
    *("test_prompts", "value", "is_final"),
)


def stage_matrix(
    scores: pd.DataFrame,
    strategies: Sequence[str],
    *,
    test_prompts: str = "original",
    order: str | None = None,
    chosen: Cell | None = None,
    columns: int = 2,
) -> FigureSpec:
    """Scores by stage (down, the base model first) and task (across), a panel per strategy.

    The number is the score; the colour its gain over the first row, which is the base model where
    that was measured, so forgetting is what fades down a column. Tasks left of the stepped line
    are learned by then. Means over seeds, then over orders, by position, unless one is chosen.
    Where chains are under way or diverged, over those that went furthest.

    Args:
        scores: `sequence_scores(runs)`.
        strategies: whose matrices to draw.
        test_prompts: which of the three kinds.
        order: one order, whose tasks are then named.
        chosen: the cell that gets a frame, where its strategy is drawn.
        columns: panels per row, at most.

    Raises:
        InputError: another table, or a strategy or order that is not in it.
    """
    require_columns(scores, COLUMNS, "sequence_scores(runs)")
    own = scores[(scores["test_prompts"] == test_prompts) & ~scores["is_final"]]
    if order is not None:
        if order not in set(own["order"]):
            raise unknown("order", order, sorted(set(own["order"])))
        own = own[own["order"] == order]
    known = list(dict.fromkeys(own["strategy"]))
    for strategy in strategies:
        if strategy not in known:
            raise unknown("strategy", strategy, known)
    if not strategies:
        raise InputError("No strategy was given. Name at least one.")
    far = furthest(own[own["strategy"].isin(list(strategies))])
    by_order = far.groupby(["strategy", "stage", "position", "order"], sort=False)["value"]
    means = by_order.mean().groupby(["strategy", "stage", "position"], sort=False).mean()
    n = int(own["position"].max())
    names = list(tasks_in(order)) if order is not None else [f"task {i}" for i in range(1, n + 1)]
    limit = _limit(means)
    across = min(columns, len(strategies))
    methods = dict.fromkeys(strategy.split("+")[1] for strategy in strategies)
    return FigureSpec(
        name=f"stage_matrix_{'_'.join(methods)}_{test_prompts}",
        panels=tuple(
            _panel(s, means.loc[s], names, order is not None, limit, chosen) for s in strategies
        ),
        table=means.reset_index(),
        caption=_caption(far, means, test_prompts, order),
        alt=f"Score by stage and task of {', '.join(strategies)}, {test_prompts} test prompts.",
        columns=across,
        wide=len(strategies) > _IN_A_COLUMN,
        height=(110 + 38 * (len(names) + 1)) * math.ceil(len(strategies) / across),
        legend=False,
        x_title="" if order is not None else "task, by its place in the order",
        y_title="after stage",
    )


def _caption(
    far: pd.DataFrame, means: pd.Series[float], test_prompts: str, order: str | None
) -> Caption:
    first = _first_row(int(means.index.get_level_values("stage").min()))
    over = "seeds" if order is not None else "seeds, then over orders, by place in the order"
    which = f" in the order {order}" if order is not None else ""
    return Caption(
        shows=f"Score (0 to 100) on each task (across) after each stage (down){which}, with"
        f" {test_prompts} test prompts, a panel per strategy: means over {over}.",
        n={
            "tasks": far["eval_task"].nunique(),
            "orders": far["order"].nunique(),
            "seeds": far["seed"].nunique(),
        },
        marks=(
            f"Colour: gain over {first} in points, on one scale for all panels.",
            "A rule under a number, or alone: less than there.",
            Of(
                "marks",
                "Tasks left of the stepped line are learned by then; what fades below it down a"
                " column is forgotten.",
            ),
        ),
        terms=("strategy", "stage"),
    )


def _first_row(stage: int) -> str:
    return "the base model" if stage == 0 else "the first row"


def _limit(means: pd.Series[float]) -> float:
    table = means.unstack("stage").sort_index(axis=1)
    gains = table.sub(table.iloc[:, 0], axis=0).abs().to_numpy(dtype=float)
    return max(1.0, float(np.nanmax(gains)))


def _panel(
    strategy: str,
    means: pd.Series[float],
    names: list[str],
    named: bool,
    limit: float,
    chosen: Cell | None,
) -> Panel:
    stages = sorted({int(stage) for stage, _ in means.index})
    values, texts, hover = [], [], {}
    for stage in stages:
        row = [_cell(means, stage, stages[0], i, name) for i, name in enumerate(names, start=1)]
        values.append(tuple(gain for gain, _, _ in row))
        texts.append(tuple(text for _, text, _ in row))
        for i, (gain, _, words) in enumerate(row, start=1):
            if not math.isnan(gain):
                hover[stage, i] = words
    labels = ["base" if stage == 0 else str(stage) for stage in stages]
    shown = beside_axis(names) if named else tuple(str(i) for i in range(1, len(names) + 1))
    cells = Cells(
        tuple(values),
        limit,
        f"gain over {_first_row(stages[0])} (points)",
        tuple(tuple(False for _ in row) for row in values),
        tuple(texts),
    )
    # A click on a heat map selects nothing, one on a point does: each cell carries an unseen one.
    targets = Points(
        x=tuple(float(i - 1) for _, i in hover),
        y=tuple(float(stages.index(stage)) for stage, _ in hover),
        color=theme.GREY,
        marker="square",
        size=_TARGET,
        opacity=0.0,
        keys=tuple((strategy, str(stage), str(i)) for stage, i in hover),
        hover=tuple(hover.values()),
    )
    layers: list[Layer] = [cells, _learned(stages, len(names)), targets]
    if chosen is not None and chosen.strategy == strategy:
        if (chosen.stage, chosen.position) in hover:
            place = (float(chosen.position - 1),), (float(stages.index(chosen.stage)),)
            layers.append(Points(*place, theme.VERMILION, "square", _FRAME, True))
    places = tuple(float(i) for i in range(len(names)))
    return Panel(
        layers=tuple(layers),
        x_label="",
        y_label="",
        title=strategy,
        x_range=(-0.5, len(names) - 0.5),
        y_range=(len(stages) - 0.5, -0.5),
        x_ticks=Ticks(places, shown),
        y_ticks=Ticks(tuple(float(i) for i in range(len(stages))), tuple(labels)),
    )


def _learned(stages: list[int], n: int) -> Line:
    """The steps that part learned tasks, on the left, from those to come."""
    x: list[float] = []
    y: list[float] = []
    for row, stage in enumerate(stages):
        ends = (row - 0.5, row + 0.5)
        for end in ends[:1] if stage >= n else ends[1:] if stage == 0 else ends:
            x.append(stage - 0.5)
            y.append(end)
    return Line(tuple(x), tuple(y), theme.INK, 1.2, part="marks")


def _cell(
    means: pd.Series[float], stage: int, first: int, position: int, name: str
) -> tuple[float, str, str]:
    value = float(means.get((stage, position), math.nan))
    if math.isnan(value):
        return math.nan, "", f"{name}: not measured yet"
    gain = value - float(means.loc[(first, position)])
    when = "base model" if stage == 0 else f"after stage {stage}"
    learned = "learned" if position <= stage else "not learned yet"
    return gain, f"{value:.0f}", f"{name}, {when} ({learned})\n{value:.1f}, {signed(gain, 1)}"
