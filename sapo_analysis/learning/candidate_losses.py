"""Losses of some candidate prompts on some examples, in packed rows where the model reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import in_batches
from sapo_analysis.learning.packed_scoring import (
    TOKENS_PER_PASS,
    check_packed,
    pack_losses,
    packed_losses,
)
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import PackedModel, packed
from sapo_analysis.models.packing import KeysValues, Pack, shared_prefix

_PLAIN_BATCH = 64


def full_losses(
    model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int, is_packed: bool
) -> list[ExampleLoss]:
    """One prompt's losses on all its examples; `is_packed`: what `reads_packed` said."""
    if is_packed:
        return packed_losses(model, rows, pad_id)
    return example_losses(model, rows, _PLAIN_BATCH, pad_id)


@torch.no_grad()
def stacked_losses(
    model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int
) -> list[list[ExampleLoss]]:
    """Each adapter's losses on its rows, `rows[k]` as adapter k of the model's stack reads them."""
    with packed(model) as reader:
        return _Packed(reader, rows, pad_id).losses(range(len(rows)), range(len(rows[0])))


def reads_packed(model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int) -> bool:
    """Whether a model reads packed rows as it reads single texts; tried on a few of `rows`."""
    # The longest text is among them: some attention differs only beyond a length.
    longest = max((row for own in rows for row in own), key=lambda row: len(row.ids))
    try:
        check_packed(model, [*rows[0][:3], longest], pad_id)
    except InputError:
        return False
    return True


class Reader(Protocol):
    """Losses of some candidates on some examples."""

    def losses(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        """A list per candidate, in the order of `examples`; the first call is of all candidates."""
        ...

    def again(self, candidate: int, examples: Sequence[int]) -> list[ExampleLoss]:
        """The same losses from texts arranged in another way."""
        ...


@contextmanager
def reading(
    model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int, is_packed: bool
) -> Iterator[Reader]:
    """A reader of `rows`, candidates × examples; `is_packed`: what `reads_packed` said."""
    if is_packed:
        with packed(model) as reader:
            yield _Packed(reader, rows, pad_id)
    else:
        yield _Plain(model, rows, pad_id)


class _Packed:
    """A row per candidate; its prefix is read once, in the first pass, which must be of all."""

    def __init__(self, reader: PackedModel, rows: Sequence[Sequence[Encoded]], pad_id: int):
        self._reader, self._rows, self._pad_id = reader, rows, pad_id
        self._prefixes = [shared_prefix(own) for own in rows]
        self._cache: dict[int, KeysValues] | None = None

    def losses(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        longest = max(
            len(self._rows[k][i].ids) - self._prefixes[k] for k in candidates for i in examples
        )
        size = max(1, TOKENS_PER_PASS // (len(candidates) * longest))
        found: list[list[ExampleLoss]] = [[] for _ in candidates]
        for places in in_batches(examples, size):
            for own, new in zip(found, self._pass(candidates, places), strict=True):
                own += new
        return found

    def _pass(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        prefixes = [self._prefixes[k] for k in candidates]
        cache = None if self._cache is None else _part(self._cache, candidates, max(prefixes))
        batch = [[self._rows[k][i] for i in examples] for k in candidates]
        pack = Pack(
            batch,
            prefixes,
            self._pad_id,
            self._reader.device,
            keep=cache is None,
            prefix_cache=cache,
        )
        losses = pack_losses(self._reader.logits(pack), pack, batch)
        if cache is None:
            # Copies: the kept ones are views of everything this pass read.
            self._cache = {
                layer: (k.clone(), v.clone()) for layer, ((k, v), _) in pack.kept.items()
            }
        return losses

    def again(self, candidate: int, examples: Sequence[int]) -> list[ExampleLoss]:
        rows = [self._rows[candidate][i] for i in examples]
        size = max(1, TOKENS_PER_PASS // max(len(row.ids) for row in rows))
        found = []
        for batch in in_batches(rows, size):
            pack = Pack([batch], [0], self._pad_id, self._reader.device)
            found += pack_losses(self._reader.logits(pack), pack, [batch])[0]
        return found


def _part(
    cache: dict[int, KeysValues], candidates: Sequence[int], prefix: int
) -> dict[int, KeysValues]:
    """The keys and values of some candidates, as long as the longest prefix among them."""
    return {
        layer: (k[list(candidates), :, :prefix], v[list(candidates), :, :prefix])
        for layer, (k, v) in cache.items()
    }


class _Plain:
    """For models that do not read packed rows."""

    def __init__(self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int):
        self._model, self._rows, self._pad_id = model, rows, pad_id

    def losses(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        return [
            example_losses(
                self._model, [self._rows[k][i] for i in examples], _PLAIN_BATCH, self._pad_id
            )
            for k in candidates
        ]

    def again(self, candidate: int, examples: Sequence[int]) -> list[ExampleLoss]:
        return example_losses(
            self._model, [self._rows[candidate][i] for i in examples], 1, self._pad_id
        )
