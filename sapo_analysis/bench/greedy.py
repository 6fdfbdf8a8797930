"""Greedy decoding by `generate`, in the order the rows come: the ordinary way, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import collate_contexts, in_batches
from sapo_analysis.models.encoding import Encoded, Encoder


@torch.no_grad()
def greedy_tokens(
    model: PreTrainedModel,
    encoder: Encoder,
    rows: Sequence[Encoded],
    max_new_tokens: int,
    batch: int,
) -> list[list[int]]:
    """What `generate` writes for each row, up to and with the token that ends it."""
    generate: Any = model.generate  # transformers declares it on the model classes, not on the base
    found: list[list[int]] = []
    for some in in_batches(rows, batch):
        inputs = collate_contexts(some, encoder.pad_id, model.device)
        written = generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=encoder.stop_ids,
            pad_token_id=encoder.pad_id,
            use_cache=True,
        )[:, inputs["input_ids"].shape[1] :]
        found += [_ended(ids, encoder.stop_ids) for ids in written.tolist()]
    return found


def left_after_draft(rows: Sequence[Encoded], written: Sequence[Sequence[int]]) -> list[int]:
    """Tokens of each answer that are still to be computed once its gold answer was checked.

    Checking also gives the first token that differs, so that one costs nothing more.
    """
    left = []
    for row, own in zip(rows, written, strict=True):
        gold = row.ids[row.target_start :]
        agreed = next(
            (i for i, (a, b) in enumerate(zip(gold, own, strict=False)) if a != b),
            min(len(gold), len(own)),
        )
        left.append(max(0, len(own) - agreed - 1))
    return left


def _ended(ids: list[int], stop_ids: Sequence[int]) -> list[int]:
    for i, token in enumerate(ids):
        if token in stop_ids:
            return ids[: i + 1]
    return ids
