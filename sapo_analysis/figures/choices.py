"""What a strategy chose along a sequence: every candidate's loss by stage, and the chosen one."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Layer, Panel, Points, Ticks, require_columns
from sapo_analysis.figures.task_names import beside_axis
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import as_strategy

ASIDE = 0.16
"""Stages by which the original stands left and the chosen one right: the two may be the same."""
COLUMNS = ("stage", "task", "prompt_id", "loss", "exact", "is_chosen", "is_original", "text")


def choices_along(
    table: pd.DataFrame, *, strategy: str, order: str = "", seed: int | None = None
) -> FigureSpec:
    """Candidates' pre-update losses at each stage of one chain.

    Args:
        table: `candidates_along(run, order, strategy, seed)`.
        strategy: whose chain it is.
        order: the chain's tasks as they are learned, for the caption.
        seed: the chain's, for the caption.

    Raises:
        InputError: another table, or one in which no loss is known.
    """
    require_columns(table, COLUMNS, "candidates_along(run, order, strategy, seed)")
    if table.empty:
        raise InputError(
            f"{strategy} does not look at losses, and nobody else did at its states: none are known"
            " along its way."
        )
    color, marker = theme.POLICIES[strategy.split("+")[0]]
    others = table[~table["is_chosen"] & ~table["is_original"]]
    own = table[table["is_original"]].assign(stage=table["stage"] - ASIDE)
    chosen = table[table["is_chosen"]].assign(stage=table["stage"] + ASIDE)
    bound = "dropped early: at least this"
    layers: list[Layer] = [
        _points(others[others["exact"]], theme.GREY, "circle", 7.0, "candidate", 0.55),
        _points(others[~others["exact"]], theme.GREY, "arrow-up", 7.0, f"candidate, {bound}", 0.55),
        _points(own[own["exact"]], theme.GREY, theme.MARK_ORIGINAL, 10.0, "original"),
        _points(
            own[~own["exact"]],
            *(theme.GREY, theme.MARK_ORIGINAL, 10.0, f"original, {bound}"),
            hollow=True,
        ),
        _points(chosen, color, marker, 13.0, "chosen"),
    ]
    policy = get_policy(as_strategy(strategy).policy)
    where = " at the base model" if policy.scores_at == "theta-0" else ""
    stages = table.drop_duplicates("stage").sort_values("stage")
    n = float(stages["stage"].max())
    tasks = beside_axis(stages["task"])
    panel = Panel(
        layers=tuple(layer for layer in layers if isinstance(layer, Points) and layer.x),
        x_label="stage: task learned",
        y_label=f"pre-update loss{where}\n(nats per token)",
        x_range=(0.5, n + 0.5),
        x_ticks=Ticks(
            tuple(map(float, stages["stage"])),
            tuple(f"{s}: {t}" for s, t in zip(stages["stage"], tasks, strict=True)),
        ),
    )
    return FigureSpec(
        name=f"choices_{strategy.replace('+', '_')}",
        panels=(panel,),
        table=table,
        caption=_caption(table, strategy, order, seed),
        alt=f"Pre-update loss of every candidate at each stage, and what {strategy} chose.",
        height=360,
    )


def _caption(table: pd.DataFrame, strategy: str, order: str, seed: int | None) -> Caption:
    whose = f"one chain of {strategy}"
    whose += f", order {order}" if order else ""
    whose += "" if seed is None else f", seed {seed}"
    chosen = table[table["is_chosen"]]
    n, kept = len(chosen), int(chosen["is_original"].sum())
    sizes = table.groupby("stage").size()
    bounds = not table["exact"].all()
    return Caption(
        shows=f"Pre-update loss of every candidate prompt by stage, and what was chosen: {whose}.",
        n={"stages": len(sizes), "candidates (most at a stage)": int(sizes.max())},
        statistics=(f"The chosen prompt is the task's original one at {kept} of {n} stages.",),
        marks=(
            "Shifted to the left: the original; to the right: the chosen prompt.",
            *(("Arrow or hollow diamond: dropped early, its loss is at least this.",) * bounds),
        ),
        terms=("pre_update_loss", "stage"),
        strategy=strategy,
    )


def _points(
    rows: pd.DataFrame,
    color: str,
    marker: str,
    size: float,
    label: str,
    opacity: float = 1.0,
    hollow: bool = False,
) -> Points:
    hover = tuple(
        f"{row['prompt_id']}: {'' if row['exact'] else 'at least '}{row['loss']:.3f}\n{row['text']}"
        for row in rows.to_dict("records")
    )
    return Points(
        tuple(map(float, rows["stage"])),
        tuple(map(float, rows["loss"])),
        color,
        marker,
        size,
        hollow,
        opacity=opacity,
        label=label,
        hover=hover,
    )
