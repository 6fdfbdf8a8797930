"""Where in a model each layer's keys and values come out, before positions are added to keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.models.soft_prompt import embeddings_of

_NORMS = {
    "k": ("k_norm", "k_layernorm", "key_layernorm"),
    "v": ("v_norm",),
}
"""Names of an attention's own norms of keys and of values."""


@dataclass(frozen=True)
class Place:
    """A module whose output is one layer's keys, or its values.

    Attributes:
        name: in the model.
        token_axis: which axis of its output counts tokens.
        size: numbers per token, all heads together.
    """

    name: str
    token_axis: int
    size: int


@dataclass(frozen=True)
class KeyPlaces:
    """The places of all layers' keys and values, first layer first."""

    keys: tuple[Place, ...]
    values: tuple[Place, ...]

    @contextmanager
    def hooked(self, model: PreTrainedModel, hook: Callable[..., None]) -> Iterator[None]:
        """Call `hook(place, module, inputs, output)` at each place inside the block."""
        handles = [
            model.get_submodule(place.name).register_forward_hook(partial(hook, place))
            for place in (*self.keys, *self.values)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def key_places(model: PreTrainedModel) -> KeyPlaces:
    """Find the places, by reading two texts whose lengths tell the axis of tokens.

    Raises:
        InputError: some layer has no keys and values by themselves, or layers differ in their size.
    """
    config: Any = model.config.get_text_config()
    attentions = sorted(
        (
            (int(module.layer_idx), name, module)
            for name, module in model.named_modules()
            if all(hasattr(module, part) for part in ("k_proj", "v_proj", "layer_idx"))
        ),
        key=lambda found: found[0],
    )
    if [layer for layer, _, _ in attentions] != list(range(config.num_hidden_layers)):
        raise _refusal(model, "does not compute keys and values by themselves in every layer")
    names = {
        part: [_place(name, module, part) for _, name, module in attentions] for part in ("k", "v")
    }
    short, long = (_shapes(model, [*names["k"], *names["v"]], length) for length in (5, 6))
    if len(short) < len(names["k"]) + len(names["v"]):
        raise _refusal(model, "has layers that use the keys and values of other layers")
    places = {
        name: Place(name, _differing(shape, long[name]), shape.numel() // 5)
        for name, shape in short.items()
    }
    if len({place.size for place in places.values()}) > 1:
        raise _refusal(model, "has keys and values of several sizes")
    return KeyPlaces(
        tuple(places[name] for name in names["k"]), tuple(places[name] for name in names["v"])
    )


def _place(name: str, attention: nn.Module, part: str) -> str:
    """The module whose output is the keys (`k`) or the values (`v`) of an attention."""
    norm = next((n for n in _NORMS[part] if getattr(attention, n, None) is not None), None)
    return f"{name}.{norm or f'{part}_proj'}"


@torch.no_grad()
def _shapes(model: PreTrainedModel, names: list[str], length: int) -> dict[str, torch.Size]:
    """The shape of each module's output for a text of `length` tokens."""
    found: dict[str, torch.Size] = {}

    def keep(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        found[name] = output.shape

    handles = [model.get_submodule(n).register_forward_hook(partial(keep, n)) for n in names]
    ids = torch.zeros(1, length, dtype=torch.long, device=embeddings_of(model).device)
    untyped: Any = model
    try:
        untyped.base_model(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _differing(short: torch.Size, long: torch.Size) -> int:
    return next(i for i, (a, b) in enumerate(zip(short, long, strict=True)) if a != b)


def _refusal(model: PreTrainedModel, why: str) -> InputError:
    return InputError(
        f"Prefix tuning trains the keys and values of every layer, and {type(model).__name__}"
        f" {why}. Use prompt-tuning or p-tuning with this model, which train embeddings instead."
    )
