"""When two losses of one state count as the same: what float32 rounding may move them by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RELATIVE = 1e-5
"""Largest relative difference of the same loss worked out by another chunk, engine or device."""

FLOOR = 0.1
"""Loss (nats per token) below which the difference is taken relative to this number instead.

The rounding of a log-probability does not shrink with it: a mastered task's loss of 0.0001 is known
to about 10⁻⁶ nats, which is a hundredth of it.
"""


def allowed_difference(
    one: npt.ArrayLike, other: npt.ArrayLike
) -> np.float64 | npt.NDArray[np.float64]:
    """How far two losses (nats per token) may lie apart and still be the same, element by element.

    10⁻⁵ times the larger of the two magnitudes, or times 0.1 nats where both are smaller.
    """
    larger = np.maximum(np.abs(one), np.abs(other))
    allowed: np.float64 | npt.NDArray[np.float64] = RELATIVE * np.maximum(larger, FLOOR)
    return allowed


def is_same_loss(one: float, other: float) -> bool:
    """Whether two losses (nats per token) differ by rounding at most; never for a NaN."""
    return bool(abs(one - other) <= allowed_difference(one, other))
