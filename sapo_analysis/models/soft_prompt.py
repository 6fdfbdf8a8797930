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

    The trained one is slot 0; frozen ones, learned before, follow as slots 1, 2, …

    Attributes:
        tokens: the ids that stand for them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        length: int,
        starts: Sequence[Mapping[str, Tensor]],
        frozen: Sequence[Sequence[Tensor]] = (),
    ):
        """Weights of K fine-tunes.

        Args:
            model: what the soft prompts stand before.
            length: virtual tokens of one.
            starts: what the weights of each fine-tune start from, by name.
            frozen: for each fine-tune, soft prompts [length, size] that do not change.
        """
        weight = embeddings_of(model)
        # In float32 where the model is in less: small steps would be lost to rounding.
        dtype = torch.promote_types(weight.dtype, torch.float32)
        shapes = {name: start.shape for name, start in starts[0].items()}
        super().__init__(shapes, len(starts), dtype, weight.device)
        for k, start in enumerate(starts):
            self.fill(k, start)
        self.tokens = VirtualTokens.of(model, length)
        like = self.values.new_empty(length, weight.shape[1], requires_grad=False)
        self._frozen = _stacked(frozen, like) if any(frozen) else None

    def table(self) -> Tensor:
        """What the virtual tokens of all slots stand for [K, slots · length, size]."""
        own = self.prompts()
        return own if self._frozen is None else torch.cat([own, self._frozen], dim=1)

    @abstractmethod
    def prompts(self) -> Tensor:
        """The trained soft prompts [K, length, size]."""


class SoftPrompts(TrainedPrompts):
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
            starts: what each starts from [length, size].
            frozen: for each fine-tune, soft prompts of the same form that do not change.
        """
        super().__init__(model, len(starts[0]), [{"prompt": start} for start in starts], frozen)

    def prompts(self) -> Tensor:
        """The trained soft prompts [K, length, size]."""
        return self.leaves["prompt"]


def embeddings_of(model: PreTrainedModel) -> Tensor:
    """A model's own input embeddings [tokens, size]."""
    untyped: Any = model
    weight: Tensor = untyped.get_input_embeddings().weight.detach()
    return weight


def _stacked(frozen: Sequence[Sequence[Tensor]], like: Tensor) -> Tensor:
    """Frozen soft prompts side by side [K, most · length, size]; those that are not there: 0."""
    length, size = like.shape
    most = max(map(len, frozen))
    found = like.new_zeros(len(frozen), most * length, size)
    for k, own in enumerate(frozen):
        for i, prompt in enumerate(own):
            found[k, i * length : (i + 1) * length] = prompt.to(found)
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
