"""Rules and warnings that stand below tables."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sapo_analysis.analysis.sequences import LEAST
from sapo_analysis.analysis.wording import IMPORTED, RANDOM_WEIGHTS
from sapo_analysis.paper.numbers import Numbers


def plus_minus(lower: Iterable[float], unit: str, test: str = "Student t") -> str:
    """What ± is, or why there is none.

    Args:
        lower: ends of the intervals of the table; all nan where there are none.
        unit: what they are taken over.
        test: how.
    """
    if all(math.isnan(end) for end in lower):
        return f"No intervals: fewer than {LEAST} {unit}, or all the same."
    return f"±: half of the 95 % interval, {test} over {unit}."


def standing(numbers: Numbers) -> tuple[str, ...]:
    """What has to be known of these runs: imported, why nothing is concluded, a control."""
    found = []
    if any(run.is_imported for run in numbers.runs):
        found.append(f"{IMPORTED.capitalize()}.")
    if numbers.silent:
        found.append(numbers.silent)
    if any(run.has_random_weights for run in numbers.runs):
        found.append(f"{RANDOM_WEIGHTS[0].upper()}{RANDOM_WEIGHTS[1:]}.")
    return tuple(found)
