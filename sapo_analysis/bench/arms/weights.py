"""Adapters' weights under names that all arms share, and how far two sets of them lie apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.bench.largest import largest

Weights = dict[str, Tensor]
_TINY = 1e-30


def adapter_weights(adapted: PreTrainedModel) -> Weights:
    """Copies of a peft adapter's weights, by names such as `model.layers.0.mlp.up_proj.A`."""
    found = {}
    for name, weight in adapted.named_parameters():
        module, marker, half = name.partition(".lora_")
        if marker:
            place = module.removeprefix("base_model.model.")
            found[f"{place}.{half[0]}"] = weight.detach().clone()
    return found


def relative_difference(found: Sequence[Weights], expected: Sequence[Weights]) -> float:
    """Largest difference of a weight, relative to the largest weight of its matrix."""
    pairs = list(zip(found, expected, strict=True))
    if any(own.keys() != other.keys() for own, other in pairs):
        return float("inf")
    return largest(
        float((own[name] - weight).abs().max() / weight.abs().max().clamp(min=_TINY))
        for own, other in pairs
        for name, weight in other.items()
    )


def distance(found: Sequence[Weights], expected: Sequence[Weights]) -> float:
    """Norm of the difference of all weights together, relative to the norm of the weights.

    AdamW moves a weight whose gradient is rounding alone by as much as any other, so in float32
    single weights differ early on; the norm says how far the adapters as a whole are apart.
    """
    off = sum(
        float((own[name] - weight).double().pow(2).sum())
        for own, other in zip(found, expected, strict=True)
        for name, weight in other.items()
    )
    total = sum(float(w.double().pow(2).sum()) for other in expected for w in other.values())
    return float(torch.tensor(off / total).sqrt())
