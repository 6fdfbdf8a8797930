"""The loss of each example under a prompt, on packed rows: `scoring.example_losses`, faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import in_halves_when_full, label_losses
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import KeysValues, Pack, shared_prefix
from sapo_analysis.models.quantized import computes_coarsely

TOKENS_PER_PASS = 4096
"""Tokens read at once, a prefix counted for each example that attends to it.

Enough to fill a core's matrix units, little memory.
"""


@torch.no_grad()
def packed_losses(
    model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int
) -> list[ExampleLoss]:
    """Teacher-forced losses, one per row, in order; within 1e-6 relative of `example_losses`.

    The prefix that all rows share is read once and its keys and values kept; the rest follows
    sorted by length. Logits are computed for target tokens alone, in float32 from there on.
    """
    prefix = shared_prefix(rows)
    cache: dict[int, KeysValues] | None = None
    found: dict[int, ExampleLoss] = {}
    with packed(model) as reader:

        def read(places: Sequence[int]) -> None:
            nonlocal cache
            batch = [rows[i] for i in places]
            first = cache is None and prefix > 0
            pack = Pack([batch], [prefix], pad_id, reader.device, keep=first, prefix_cache=cache)
            losses = pack_losses(reader.logits(pack), pack, [batch])[0]
            if first:
                # Copies: the kept ones are views of everything the first pass read.
                cache = {layer: (k.clone(), v.clone()) for layer, ((k, v), _) in pack.kept.items()}
            found.update(zip(places, losses, strict=True))

        for places in _passes(rows):
            in_halves_when_full(read, places)
    return [found[i] for i in range(len(rows))]


def packed_nll(model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int) -> torch.Tensor:
    """`scoring.total_nll` on one packed row: the prefix that all rows share is read once."""
    with packed(model) as reader:
        pack = Pack([rows], [shared_prefix(rows)], pad_id, reader.device)
        return label_losses(reader.logits(pack), pack.labels).sum()


def check_packed(model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int) -> None:
    """Compare a few losses on packed rows with the model's own reading of them.

    Raises:
        InputError: they differ by more than rounding, so the architecture needs the plain engine.
    """
    own = example_losses(model, rows, len(rows), pad_id)
    found = packed_losses(model, rows, pad_id)
    for a, b in zip(own, found, strict=True):
        # bfloat16 keeps 8 bits: differences of a few per cent are its rounding.
        tolerance = 0.05 if computes_coarsely(model) else 1e-4
        if not abs(a.nll_sum - b.nll_sum) <= tolerance * max(a.nll_sum, a.n_tokens):
            raise InputError(
                f"{type(model).__name__} reads packed rows otherwise than single texts (loss"
                f" {b.nll_sum:.6g} instead of {a.nll_sum:.6g} nats), so adapters cannot be stacked"
                " on it. Use --engine plain."
            )


def pack_losses(
    logits: torch.Tensor, pack: Pack, rows: Sequence[Sequence[Encoded]]
) -> list[list[ExampleLoss]]:
    """The losses of a pack's examples, row by row, from its logits."""
    per_label = label_losses(logits, pack.labels).double().cpu()
    found = []
    for examples, losses in zip(rows, per_label, strict=True):
        parts = losses[: sum(row.n_target for row in examples)].split(
            [row.n_target for row in examples]
        )
        found.append(
            [
                ExampleLoss(float(part.sum()), row.n_target, float(part[:n].sum()), n)
                for row, part in zip(examples, parts, strict=True)
                for n in [row.content_end - row.target_start]
            ]
        )
    return found


def _passes(rows: Sequence[Encoded]) -> Iterator[list[int]]:
    """Row numbers of each pass, shortest rows first."""
    batch: list[int] = []
    tokens = 0
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i].ids)):
        length = len(rows[i].ids)
        if batch and tokens + length > TOKENS_PER_PASS:
            yield batch
            batch, tokens = [], 0
        batch.append(i)
        tokens += length
    yield batch
