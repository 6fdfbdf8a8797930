"""How far an adapter has moved a model: the norm of its whole update."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.models.stacked_lora import StackedAdapters

_NAME = "default"


def delta_norm(adapted: PreTrainedModel) -> float:
    """Frobenius norm of (alpha / r) B A over all matrices that an adapter of peft adapts.

    In units of the weights; zero for a fresh adapter, whose B is zero.
    """
    squares = [torch.zeros((), dtype=torch.float64)]
    for module in adapted.modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            a, b = _halves(layer)
            squares.append(layer.scaling[_NAME] ** 2 * product_square(a, b).cpu())
    return float(torch.stack(squares).sum().sqrt())


def stacked_delta_norms(adapters: StackedAdapters) -> list[float]:
    """`delta_norm` of each adapter of a stack."""
    squares = [
        module.scale**2 * product_square(module.a, module.b) for module in adapters.modules.values()
    ]
    found: list[float] = torch.stack(squares).sum(dim=0).sqrt().tolist()
    return found


@torch.no_grad()
def product_square(a: Tensor, b: Tensor) -> Tensor:
    """Square of the Frobenius norm of B A, for a [..., r, in] and b [..., out, r]; float64 [...].

    ‖BA‖² = trace((BᵀB)(AAᵀ)): two r x r matrices, where B A is as large as the layer's weight.
    """
    a, b = a.double(), b.double()
    square: Tensor = ((b.mT @ b) * (a @ a.mT)).sum(dim=(-2, -1))
    # Rounding can leave a product that is nearly zero a little below it.
    return square.clamp(min=0)


def _halves(layer: Any) -> tuple[Tensor, Tensor]:
    if _NAME in layer.lora_embedding_A:
        return layer.lora_embedding_A[_NAME], layer.lora_embedding_B[_NAME]
    # A convolution's kernel is one matrix with a column per place it looks at.
    return layer.lora_A[_NAME].weight.flatten(1), layer.lora_B[_NAME].weight.flatten(1)
