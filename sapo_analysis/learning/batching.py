"""Encoded examples to padded tensors, and the loss per target token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from sapo_analysis.models.encoding import IGNORED, Encoded
from sapo_analysis.models.out_of_memory import free_memory, is_out_of_memory

Item = TypeVar("Item")
Batch = dict[str, Tensor]
Around = Callable[[Sequence[Encoded]], AbstractContextManager[object]]
"""What a pass takes place inside, given the rows that it reads, in order."""
_LOGITS_AT_ONCE = 1 << 21


def nothing_around(rows: Sequence[Encoded]) -> AbstractContextManager[object]:
    """A pass as it is."""
    return nullcontext()


def in_batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Consecutive batches in the given order; the last may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def bounded_batches(
    items: Sequence[Item], size: int, length: Callable[[Item], int], most: int
) -> Iterator[Sequence[Item]]:
    """`in_batches`, ended earlier where padded to the longest they would take more than `most`.

    An item longer than that is a batch by itself.
    """
    start = longest = 0
    for end, item in enumerate(items):
        grown = max(longest, length(item))
        if end > start and (end - start == size or (end - start + 1) * grown > most):
            yield items[start:end]
            start, grown = end, length(item)
        longest = grown
    if start < len(items):
        yield items[start:]


def in_halves_when_full(work: Callable[[Sequence[Item]], None], batch: Sequence[Item]) -> None:
    """Work on a batch at once, or on halves one after the other where the memory is full.

    What `work` leaves behind when it fails has to be nothing, or what it would leave in the end.
    """
    try:
        return work(batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(batch) == 1:
            raise
    # Here the failed attempt is over and nothing refers to its tensors any more.
    free_memory()
    half = len(batch) // 2
    in_halves_when_full(work, batch[:half])
    in_halves_when_full(work, batch[half:])


def collate(rows: Sequence[Encoded], pad_id: int, device: torch.device) -> tuple[Batch, Tensor]:
    """Right-padded model inputs and labels, both of shape [rows, longest].

    Labels stand at their own positions (not shifted); everything that is not target is -100. With
    causal attention nothing looks at padding on the right, and positions count from 0 in every row:
    column t is position t. Where a row's tokens leave some positions out, padding stands there that
    nothing attends to.
    """
    longest = max(row.span for row in rows)
    ids = torch.full((len(rows), longest), pad_id)
    labels = torch.full((len(rows), longest), IGNORED)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        tokens = torch.tensor(row.ids)
        if row.positions is None:
            ids[i, : len(tokens)] = tokens
            mask[i, : len(tokens)] = 1
            labels[i, row.target_start : len(tokens)] = tokens[row.target_start :]
        else:
            at = torch.tensor(row.positions)
            ids[i, at] = tokens
            mask[i, at] = 1
            labels[i, at[row.target_start :]] = tokens[row.target_start :]
    batch = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    if any(row.positions is not None for row in rows):
        # Some models would count them from the mask.
        batch["position_ids"] = torch.arange(longest, device=device).expand(len(rows), -1)
    return batch, labels.to(device)


def collate_contexts(rows: Sequence[Encoded], pad_id: int, device: torch.device) -> Batch:
    """Left-padded contexts for decoding.

    `generate` counts positions from the mask, so an answer does not depend on the padding. It would
    count on where tokens are hidden, so rows with positions of their own are never decoded.
    """
    assert all(row.positions is None for row in rows), "hidden tokens are of training alone"
    longest = max(row.target_start for row in rows)
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, longest - row.target_start :] = torch.tensor(row.context)
        mask[i, longest - row.target_start :] = 1
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def label_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """−log p of each label in nats, zero at padding; logits [rows, n, vocabulary] to [rows, n].

    Computed in float32, or in float64 where the logits are.
    """
    # In parts that a cache holds: log-softmax writes as much again as the logits take.
    size = max(1, _LOGITS_AT_ONCE // logits.shape[-1])
    parts = zip(
        torch.split(logits.flatten(0, 1), size), torch.split(labels.flatten(), size), strict=True
    )
    return torch.cat([_cross_entropy(*part) for part in parts]).view(labels.shape)


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.nn.functional.cross_entropy(
        precise, labels, ignore_index=IGNORED, reduction="none"
    )


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """−log p of every target token in nats, zero elsewhere; shape [rows, longest − 1].

    Labels are shifted once, here: the logits at position t are held against the token at t + 1.
    """
    return label_losses(logits[:, :-1], labels[:, 1:])
