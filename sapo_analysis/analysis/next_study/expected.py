"""What a study of a size would give: the widths of its two intervals, and its power.

The model is `pilot`'s. Over k tasks, with s² = (τ a)² + 1/(n - 3):

- *new tasks*: the interval on z reaches t(k - 1) · s / √k to each side, and the power is that of
  the t test over tasks (`power_of`);
- *these tasks*: it reaches 1.96 / √(k (n - 3)), and the power is that of the normal test.

s stands for the sd that the study will see, which is a little less on the mean: more than half of
all studies come out narrower. What a verdict asks beyond its interval (two thirds of the tasks
agreeing in sign, ten prompts of these tasks) is not in the power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sapo_analysis.analysis.estimate import CONFIDENCE, Z_95, Scope
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.power import power_of
from sapo_analysis.analysis.quantiles import student
from sapo_analysis.errors import InputError


@dataclass(frozen=True)
class Expected:
    """What Fisher's z of tasks is expected to be.

    Attributes:
        z: Its mean over tasks.
        tau: Sd over tasks of its true values.
        error: Variance of one task's, from its prompts: 1 / (n - 3).
        scope: What an interval is to speak of.
    """

    z: float
    tau: float
    error: float
    scope: Scope

    @property
    def sd(self) -> float:
        """Sd over tasks of what is seen."""
        return math.sqrt(self.tau**2 + self.error)

    def half_width(self, k: int) -> float:
        """Half the length of the interval of k tasks, as a correlation."""
        if self.scope == "these_tasks":
            half = Z_95 * math.sqrt(self.error / k)
        elif k < 2:
            return NAN
        else:
            half = student(0.5 + CONFIDENCE / 2, k - 1) * self.sd / math.sqrt(k)
        return (math.tanh(self.z + half) - math.tanh(self.z - half)) / 2

    def power(self, k: int) -> float:
        """Probability that this interval lies wholly on the side of z."""
        if self.scope == "these_tasks":
            from scipy.special import ndtr

            return float(ndtr(abs(self.z) / math.sqrt(self.error / k) - Z_95))
        return power_of(self.z, self.sd, k) if k > 1 else NAN


@dataclass(frozen=True)
class Precision:
    """What one design would give.

    Attributes:
        new_tasks: Half-width of the 95 % interval for new tasks, as a correlation; nan with one.
        these_tasks: The same for these tasks.
        power: Probability that the interval for new tasks lies wholly on the effect's side of 0;
            nan with one task.
    """

    new_tasks: float
    these_tasks: float
    power: float


def precision(
    pilot: Pilot | None,
    n_tasks: int,
    n_prompts: float,
    n_seeds: int,
    effect: float | None = None,
) -> Precision:
    """What one design would give.

    Args:
        pilot: What is known; None for the assumptions alone.
        n_tasks: Current tasks.
        n_prompts: Prompts per task, at least four; where tasks differ, `typical` of them.
        n_seeds: Seeds.
        effect: As in `plan_study`.

    Raises:
        InputError: a number is out of range.
    """
    check_effect(effect)
    check_whole("n_tasks", n_tasks, 1)
    check_whole("n_seeds", n_seeds, 1)
    if not (is_number(n_prompts) and MIN_PROMPTS <= n_prompts < math.inf):
        raise InputError(
            f"n_prompts is {n_prompts!r}; a correlation needs at least {MIN_PROMPTS} prompts."
        )
    pilot = pilot or Pilot()
    z, tau = pilot.expected(n_seeds, effect)
    new, these = (
        Expected(z, tau, 1 / (n_prompts - 3), scope) for scope in ("new_tasks", "these_tasks")
    )
    return Precision(new.half_width(n_tasks), these.half_width(n_tasks), new.power(n_tasks))


def typical(n_prompts: Sequence[int]) -> float:
    """The number of prompts whose 1/(n - 3) is the mean of the tasks'; those under four are out."""
    return 3 + 1 / float(np.mean([1 / (n - 3) for n in n_prompts if n >= MIN_PROMPTS]))


def is_number(value: object) -> bool:
    """Whether a setting is a number; True and False are none."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def check_effect(effect: float | None) -> None:
    """Refuse what is no correlation to look for.

    Raises:
        InputError: naming the value and what is allowed.
    """
    if effect is not None and not (is_number(effect) and 0 < abs(effect) < 1):
        raise InputError(f"effect is {effect!r}; it must lie between -1 and 1 and not be 0.")


def check_whole(name: str, value: int, least: int) -> None:
    """Refuse what is no count of at least so many.

    Raises:
        InputError: naming the setting, its value and what is allowed.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
