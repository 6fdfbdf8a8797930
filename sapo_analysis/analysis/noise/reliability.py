"""How much of an outcome's differences between prompts would be there again with other seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.analysis.noise.intraclass import intraclass, pooled_reliability
from sapo_analysis.analysis.noise.layouts import layouts

LOW = 0.5
"""Below it most of the spread over prompts is the seed's."""


@dataclass(frozen=True)
class Reliability:
    """Share of the variance over prompts of seed-averaged values that is not the seed's.

    Attributes:
        value: `intraclass.pooled_reliability` over current tasks of four prompts or more; 0 where
            the seed explains all of it; nan with one seed, or without spread.
        n_seeds: Seeds that each point is a mean of; the smallest number where tasks differ.
    """

    value: float
    n_seeds: int

    @property
    def is_low(self) -> bool:
        """Whether it is known to be below `LOW`."""
        return self.value < LOW

    @property
    def text(self) -> str:
        """The number as a sentence."""
        if self.n_seeds < 2:
            return "One seed: the outcome's reliability is not known."
        if math.isnan(self.value):
            return "The outcome's reliability is not known: prompts do not differ in it."
        text = f"Reliability over {self.n_seeds} seeds {self.value:.2f}"
        return (
            f"{text}: most of the spread over prompts is the seed's." if self.is_low else f"{text}."
        )


def reliability(
    df: pd.DataFrame,
    y: str,
    role: str | None = None,
    x: str | None = "pre_update_loss",
    task: str = "current_task",
    eval_task: str | None = None,
    any_role: bool = False,
) -> Reliability:
    """The reliability of one outcome's points.

    Args:
        df: An impacts table, or any table with the columns named.
        y: Column of the outcome.
        role: Role of the evaluated tasks.
        x: Column of the indicator, which points need a value of; None for all.
        task: Column that names the current task.
        eval_task: Only this evaluated task.
        any_role: The mean over evaluated tasks of all roles, in points or nats.

    Raises:
        InputError: as `prompts_table`.
    """
    means, cells = layouts(
        df,
        y,
        role=role,
        x=x,
        task=task,
        eval_task=eval_task,
        any_role=any_role,
        rescale=not any_role,
    )
    found = [intraclass(own.y) for own in cells.values() if len(own.prompts) >= MIN_PROMPTS]
    value, _, _ = pooled_reliability([one for one in found if one.has_share])
    return Reliability(value, min((own.n_seeds for own in means.tasks.values()), default=0))
