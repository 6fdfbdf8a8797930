"""K soft prompts at once: trained embeddings that stand before a text, as in prompt tuning.

Prompt tuning: Lester et al. 2021 (arXiv 2104.08691). Rows of a batch are grouped by fine-tune, as
for stacked adapters: of K · B rows the first B are those of the first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.models.flat_weights import FlatWeights
from sapo_analysis.models.virtual_tokens import VirtualTokens


class SoftEmbedding(nn.Module):
    """An input embedding that also knows virtual tokens.

    Attributes:
        base: the model's own embedding.
        tokens: which ids are virtual.
        virtual: of the last text read, which tokens are [K, tokens].
        places: of the last text read, each virtual token's number in the table [K, tokens].
    """

    virtual: Tensor
    places: Tensor

    def __init__(self, base: nn.Module, tokens: VirtualTokens, table: Callable[[], Tensor]):
        """`table` gives what the virtual tokens stand for [K, slots · length, size]."""
        super().__init__()
        self.base, self.tokens = base, tokens
        self._table = table

    @property
    def weight(self) -> Tensor:
        """The model's own embeddings, by which a tied head and its size are looked up."""
        found: Any = self.base.weight
        own: Tensor = found
        return own

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [rows, tokens] to embeddings [rows, tokens, size]."""
        table = self._table()
        rows = ids.reshape(len(table), -1)
        self.virtual = rows >= self.tokens.first
        self.places = (rows - self.tokens.first).clamp(min=0)
        own: Tensor = self.base(rows.masked_fill(self.virtual, 0))
        index = self.places[:, :, None].expand(-1, -1, table.shape[-1])
        soft = table.gather(1, index).to(own.dtype)
        return torch.where(self.virtual[:, :, None], soft, own).view(*ids.shape, -1)


class TrainedPrompts(FlatWeights, ABC):
    """What gives a soft prompt per fine-tune, and frozen soft prompts beside it.

    The trained one is slot 0; frozen ones, learned before, follow as slots 1, 2, … All slots are as
    long as the longest soft prompt; a shorter one takes the first tokens of its slot.

    Attributes:
        tokens: the ids that stand for them.
        lengths: virtual tokens of each fine-tune's own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        length: int,
        starts: Sequence[Mapping[str, Tensor]],
        frozen: Sequence[Sequence[Tensor]] = (),
        lengths: Sequence[int] | None = None,
    ):
        """Weights of K fine-tunes.

        Args:
            model: what the soft prompts stand before.
            length: virtual tokens of a slot.
            starts: what the weights of each fine-tune start from, by name.
            frozen: for each fine-tune, soft prompts [at most length, size] that do not change.
            lengths: virtual tokens of each fine-tune's own; default: `length`.
        """
        self.lengths = [length] * len(starts) if lengths is None else list(lengths)
        weight = embeddings_of(model)
        # In float32 where the model is in less: small steps would be lost to rounding.
        dtype = torch.promote_types(weight.dtype, torch.float32)
        longest = starts[self.lengths.index(max(self.lengths))]
        shapes = {name: start.shape for name, start in longest.items()}
        super().__init__(shapes, len(starts), dtype, weight.device)
        for k, start in enumerate(starts):
            self.fill(k, start)
        self.tokens = VirtualTokens.of(model, length)
        like = self.values.new_empty(length, weight.shape[1], requires_grad=False)
        self._frozen = side_by_side(frozen, like) if any(frozen) else None

    def table(self) -> Tensor:
        """What the virtual tokens of all slots stand for [K, slots · length, size]."""
        own = self.prompts()
        return own if self._frozen is None else self.with_frozen(own, self._frozen)

    def with_frozen(self, own: Tensor, frozen: Tensor) -> Tensor:
        """Slot 0 [K, tokens, n] and those after it [K, tokens, n] as one table."""
        room = self.tokens.length - own.shape[1]
        return torch.cat([torch.nn.functional.pad(own, (0, 0, 0, room)), frozen], dim=1)

    @abstractmethod
    def prompts(self) -> Tensor:
        """The trained soft prompts [K, length, size]."""


class TokenWise(TrainedPrompts):
    """Soft prompts whose weights are so many numbers per virtual token; they may differ in length.

    In every leaf the last axis but one counts virtual tokens. Leaves are as long as the longest of
    the K; what a shorter one leaves over is 0, is read by nothing and is no part of it.
    """

    def own(self, k: int, name: str) -> Tensor:
        """See `FlatWeights.own`."""
        return self.leaves[name][k].narrow(-2, 0, self.lengths[k])

    @property
    def per_token(self) -> int:
        """Weights of one virtual token."""
        return self.values.shape[1] // max(self.lengths)


class SoftPrompts(TokenWise):
    """Soft prompts that are trained as they are."""

    def __init__(
        self,
        model: PreTrainedModel,
        starts: Sequence[Tensor],
        frozen: Sequence[Sequence[Tensor]] = (),
    ):
        """K soft prompts.

        Args:
            model: what they stand before.
            starts: what each starts from [own length, size].
            frozen: for each fine-tune, soft prompts of the same form that do not change.
        """
        lengths = [len(start) for start in starts]
        longest = max([*lengths, *(len(own) for mine in frozen for own in mine)])
        super().__init__(model, longest, [{"prompt": start} for start in starts], frozen, lengths)

    def prompts(self) -> Tensor:
        """The trained soft prompts [K, length of the longest, size]."""
        return self.leaves["prompt"]


def embeddings_of(model: PreTrainedModel) -> Tensor:
    """A model's own input embeddings [tokens, size]."""
    untyped: Any = model
    weight: Tensor = untyped.get_input_embeddings().weight.detach()
    return weight


def side_by_side(parts: Sequence[Sequence[Tensor]], like: Tensor) -> Tensor:
    """Parts of K fine-tunes along the tokens [K, …, most · length, size]; what is not there: 0.

    Args:
        parts: of each fine-tune [at most …, length, size].
        like: the form of one [..., length, size], and its type and device.
    """
    *outer, length, size = like.shape
    most = max(map(len, parts))
    found = like.new_zeros(len(parts), *outer, most * length, size)
    for k, own in enumerate(parts):
        for i, part in enumerate(own):
            found[k].narrow(-2, i * length, part.shape[-2]).copy_(part)
    return found


@contextmanager
def standing_before(model: PreTrainedModel, prompts: TrainedPrompts) -> Iterator[SoftEmbedding]:
    """Let a model know virtual tokens inside the block; its own weights never change."""
    untyped: Any = model
    base = untyped.get_input_embeddings()
    embedding = SoftEmbedding(base, prompts.tokens, prompts.table)
    untyped.set_input_embeddings(embedding)
    try:
        yield embedding
    finally:
        untyped.set_input_embeddings(base)
