"""Gaussian noise on embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sapo_analysis.learning.perturbation.places import Met, text_tokens


def noise(
    met: Sequence[Met], embedded: int, size: int, length: float, device: torch.device
) -> Tensor:
    """Noise for every token that is perturbed [n, size], of norm `length` by its root mean square.

    Each coordinate is drawn from N(0, length² / size): the mean of the squared norm is length².
    Each example draws from a stream of its own, so nothing depends on what else is in the pass.
    """
    parts = []
    for one in met:
        draw = torch.Generator(device).manual_seed(one.seed)
        n = len(text_tokens(one.row, embedded))
        # In float32 whatever the model is in: the numbers are the same then.
        parts.append(torch.randn(n, size, generator=draw, device=device))
    return torch.cat(parts) * (length / math.sqrt(size))
