"""What raises the loss most within a distance, by projected gradient ascent.

Madry et al. 2018 (arXiv 1706.06083), with a ball of its own for each token.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEP = 2.5
"""Length of all steps together, in radii: the edge can be reached and followed from anywhere."""


def ascend(loss: Callable[[Tensor], Tensor], start: Tensor, radius: float, steps: int) -> Tensor:
    """Perturbations δ [n, size], each token's norm at most `radius`, that raise a loss.

    Each step moves every token by 2.5 · radius / steps along its own gradient, whatever that one's
    length is, and then back to the ball where it left it. So members whose losses are added up do
    not act on each other's perturbations.

    Args:
        loss: a scalar of δ.
        start: where δ begins, inside the ball.
        radius: of the ball.
        steps: how often the gradient is taken.
    """
    delta = start
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(delta), delta)
        moved = delta.detach() + STEP * radius / steps * _direction(gradient)
        delta = moved * (radius / _norm(moved)).clamp(max=1.0)
    return delta.detach()


def _direction(x: Tensor) -> Tensor:
    """Each token's vector at length 1; zero where it is zero."""
    return x / _norm(x)


def _norm(x: Tensor) -> Tensor:
    smallest = torch.finfo(x.dtype).tiny
    found: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return found.clamp(min=smallest)
