"""How many current tasks a study needs, and what a study of so many tasks can tell from zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sapo_analysis.analysis.estimate import CONFIDENCE, Z_95
from sapo_analysis.analysis.quantiles import student
from sapo_analysis.errors import InputError

MAX_TASKS = 1000


def power_of(effect: float, sd: float, n_tasks: int) -> float:
    """Power of the two-sided one-sample t test over tasks at 5 %.

    Args:
        effect: Mean over tasks of the per-task value (Fisher's z, log ratio).
        sd: Standard deviation over tasks of the observed per-task value, same scale.
        n_tasks: Current tasks, at least two.

    Returns:
        Probability that the new-tasks interval lies wholly on the effect's side.
    """
    from scipy.special import nctdtr  # scipy.stats would take a second to import

    critical = student(0.5 + CONFIDENCE / 2, n_tasks - 1)
    return 1 - float(nctdtr(n_tasks - 1, abs(effect) / sd * math.sqrt(n_tasks), critical))


def tasks_needed(effect: float, sd: float, power: float = 0.8) -> int | None:
    """The smallest number of current tasks (at least four) with this power; None above a thousand.

    Args:
        effect: As in `power_of`.
        sd: As in `power_of`; above 0.
        power: Wanted probability, between 0 and 1.

    Raises:
        InputError: `sd` or `power` is out of range.
    """
    _check(sd, power)
    return next((k for k in range(4, MAX_TASKS + 1) if power_of(effect, sd, k) >= power), None)


def smallest_detectable(sd: float, n_tasks: int, power: float = 0.8) -> float:
    """The smallest mean over tasks that a study of this size tells from zero with this power.

    Args:
        sd: As in `power_of`; above 0.
        n_tasks: Current tasks, at least two.
        power: Wanted probability, between 0 and 1.

    Returns:
        The effect on the scale of `sd`; for Fisher's z, its tanh is the mean correlation.

    Raises:
        InputError: `sd`, `n_tasks` or `power` is out of range.
    """
    if n_tasks < 2:
        raise InputError(f"n_tasks is {n_tasks}; an interval over tasks needs at least 2.")
    _check(sd, power)
    by_chance = power_of(0.0, sd, n_tasks)
    if power <= by_chance:
        raise InputError(
            f"power is {power}; with no effect at all the interval lies above zero with probability"
            f" {by_chance:.3f}, so ask for more, for example 0.8."
        )
    from scipy.optimize import brentq

    def missing(effect: float) -> float:
        return power_of(effect, sd, n_tasks) - power

    return float(brentq(missing, 0.0, sd * 100.0))


def precision_of(n_prompts: Sequence[int]) -> float | None:
    """How far the 95 % interval for these tasks reaches around a correlation of zero.

    tanh(1.96 · √(Σ 1/(n - 3)) / k) over the k tasks that have four prompts or more. Other
    correlations are known a little better; what seeds add to the spread is not in it.

    Args:
        n_prompts: Prompts of each current task, the original among them.

    Returns:
        The half-width as a correlation; None where no task has four prompts.
    """
    usable = [n for n in n_prompts if n > 3]
    if not usable:
        return None
    return math.tanh(Z_95 * math.sqrt(sum(1 / (n - 3) for n in usable)) / len(usable))


def detectable_correlation(n_tasks: int, n_prompts: Sequence[int], power: float = 0.8) -> float:
    """The smallest mean correlation that a study of so many tasks tells from zero, at best.

    At best: r differs between tasks by chance alone, with the errors 1/√(n - 3) that so many
    prompts leave it. Where tasks do differ, it takes a larger one.

    Args:
        n_tasks: Current tasks, at least two.
        n_prompts: Prompts of the tasks at hand, the original among them; their mean error is taken.
        power: As in `tasks_needed`.

    Raises:
        InputError: no task has four prompts, or as `smallest_detectable`.
    """
    usable = [n for n in n_prompts if n > 3]
    if not usable:
        raise InputError(
            f"n_prompts is {list(n_prompts)}; a task's correlation needs at least 4 prompts."
        )
    sd = math.sqrt(sum(1 / (n - 3) for n in usable) / len(usable))
    return math.tanh(smallest_detectable(sd, n_tasks, power))


def _check(sd: float, power: float) -> None:
    if not sd > 0:
        raise InputError(f"sd is {sd}; it must be above 0.")
    if not 0 < power < 1:
        raise InputError(f"power is {power}; it must lie between 0 and 1, for example 0.8.")
