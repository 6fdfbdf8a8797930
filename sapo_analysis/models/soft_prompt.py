"""K soft prompts at once: trained embeddings that stand before a text, as in prompt tuning.

Prompt tuning: Lester et al. 2021 (arXiv 2104.08691). Rows of a batch are grouped by fine-tune, as
for stacked adapters: of K · B rows the first B are those of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


class SoftPrompts(FlatWeights):
    """A trained soft prompt per fine-tune, and frozen ones beside it.

    The trained one is slot 0; frozen ones, learned before, follow as slots 1, 2, …

    Attributes:
        tokens: the ids that stand for them.
    """

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
        untyped: Any = model
        embedding = untyped.get_input_embeddings()
        device, length = embedding.weight.device, len(starts[0])
        # In float32 where the model is in less: small steps would be lost to rounding.
        dtype = torch.promote_types(embedding.weight.dtype, torch.float32)
        super().__init__({"prompt": starts[0].shape}, len(starts), dtype, device)
        for k, start in enumerate(starts):
            self.fill(k, {"prompt": start})
        self.tokens = VirtualTokens.of(model, length)
        self._frozen = _stacked(frozen, self.leaves["prompt"]) if any(frozen) else None

    def table(self) -> Tensor:
        """What the virtual tokens of all slots stand for [K, slots · length, size]."""
        own = self.prompts()
        return own if self._frozen is None else torch.cat([own, self._frozen], dim=1)

    def prompts(self) -> Tensor:
        """The trained soft prompts [K, length, size]."""
        return self.leaves["prompt"]


def _stacked(frozen: Sequence[Sequence[Tensor]], like: Tensor) -> Tensor:
    """Frozen soft prompts side by side [K, most · length, size]; those that are not there: 0."""
    _, length, size = like.shape
    most = max(map(len, frozen))
    found = like.new_zeros(len(frozen), most * length, size, requires_grad=False)
    for k, own in enumerate(frozen):
        for i, prompt in enumerate(own):
            found[k, i * length : (i + 1) * length] = prompt.to(found)
    return found


@contextmanager
def standing_before(model: PreTrainedModel, prompts: SoftPrompts) -> Iterator[SoftEmbedding]:
    """Let a model know virtual tokens inside the block; its own weights never change."""
    untyped: Any = model
    base = untyped.get_input_embeddings()
    embedding = SoftEmbedding(base, prompts.tokens, prompts.table)
    untyped.set_input_embeddings(embedding)
    try:
        yield embedding
    finally:
        untyped.set_input_embeddings(base)
