"""The largest of some differences, where one that is not a number counts as the largest."""

from __future__ import annotations

import math
from collections.abc import Iterable


def largest(differences: Iterable[float]) -> float:
    """The maximum; NaN if any is NaN, which `max` would pass over; 0 of none."""
    found = list(differences)
    return math.nan if any(math.isnan(x) for x in found) else max(found, default=0.0)
