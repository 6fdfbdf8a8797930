"""What is told of a soft prompt's point cloud while it is trained."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sapo_analysis.learning.topology.persistence import diagram


class Bar(NamedTuple):
    """One component (dimension 0) or loop (1): from where to where it is seen (prompt units)."""

    dimension: int
    birth: float
    death: float


class Summary(NamedTuple):
    """A point cloud in numbers.

    Attributes:
        bars: its persistence diagram, by dimension, birth and death.
        h0_persistence: how long all components last together, the one that never ends left out: the
            length of a minimum spanning tree (units of the embedding).
        h1_persistence: how long all loops last together (the same units).
        compactness: see `compactness`.
    """

    bars: tuple[Bar, ...]
    h0_persistence: float
    h1_persistence: float
    compactness: float


@torch.no_grad()
def summary(points: Tensor) -> Summary:
    """The summary of points [m, size].

    Raises:
        InputError: a coordinate is NaN or infinite.
    """
    seen = diagram(points.cpu())
    components = [Bar(0, 0.0, death) for death in seen.deaths_0.tolist()]
    ends = zip(seen.births_1.tolist(), seen.deaths_1.tolist(), strict=True)
    loops = [Bar(1, birth, death) for birth, death in ends]
    return Summary(
        bars=(*sorted(components), *sorted(loops)),
        h0_persistence=sum(bar.death for bar in components),
        h1_persistence=sum(bar.death - bar.birth for bar in loops),
        compactness=compactness(points.cpu()),
    )


def compactness(points: Tensor) -> float:
    """1 − √(Σ_i ‖P_i − c‖² ÷ Σ_i ‖P_i‖²), c the centroid of points [m, size] (0 to 1, no unit).

    How much of the points' size they have in common: 1 where all are the same, 0 where their
    centroid is the origin. m unrelated directions of one length have 1 − √(1 − 1/m).
    """
    wide = points.double()
    size = wide.square().sum()
    if size == 0:
        return 1.0
    apart = (wide - wide.mean(dim=0)).square().sum()
    return 1.0 - float((apart / size).clamp(max=1.0).sqrt())
