"""MetaTuner's parameter decoder: from one vector per example to LoRA weights of each example.

For each adapted layer two networks of two layers without biases (methods §6):
A = MM(ReLU(MM(W_d, h)), W_u) and B likewise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

Shapes = Mapping[str, tuple[torch.Size, torch.Size]]
"""Of A [r, in] and B [out, r], by the layer that they change."""


class ParameterDecoder:
    """The networks of all adapted layers.

    Attributes:
        shapes: of what it gives.
        weights: `LAYER.a.down` [hidden, size], `LAYER.a.up` [r · in, hidden], and of b likewise.
    """

    def __init__(
        self, shapes: Shapes, size: int, hidden: int, dtype: torch.dtype, device: torch.device
    ):
        """Draw a start from torch's random numbers: A about as large as peft's, every B zero.

        `size` is of the vectors, `hidden` of the layer between. From a vector of root mean square 1
        the hidden units have a mean square of 1/2.
        """
        self.shapes = shapes
        self.weights: dict[str, Tensor] = {}
        for name, (a, b) in shapes.items():
            self.weights[f"{name}.a.down"] = torch.randn(hidden, size) / math.sqrt(size)
            # peft's A is even on ±1/√in, so of variance 1 / (3 in).
            spread = math.sqrt(2 / (3 * a[1] * hidden))
            self.weights[f"{name}.a.up"] = spread * torch.randn(a.numel(), hidden)
            self.weights[f"{name}.b.down"] = torch.randn(hidden, size) / math.sqrt(size)
            self.weights[f"{name}.b.up"] = torch.zeros(b.numel(), hidden)
        # Drawn in float32 on the CPU, so the start is the same whatever the type and the device.
        for key, weight in self.weights.items():
            self.weights[key] = weight.to(device=device, dtype=dtype).requires_grad_()

    def pairs(self, states: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """LoRA of each example by layer: A [rows, r, in], B [rows, out, r]; states [rows, size]."""
        return {
            name: (self._matrix(f"{name}.a", states, a), self._matrix(f"{name}.b", states, b))
            for name, (a, b) in self.shapes.items()
        }

    def _matrix(self, name: str, states: Tensor, shape: torch.Size) -> Tensor:
        between = nn.functional.relu(states @ self.weights[f"{name}.down"].mT)
        return (between @ self.weights[f"{name}.up"].mT).view(-1, *shape)
