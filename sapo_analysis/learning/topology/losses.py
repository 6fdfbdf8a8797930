"""TSLoss (Huang et al. 2026) by exact persistent homology (methods §7): a reconstruction.

The authors train on soft substitutes (`surrogate`); this is what those stand for. Both terms are
divided by the mean death in dimension 0, so neither changes with the scale of the cloud: without
that the prompt would collapse to a point.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sapo_analysis.learning.topology.persistence import Diagram, diagram


def topology_loss(points: Tensor, h0: float, h1: float) -> Tensor:
    """`h0` · `h0_loss` + `h1` · `h1_loss` of points [m, size], a scalar without unit.

    A term of weight 0 is not computed: loops are what takes time.
    """
    total = torch.zeros((), dtype=torch.float64, device=points.device)
    if h0 or h1:
        seen = diagram(points, loops=h1 != 0)
        if h0:
            total = total + h0 * h0_loss(seen)
        if h1:
            total = total + h1 * h1_loss(seen)
    return total


def h0_loss(seen: Diagram) -> Tensor:
    """Connectivity: variance of the deaths in dimension 0 ÷ their squared mean (1).

    The variance is that of all m − 1 deaths, not an estimate from a sample; 0 where every death is
    the same, and where all points are.
    """
    mean = seen.deaths_0.mean() if len(seen.deaths_0) else seen.deaths_0.sum()
    if mean == 0:
        return seen.deaths_0.sum()
    return seen.deaths_0.var(correction=0) / mean.square()


def h1_loss(seen: Diagram) -> Tensor:
    """Redundancy: how long all loops last together ÷ the mean death in dimension 0 (1)."""
    lasting = (seen.deaths_1 - seen.births_1).sum()
    return lasting / seen.deaths_0.mean() if len(seen.births_1) else lasting
