"""The loss of each example under a prompt, as the model is: what pre-update loss is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import (
    Around,
    bounded_batches,
    collate,
    in_halves_when_full,
    nothing_around,
    token_losses,
)
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.room import most_logits
from sapo_analysis.models.spread import reading_device


@dataclass(frozen=True)
class ExampleLoss:
    """One example's loss.

    Attributes:
        nll_sum: −log p summed over the target tokens, end-of-turn tokens included (nats).
        n_tokens: number of those tokens.
        content_nll: the same over the tokens of the target text alone (nats).
        content_tokens: number of those tokens.
    """

    nll_sum: float
    n_tokens: int
    content_nll: float
    content_tokens: int


def total_nll(model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int) -> Tensor:
    """−log p summed over the target tokens of all rows (nats), in one batch; gradients can flow."""
    inputs, labels = collate(rows, pad_id, reading_device(model))
    return token_losses(model(**inputs, use_cache=False).logits, labels).sum()


@torch.no_grad()
def example_losses(
    model: PreTrainedModel,
    rows: Sequence[Encoded],
    batch_size: int,
    pad_id: int,
    around: Around = nothing_around,
) -> list[ExampleLoss]:
    """Teacher-forced losses in eval mode, one per row, in order.

    Sums are stored per example, never averages, so that each averaging in use can be derived
    exactly (`sapo_analysis.pre_update_loss`). `batch_size` affects speed alone; each pass takes
    place inside `around`.
    """
    was_training = model.training
    model.train(False)
    found: list[ExampleLoss] = []

    def read(batch: Sequence[Encoded]) -> None:
        inputs, labels = collate(batch, pad_id, reading_device(model))
        with around(batch):
            logits = model(**inputs, use_cache=False).logits
        losses = token_losses(logits, labels).double().cpu()
        for row, loss in zip(batch, losses, strict=True):
            # Column t of `losses` belongs to the token at position t + 1; targets stand together.
            start, end = row.places[row.target_start] - 1, row.span - 1
            target = loss[start:end]
            content = target[: row.content_end - row.target_start]
            found.append(
                ExampleLoss(float(target.sum()), len(target), float(content.sum()), len(content))
            )

    for batch in bounded_batches(rows, batch_size, lambda row: len(row.ids), most_logits(model)):
        in_halves_when_full(read, batch)
    model.train(was_training)
    return found
