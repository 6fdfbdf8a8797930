"""A loss on the point cloud of a soft prompt, as what is added to the loss of a fine-tune."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class CloudPenalty:
    """A loss on the rows of a soft prompt, as a `Penalty`.

    It is computed on the CPU in float64, whatever the model is in: a diagram is found there, and
    both engines get the same bits.
    """

    def __init__(self, length: int, loss: Callable[[Tensor], Tensor]):
        """`length`: virtual tokens; `loss`: of points [length, size], a scalar (nats/token)."""
        self._length, self._loss = length, loss

    def gradient(self, weights: Tensor) -> Tensor:
        """See `Penalty`; NaN where the weights overflowed, by which training knows that it failed.

        Args:
            weights: a soft prompt as one vector [length · size].
        """
        if not torch.isfinite(weights).all():
            return torch.full_like(weights, torch.nan)
        points = weights.detach().to("cpu", torch.float64).view(self._length, -1)
        with torch.enable_grad():
            loss = self._loss(points.requires_grad_())
            if not loss.requires_grad:  # all of its weights are 0
                return torch.zeros_like(weights)
            (found,) = torch.autograd.grad(loss, points)
        return found.flatten().to(weights)
