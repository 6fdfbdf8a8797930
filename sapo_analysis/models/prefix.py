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

from collections.abc import Iterator, Sequence
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
    TrainedPrompts,
    embeddings_of,
    standing_before,
)


class Prefixes(TrainedPrompts):
    """A trained prefix per fine-tune: leaves `keys` and `values` [K, layers, length, n].

    n is what keys, all heads together, have in one layer. Keys are before positions are added, and
    after the attention's own norm of keys where it has one.

    Attributes:
        places: where in the model they belong.
    """

    def __init__(self, model: PreTrainedModel, starts: Sequence[KeysValues]):
        """K prefixes.

        Args:
            model: what they stand before.
            starts: the keys and values [layers, length, n] of each; see `initial_prefix`.

        Raises:
            InputError: the model has no keys and values of its own in every layer.
        """
        self.places: KeyPlaces = key_places(model)
        length = starts[0][0].shape[1]
        super().__init__(model, length, [{"keys": k, "values": v} for k, v in starts])
        size = embeddings_of(model).shape[1]
        self._nothing = self.values.new_zeros(len(starts), length, size, requires_grad=False)

    def prompts(self) -> Tensor:
        """What layers read at virtual tokens [K, length, size]: zero, and no matter."""
        return self._nothing


@contextmanager
def prefix_before(model: PreTrainedModel, prefixes: Prefixes) -> Iterator[SoftEmbedding]:
    """Let a model know virtual tokens with their keys and values inside the block.

    The model's own weights never change.
    """
    with standing_before(model, prefixes) as embedding:
        handles = [
            model.get_submodule(place.name).register_forward_hook(
                partial(_put, prefixes.leaves[leaf], layer, place, embedding)
            )
            for leaf, places in (("keys", prefixes.places.keys), ("values", prefixes.places.values))
            for layer, place in enumerate(places)
        ]
        try:
            yield embedding
        finally:
            for handle in handles:
                handle.remove()


def _put(
    leaf: Tensor,
    layer: int,
    place: Place,
    embedding: SoftEmbedding,
    module: nn.Module,
    inputs: tuple[Any, ...],
    output: Tensor,
) -> Tensor:
    """A hook: a module's output with the trained numbers at virtual tokens."""
    own = output.transpose(1, place.token_axis)
    rows = own.reshape(len(leaf), -1, leaf.shape[-1])
    index = embedding.places[:, :, None].expand(-1, -1, leaf.shape[-1])
    put = leaf[:, layer].gather(1, index.to(leaf.device)).to(own)
    found = torch.where(embedding.virtual[:, :, None].to(own.device), put, rows)
    return found.view(own.shape).transpose(1, place.token_axis)


@torch.no_grad()
def initial_prefix(model: PreTrainedModel, embeddings: Tensor) -> KeysValues:
    """The keys and values that a model computes for embeddings [length, size].

    Returns:
        Keys and values [layers, length, n], on the CPU.

    Raises:
        InputError: as `Prefixes`.
    """
    places = key_places(model)
    found: dict[str, Tensor] = {}

    def keep(place: Place, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        own = output.transpose(1, place.token_axis)
        found[place.name] = own.reshape(len(embeddings), -1).cpu()

    with places.hooked(model, keep):
        untyped: Any = model
        untyped.base_model(inputs_embeds=embeddings[None].to(embeddings_of(model)), use_cache=False)
    keys, values = (
        torch.stack([found[place.name] for place in own]) for own in (places.keys, places.values)
    )
    return keys, values
