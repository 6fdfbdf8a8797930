"""The loss of fine-tunes over some examples, without answers: a quick look while they train."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import (
    Around,
    bounded_batches,
    in_halves_when_full,
    nothing_around,
)
from sapo_analysis.learning.packed_scoring import pack_losses
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack, shared_prefix
from sapo_analysis.models.room import most_kept_tokens


@dataclass(frozen=True)
class MeanLoss:
    """One model's loss over some examples.

    Attributes:
        value: nats per target token, summed over all examples before dividing.
        tokens: tokens read, padding left out.
        logits: tokens at which the head was computed.
    """

    value: float
    tokens: int
    logits: int


def mean_loss(
    model: PreTrainedModel,
    rows: Sequence[Encoded],
    size: int,
    pad_id: int,
    around: Around = nothing_around,
) -> MeanLoss:
    """The loss of a model, `size` examples at a time, each pass inside `around`."""
    tokens = sum(len(row.ids) for row in rows)
    losses = example_losses(model, rows, size, pad_id, around)
    return MeanLoss(_mean(losses), tokens, logits=tokens)


@torch.no_grad()
def stacked_mean_losses(
    model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], size: int, pad_id: int
) -> list[MeanLoss]:
    """The loss of each adapter of the stack on a model; `rows[k]`: the examples as adapter k reads.

    All adapters read equally many examples, `size` at a time.
    """
    prefixes = [shared_prefix(own) for own in rows]
    losses: list[list[ExampleLoss]] = [[] for _ in rows]
    tokens, logits = [0] * len(rows), [0] * len(rows)
    # Texts of like length share a pass, which saves padding; a mean does not ask for their order.
    order = sorted(range(len(rows[0])), key=lambda i: len(rows[0][i].ids))
    with packed(model) as reader:

        def read(places: Sequence[int]) -> None:
            batch = [[own[i] for i in places] for own in rows]
            pack = Pack(batch, prefixes, pad_id, reader.device)
            for k, found in enumerate(pack_losses(reader.logits(pack), pack, batch)):
                losses[k] += found
                tokens[k] += pack.row_tokens[k]
                logits[k] += pack.row_labels[k]

        def length(i: int) -> int:
            return max(len(own[i].ids) for own in rows)

        for places in bounded_batches(order, size, length, most_kept_tokens(model) // len(rows)):
            in_halves_when_full(read, places)
    return [MeanLoss(_mean(own), n, m) for own, n, m in zip(losses, tokens, logits, strict=True)]


def _mean(losses: Sequence[ExampleLoss]) -> float:
    # Summed exactly, so that the order in which they were read leaves no trace.
    return math.fsum(own.nll_sum for own in losses) / sum(own.n_tokens for own in losses)
