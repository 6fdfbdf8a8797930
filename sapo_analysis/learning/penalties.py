"""What continual learning methods add to the loss of a fine-tune, on its weights as one vector.

A penalty joins each optimizer step once, undivided. (In the released O-LoRA code it joins each of
eight micro-batches and counts eight times as much; methods §12.15.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from sapo_analysis.models.adapter_layout import AdapterLayout


class Penalty(Protocol):
    """A term of the loss that depends on the trained weights alone (nats per token)."""

    def gradient(self, weights: Tensor) -> Tensor:
        """Its gradient at weights [parameters]; its value is nowhere needed."""
        ...


class OrthogonalPenalty:
    """O-LoRA: weight · Σ_modules Σ_ab |(A_earlier A_newᵀ)_ab|, A_earlier of all earlier adapters.

    An absolute sum, as in the released code, not a squared norm. Its second term, a norm of the new
    weights, has weight 0 there and is left out.
    """

    def __init__(
        self, weight: float, layout: AdapterLayout, earlier: Sequence[Mapping[str, Tensor]]
    ):
        """`earlier`: for each earlier adapter its A [r, in] by module."""
        self._weight = weight
        # Modules of one shape are one batched product.
        self._groups: list[tuple[Tensor, Tensor]] = []
        for names in layout.modules_by_input():
            places = torch.stack([layout.places_of_a(name) for name in names])
            old = torch.stack([torch.cat([a[name] for a in earlier]) for name in names])
            self._groups.append((places, old))

    def gradient(self, weights: Tensor) -> Tensor:
        """See `Penalty`."""
        found = torch.zeros_like(weights)
        for places, old in self._groups:
            earlier = old.to(weights)
            found[places] = self._weight * torch.sign(weights[places] @ earlier.mT) @ earlier
        return found


class EwcPenalty:
    """Elastic weight consolidation: (weight / 2) Σ_t Σ_i F_t,i (θ_i − θ*_t,i)².

    One term per earlier task t: F_t is its diagonal Fisher information where it was learned, θ*_t
    the weights there. Kirkpatrick et al. 2017, equation 3.
    """

    def __init__(self, weight: float, information: Tensor, anchored: Tensor):
        """`information`: Σ F_t; `anchored`: Σ F_t θ*_t [parameters]."""
        self._weight, self._information, self._anchored = weight, information, anchored

    def gradient(self, weights: Tensor) -> Tensor:
        """See `Penalty`."""
        information, anchored = self._information.to(weights), self._anchored.to(weights)
        return self._weight * (information * weights - anchored)
