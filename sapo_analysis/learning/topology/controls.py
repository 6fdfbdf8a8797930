"""What may do as well as topology: penalties on the size of a cloud alone (methods §7)."""

from __future__ import annotations

import torch
from torch import Tensor

from sapo_analysis.learning.topology.persistence import distances


def mean_square_norm(points: Tensor) -> Tensor:
    """Mean of the points' squared norms (squared units): what L2 regularisation asks for."""
    return points.double().square().sum(dim=1).mean()


def mean_distance(points: Tensor) -> Tensor:
    """Mean distance of two points, over pairs (units); of a single point 0."""
    lengths = distances(points)
    a, b = torch.triu_indices(len(points), len(points), offset=1, device=points.device)
    return lengths[a, b].mean() if len(a) else lengths.sum()
