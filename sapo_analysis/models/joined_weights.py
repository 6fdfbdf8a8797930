"""Weights of two kinds trained together, as if they were of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from sapo_analysis.models.stacked_lora import Dropout


class Joinable(Protocol):
    """Weights of K fine-tunes: `values` [K, n], and leaves that are views of it, in its order."""

    values: Tensor
    dropout: Dropout

    @property
    def tensors(self) -> list[Tensor]:
        """The leaves [K, …]."""
        ...


class JoinedWeights:
    """One tensor for the weights of several parts, each of which then is a view of it.

    Attributes:
        values: all weights [K, n].
        dropout: that of the part which has one.
    """

    def __init__(self, parts: Sequence[Joinable]):
        self.values = torch.cat([part.values.detach() for part in parts], dim=1)
        self.dropout = next((p.dropout for p in parts if p.dropout.probability), parts[0].dropout)
        self.tensors = [leaf for part in parts for leaf in part.tensors]
        at = 0
        for part in parts:
            size = part.values.shape[1]
            part.values = self.values[:, at : at + size]
            at += size
        at = 0
        for leaf in self.tensors:
            size = leaf[0].numel()
            leaf.data = self.values[:, at : at + size].view(leaf.shape)
            at += size

    def gradients(self, loss: Tensor) -> Tensor:
        """Gradient of a scalar by all weights, in the places of `values` [K, n]."""
        found = torch.autograd.grad(loss, self.tensors)
        return torch.cat([g.flatten(1) for g in found], dim=1)
