"""K prefixes at once: trained keys and values of virtual positions in every layer.

Prefix tuning: Li & Liang 2021 (arXiv 2101.00190), without their reparameterisation, as peft's
default. A prefix stands behind virtual tokens as a soft prompt does, so whatever batches, packs,
pads or decodes treats its rows as texts. In each layer the keys and values that the model computes
at virtual tokens are replaced by the trained ones, before positions are added to keys: a prefix
that starts as the keys and values of a text is that text, wherever positions begin to count. What
else a layer computes at virtual tokens nothing sees. A layer that looks back some tokens only sees
as much of a prefix as it would of a text (peft likewise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.models.key_places import KeyPlaces, Place, key_places
from sapo_analysis.models.packing import KeysValues
from sapo_analysis.models.soft_prompt import (
    SoftEmbedding,
    TokenWise,
    embeddings_of,
    side_by_side,
    standing_before,
)


class Prefixes(TokenWise):
    """A trained prefix per fine-tune: leaves `keys` and `values` [K, layers, length, n].

    Frozen ones beside it are slots 1, 2, … as with soft prompts.

    n is what keys, all heads together, have in one layer. Keys are before positions are added, and
    after the attention's own norm of keys where it has one.

    Attributes:
        places: where in the model they belong.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        starts: Sequence[KeysValues],
        frozen: Sequence[Sequence[KeysValues]] = (),
    ):
        """K prefixes.

        Args:
            model: what they stand before.
            starts: the keys and values [layers, own length, n] of each; see `initial_prefix`.
            frozen: for each fine-tune, prefixes of the same form that do not change.

        Raises:
            InputError: the model has no keys and values of its own in every layer.
        """
        self.places: KeyPlaces = key_places(model)
        lengths = [keys.shape[1] for keys, _ in starts]
        longest = max([*lengths, *(keys.shape[1] for mine in frozen for keys, _ in mine)])
        own = [{"keys": keys, "values": values} for keys, values in starts]
        super().__init__(model, longest, own, lengths=lengths)
        self._frozen_leaves: dict[str, Tensor] = {}
        if any(frozen):
            for i, (name, leaf) in enumerate(self.leaves.items()):
                like = leaf.new_empty(leaf.shape[1], longest, leaf.shape[3], requires_grad=False)
                parts = [[one[i] for one in mine] for mine in frozen]
                self._frozen_leaves[name] = side_by_side(parts, like)
        slots = 1 + max(map(len, frozen), default=0)
        size = embeddings_of(model).shape[1]
        self._nothing = self.values.new_zeros(
            len(starts), slots * longest, size, requires_grad=False
        )

    def prompts(self) -> Tensor:
        """What layers read at virtual tokens of all slots [K, tokens, size]: zero, no matter."""
        return self._nothing

    def in_layer(self, name: str, layer: int) -> Tensor:
        """Keys or values of all slots in one layer [K, slots · length, n]."""
        own, frozen = self.leaves[name][:, layer], self._frozen_leaves.get(name)
        return own if frozen is None else self.with_frozen(own, frozen[:, layer])


def prefix_of(vector: Tensor, like: KeysValues) -> KeysValues:
    """A prefix from its weights as one vector (`FlatWeights.vector`), of any length.

    `like` is one of the same model.
    """
    layers, _, n = like[0].shape
    keys, values = vector.view(2, layers, -1, n)
    return keys, values


@contextmanager
def prefix_before(model: PreTrainedModel, prefixes: Prefixes) -> Iterator[SoftEmbedding]:
    """Let a model know virtual tokens with their keys and values inside the block.

    The model's own weights never change.
    """
    with standing_before(model, prefixes) as embedding:
        handles = [
            model.get_submodule(place.name).register_forward_hook(
                partial(_put, partial(prefixes.in_layer, name, layer), place, embedding)
            )
            for name, places in (("keys", prefixes.places.keys), ("values", prefixes.places.values))
            for layer, place in enumerate(places)
        ]
        try:
            yield embedding
        finally:
            for handle in handles:
                handle.remove()


def _put(
    trained: Callable[[], Tensor],
    place: Place,
    embedding: SoftEmbedding,
    module: nn.Module,
    inputs: tuple[Any, ...],
    output: Tensor,
) -> Tensor:
    """A hook: a module's output with the trained numbers at virtual tokens."""
    own, table = output.transpose(1, place.token_axis), trained()
    rows = own.reshape(len(table), -1, table.shape[-1])
    index = embedding.places[:, :, None].expand(-1, -1, table.shape[-1])
    put = table.gather(1, index.to(table.device)).to(own)
    found = torch.where(embedding.virtual[:, :, None].to(own.device), put, rows)
    return found.view(own.shape).transpose(1, place.token_axis)


@torch.no_grad()
def initial_prefix(
    model: PreTrainedModel, embeddings: Tensor, head: Tensor | None = None
) -> KeysValues:
    """The keys and values that a model computes for embeddings [length, size].

    Args:
        model: what computes them.
        embeddings: of the text that the prefix is to be.
        head: those of what stands before it [n, size], which is no part of the prefix.

    Returns:
        Keys and values [layers, length, n], on the CPU.

    Raises:
        InputError: as `Prefixes`.
    """
    places = key_places(model)
    found: dict[str, Tensor] = {}
    n, length = 0 if head is None else len(head), len(embeddings)
    if head is not None:
        embeddings = torch.cat([head.to(embeddings), embeddings])

    def keep(place: Place, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        own = output.transpose(1, place.token_axis)
        found[place.name] = own.reshape(n + length, -1)[n:].cpu()

    with places.hooked(model, keep):
        untyped: Any = model
        untyped.base_model(inputs_embeds=embeddings[None].to(embeddings_of(model)), use_cache=False)
    keys, values = (
        torch.stack([found[place.name] for place in own]) for own in (places.keys, places.values)
    )
    return keys, values
