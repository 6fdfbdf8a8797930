"""The rows of a soft prompt as a point cloud: persistent homology, and losses on it (TSLoss)."""

from sapo_analysis.learning.topology.controls import mean_distance, mean_square_norm
from sapo_analysis.learning.topology.losses import h0_loss, h1_loss, topology_loss
from sapo_analysis.learning.topology.penalty import CloudPenalty
from sapo_analysis.learning.topology.persistence import Diagram, diagram, distances
from sapo_analysis.learning.topology.summary import Bar, Summary, summary
from sapo_analysis.learning.topology.surrogate import (
    surrogate_h0,
    surrogate_h1,
    surrogate_loss,
)

__all__ = [
    "Bar",
    "CloudPenalty",
    "Diagram",
    "Summary",
    "diagram",
    "distances",
    "h0_loss",
    "h1_loss",
    "mean_distance",
    "mean_square_norm",
    "summary",
    "surrogate_h0",
    "surrogate_h1",
    "surrogate_loss",
    "topology_loss",
]
