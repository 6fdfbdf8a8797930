"""Kendall's tau-b: pairs of points that x and y order alike, less those they order unlike."""

from __future__ import annotations

import numpy as np

from sapo_analysis.analysis.intervals import Floats

_ROWS = 2048
"""Orders that are looked at together: [points, 2048] single-precision numbers are held at once."""


def tau_b(x: Floats, orders: Floats) -> Floats:
    """Tau-b of x with each row of `orders`.

    (pairs ordered alike - pairs ordered unlike) / √(pairs not tied in x · pairs not tied in y).
    Time goes with the square of the number of points.

    Args:
        x: Ranks [n], ties sharing their mean rank.
        orders: The ranks of y [m, n], in any order of the points in each row; they may be centred.

    Returns:
        One value a row; nan where x or y is the same for every point.
    """
    # Ranks are multiples of one half: single precision holds them, and counts of pairs, exactly.
    signs = np.sign(x[:, np.newaxis] - x).astype(np.float32)
    untied = np.count_nonzero(signs) * np.count_nonzero(orders[0][:, np.newaxis] != orders[0])
    if not untied:
        return np.full(len(orders), np.nan)
    alike = np.zeros(len(orders))
    for start in range(0, len(orders), _ROWS):
        y = np.ascontiguousarray(orders[start : start + _ROWS].T, dtype=np.float32)
        for i in range(1, len(x)):
            alike[start : start + _ROWS] += signs[i, :i] @ np.sign(y[i] - y[:i])
    taus: Floats = alike / (np.sqrt(untied) / 2)
    return taus


def perfect_tau(n: int) -> float:
    """Where a perfect tau of n points is held before Fisher's z: 1 - 2 / (n (n - 1)).

    Halfway to the next smaller tau, that of one pair the other way round; as
    `intervals.perfect_limit` for ranks.
    """
    return 1 - 2 / (n * (n - 1))
