"""Trying out, before a study, whether adapters can be stacked on a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.packed_scoring import pack_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack, shared_prefix
from sapo_analysis.models.quantized import computes_coarsely
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings

_TRIED = 0.1
"""Spread of the tried weights: enough to change the losses of a sure model, not to overflow."""


@torch.no_grad()
def check_stacked(
    model: PreTrainedModel, settings: LoraSettings, rows: Sequence[Encoded], pad_id: int
) -> None:
    """Compare two adapters' losses in one stack with each one's by itself.

    Raises:
        InputError: they differ by more than rounding, or the adapters name layers that cannot be
            stacked.
    """
    together, weights = _losses(model, settings, rows, pad_id, None)
    tolerance = 0.05 if computes_coarsely(model) else 1e-3
    for k in range(2):
        ((alone,), _) = _losses(model, settings, rows, pad_id, weights[k : k + 1])
        for a, b in zip(together[k], alone, strict=True):
            if not abs(a - b) <= tolerance * max(abs(b), 1.0):
                raise InputError(
                    f"Adapters on {type(model).__name__} act on each other in a stack (loss"
                    f" {a:.6g} instead of {b:.6g} nats). Use --engine plain."
                )


def _losses(
    model: PreTrainedModel,
    settings: LoraSettings,
    rows: Sequence[Encoded],
    pad_id: int,
    weights: Tensor | None,
) -> tuple[list[list[float]], Tensor]:
    """Losses of each adapter on the rows, and the adapters' weights: given ones, or two drawn."""
    n = 2 if weights is None else len(weights)
    with stacked_adapters(model, settings, list(range(n))) as adapters, packed(model) as reader:
        if weights is None:
            draw = torch.Generator().manual_seed(0)
            weights = _TRIED * torch.randn(adapters.values.shape, generator=draw)
        adapters.values.copy_(weights)
        batch = [rows] * n
        pack = Pack(batch, [shared_prefix(rows)] * n, pad_id, reader.device)
        found = pack_losses(reader.logits(pack), pack, batch)
    return [[loss.nll_sum for loss in own] for own in found], weights
