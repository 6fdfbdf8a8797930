"""Metrics of a task sequence from its score matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.errors import InputError


@dataclass(frozen=True)
class ContinualMetrics:
    """Averages over a sequence of N tasks, in points.

    R[i][j] is the score on task j after stage i, R0[j] that of θ_0.

    Attributes:
        ap: Average performance, (1/N) Σ_j R[N][j].
        bwt: Backward transfer over all stages, 1/(N-1) Σ_{i=2..N} 1/(i-1) Σ_{j<i}
            (R[i][j] - R[j][j]); negative: forgetting.
        bwt_final: Backward transfer of the last stage, 1/(N-1) Σ_{j<N} (R[N][j] - R[j][j]).
        fwt: Forward transfer, 1/(N-1) Σ_{i<N} 1/(N-i) Σ_{j>i} (R[i][j] - R0[j]).
    """

    ap: float
    bwt: float
    bwt_final: float
    fwt: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain data for JSON: a number that does not exist is None."""
        return {key: plain(value) for key, value in asdict(self).items()}


def continual_metrics(
    R: Sequence[Sequence[float]],  # noqa: N803
    R0: Sequence[float] | None,  # noqa: N803
) -> ContinualMetrics:
    """AP, BWT, final BWT and FWT of one sequence.

    Args:
        R: N x N scores (0 to 100): row i after stage i, column j on task j, tasks in learned order.
        R0: N scores of the base model; None: it was not measured.

    Returns:
        With a single task only `ap` exists; the others are nan. Without R0 `fwt` is.

    Raises:
        InputError: shapes do not fit, or a score is missing: it is never taken as zero.
    """
    try:
        scores = np.array(R, dtype=float)
        base = np.zeros(len(scores)) if R0 is None else np.array(R0, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The score matrix is not a table of numbers: {error}. Give N rows of N scores."
        ) from error
    n = len(base)
    if scores.shape != (n, n) or n == 0:
        raise InputError(
            f"R has shape {scores.shape} and R0 {base.shape}; R must be N x N and R0 hold N scores."
        )
    if not (np.isfinite(scores).all() and np.isfinite(base).all()):
        raise InputError(
            "A score is missing (nan) in R or R0. Evaluate every stage on every task first."
        )
    ap = float(scores[-1].mean())
    if n == 1:
        return ContinualMetrics(ap, NAN, NAN, NAN)
    change = scores - np.diag(scores)
    gain = scores - (base if R0 is not None else NAN)
    return ContinualMetrics(
        ap,
        float(np.mean([change[i, :i].mean() for i in range(1, n)])),
        float(change[-1, :-1].mean()),
        float(np.mean([gain[i, i + 1 :].mean() for i in range(n - 1)])),
    )
