"""Persistent homology of a point cloud in dimensions 0 and 1, exact and with a gradient.

The complex is that of Vietoris and Rips: an edge is there from its length on, a triangle from its
longest edge on. Every birth and death is therefore the length of one edge. Which edge it is follows
from the order of the lengths alone and is found without gradient (`gudhi`); the gradient is that of
its length (methods §7). Where several edges tie it is that of one of them, always the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sapo_analysis.errors import InputError


@dataclass(frozen=True)
class Diagram:
    """When what is seen of m points at growing scale begins and ends (units of the points).

    The component that stays for ever is left out, as are loops that end where they begin.

    Attributes:
        deaths_0: where two components become one [m − 1], rising: the edges of a minimum spanning
            tree. All components are born at 0; of points that are the same, one dies there.
        births_1: where each loop is closed [loops].
        deaths_1: where it is filled [loops].
    """

    deaths_0: Tensor
    births_1: Tensor
    deaths_1: Tensor


def distances(points: Tensor) -> Tensor:
    """Euclidean distances of m points [m, size] from each other [m, m], in float64.

    The gradient at a distance of 0 is 0: points that are the same stay together.
    """
    # Not by a matrix product, which loses the digits of small distances.
    exact = "donot_use_mm_for_euclid_dist"
    wide = points.double()
    return torch.cdist(wide, wide, compute_mode=exact)


def diagram(points: Tensor, loops: bool = True) -> Diagram:
    """The persistence diagram of points [m, size]; without `loops` in dimension 0 alone.

    Raises:
        InputError: a coordinate is NaN or infinite.
    """
    n_wrong = int((~torch.isfinite(points)).sum())
    if n_wrong:
        raise InputError(
            f"{n_wrong} of the {points.numel()} coordinates of a soft prompt are NaN or infinite,"
            " so it has no persistence diagram. Train it with a lower learning rate."
        )
    lengths = distances(points)
    joins, ends = _generators(lengths.detach().cpu().numpy(), loops)
    deaths = lengths[joins[:, 0], joins[:, 1]]
    same = deaths.new_zeros(len(points) - 1 - len(deaths))  # gudhi leaves out what lasts no time
    return Diagram(
        deaths_0=torch.cat([same, deaths]),
        births_1=lengths[ends[:, 0], ends[:, 1]],
        deaths_1=lengths[ends[:, 2], ends[:, 3]],
    )


def _generators(lengths: np.ndarray[Any, Any], loops: bool) -> tuple[Tensor, Tensor]:
    """The edges at which components die [n, 2]; those at which loops begin and end [loops, 4]."""
    import gudhi  # here, since most studies look at no soft prompt

    # From there on one point is joined to all, so nothing is left that could begin or end.
    reach = float(lengths.max(axis=1).min())
    rips = gudhi.RipsComplex(distance_matrix=lengths, max_edge_length=reach)
    tree = rips.create_simplex_tree(max_dimension=2 if loops else 1)
    tree.compute_persistence()
    components, more, _, _ = tree.flag_persistence_generators()
    ends = more[0] if loops and more else np.empty((0, 4))
    joins = np.reshape(components, (-1, 3))[:, 1:]
    return torch.from_numpy(joins.astype(np.int64)), torch.from_numpy(ends.astype(np.int64))
