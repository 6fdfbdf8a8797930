"""The diagonal Fisher information of an adapter's weights, for elastic weight consolidation.

The empirical one, as most implementations take it: the mean over examples of the squared gradient
of −log p of the example's own target (summed over its tokens), not of a target the model draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import label_losses
from sapo_analysis.learning.scoring import total_nll
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack
from sapo_analysis.models.stacked_lora import StackedAdapters


def stacked_fisher(
    model: PreTrainedModel,
    adapters: StackedAdapters,
    rows: Sequence[Sequence[Encoded]],
    pad_id: int,
) -> Tensor:
    """Each adapter's information over its rows [adapters, parameters]; zero without rows."""
    found = torch.zeros_like(adapters.values)
    with packed(model) as reader:
        for i in range(max(map(len, rows))):
            batch = [own[i : i + 1] for own in rows]
            pack = Pack(batch, [0] * len(rows), pad_id, reader.device)
            nll = label_losses(reader.logits(pack), pack.labels).sum()
            found += adapters.gradients(nll).square()
    counts = torch.tensor([max(1, len(own)) for own in rows]).to(found)
    return found / counts[:, None]


def fisher(model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int) -> Tensor:
    """The information of a model's trainable weights over some rows [parameters], row by row."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = torch.zeros(sum(p.numel() for p in parameters)).to(parameters[0])
    for row in rows:
        gradients = torch.autograd.grad(total_nll(model, [row], pad_id), parameters)
        found += torch.cat([g.flatten() for g in gradients]).square()
    return found / len(rows)
