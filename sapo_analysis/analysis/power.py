"""How many current tasks a study needs."""

from __future__ import annotations

import math

from sapo_analysis.analysis.estimate import CONFIDENCE
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
    from scipy.stats import nct, t

    critical = float(t.ppf(0.5 + CONFIDENCE / 2, n_tasks - 1))
    return float(nct.sf(critical, n_tasks - 1, abs(effect) / sd * math.sqrt(n_tasks)))


def tasks_needed(effect: float, sd: float, power: float = 0.8) -> int | None:
    """The smallest number of current tasks (at least four) with this power; None above a thousand.

    Args:
        effect: As in `power_of`.
        sd: As in `power_of`; above 0.
        power: Wanted probability, between 0 and 1.

    Raises:
        InputError: `sd` or `power` is out of range.
    """
    if not sd > 0:
        raise InputError(f"sd is {sd}; it must be above 0.")
    if not 0 < power < 1:
        raise InputError(f"power is {power}; it must lie between 0 and 1, for example 0.8.")
    return next((k for k in range(4, MAX_TASKS + 1) if power_of(effect, sd, k) >= power), None)
