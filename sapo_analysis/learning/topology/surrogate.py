"""TSLoss as its authors are told to train it, by soft nearest neighbours and soft thresholds.

A reconstruction (methods §7): their constants were not found, and that a token is no neighbour of
its own is this project's reading. What it takes are not the deaths and loops of a persistence
diagram, and it falls when the whole cloud shrinks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sapo_analysis.learning.topology.persistence import distances


def surrogate_loss(points: Tensor, h0: float, h1: float, alpha: float) -> Tensor:
    """`h0` · `surrogate_h0` + `h1` · `surrogate_h1` of points [m, size], a scalar."""
    lengths = distances(points)
    return h0 * surrogate_h0(lengths, alpha) + h1 * surrogate_h1(lengths, alpha)


def surrogate_h0(lengths: Tensor, alpha: float) -> Tensor:
    """Variance over points of the soft distance to the nearest other one (squared units).

    s_i = Σ_{j≠i} w_ij D_ij with w_i = softmax_j(−αD_ij), from distances D [m, m].
    """
    if len(lengths) < 2:
        return lengths.sum()
    own = torch.eye(len(lengths), dtype=torch.bool, device=lengths.device)
    weights = torch.softmax((-alpha * lengths).masked_fill(own, -torch.inf), dim=1)
    return (weights * lengths).sum(dim=1).var(correction=0)


def surrogate_h1(lengths: Tensor, alpha: float) -> Tensor:
    """How far distances of pairs lie outside of two soft thresholds, on average (units).

    τ_lo, τ_hi = Σ softmax(∓αD) · D over pairs: soft extremes of all distances, between which
    nothing is asked. The larger α, the nearer they are to the extremes and the less lies outside.
    """
    if len(lengths) < 2:
        return lengths.sum()
    a, b = torch.triu_indices(len(lengths), len(lengths), offset=1, device=lengths.device)
    pairs = lengths[a, b]
    low = (torch.softmax(-alpha * pairs, dim=0) * pairs).sum()
    high = (torch.softmax(alpha * pairs, dim=0) * pairs).sum()
    return (torch.relu(pairs - high) + torch.relu(low - pairs)).mean()
