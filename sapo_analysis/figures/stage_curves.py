"""Training losses of a sequence study: a panel per stage, a line per policy of one method."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.analysis.sequences.training import COLUMNS
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Layer, Panel, require_columns
from sapo_analysis.figures.training_by_task import even, marked_line
from sapo_analysis.plan import tasks_in


def stage_curves(table: pd.DataFrame, *, method: str = "lora", order: str = "") -> FigureSpec:
    """Training loss by step, stage by stage.

    Args:
        table: `losses_by_stage(runs, order)`.
        method: whose strategies to draw.
        order: the one order that the table is of; its tasks are named.

    Raises:
        InputError: another table, or no complete chain of this method.
    """
    require_columns(table, COLUMNS, "losses_by_stage(runs, order)")
    own = table[table["method"] == method]
    if own.empty:
        raise InputError(f"No chain of {method} with training losses is complete yet.")
    stages = sorted(set(own["stage"]))
    tasks = tasks_in(order) if order else ()
    across = even(len(stages))
    policies = list(dict.fromkeys(own["policy"]))
    over = f"seeds, in the order {order}" if order else "seeds, then over orders"
    return FigureSpec(
        name=f"stage_curves_{method}",
        panels=tuple(
            _panel(
                own[own["stage"] == stage],
                f"{stage}: {tasks[stage - 1]}" if tasks else f"stage {stage}",
            )
            for stage in stages
        ),
        table=own,
        caption=Caption(
            shows=f"Training loss of the next batch by optimizer step, a panel per stage, a line"
            f" per policy with {method}: means of neighbouring steps, then over {over}.",
            n={
                "orders": int(own["n_orders"].min()),
                "chains of a policy": int(own["n_chains"].min()),
            },
            marks=("Policies train with other prompts, so levels are not those of one text.",),
            terms=("strategy", "stage"),
        ),
        alt=f"Training loss by step in {len(stages)} stages for {len(policies)} policies.",
        columns=across,
        height=90 + 210 * -(-len(stages) // across),
        aspect=0.8,
        wide=True,
        x_title="optimizer step",
        y_title="training loss (nats per target token), log scale",
    )


def _panel(rows: pd.DataFrame, title: str) -> Panel:
    layers: list[Layer] = []
    for nth, (policy, of_policy) in enumerate(rows.groupby("policy", sort=False)):
        by_step = of_policy.sort_values("step")
        x, y = (tuple(map(float, by_step[name])) for name in ("step", "loss"))
        layers += marked_line(x, y, str(policy), str(policy), title, nth)
    return Panel(layers=tuple(layers), x_label="", y_label="", title=title, y_log=True)
