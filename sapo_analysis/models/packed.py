"""A causal model of transformers that reads packed rows and answers where it is asked alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sapo_analysis.errors import InputError
from sapo_analysis.models.checkpointing import Again
from sapo_analysis.models.packing import Layout

_ATTENTION = "sapo_packed"
_layout: ContextVar[Layout] = ContextVar("layout")

_MLP_LAST = (
    "LlamaDecoderLayer",
    "MistralDecoderLayer",
    "Qwen2DecoderLayer",
    "Qwen3DecoderLayer",
    "SmolLM3DecoderLayer",
)
"""Layers of the form x + attention(norm(x)), then x + mlp(norm(x)), without further scales."""


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in place of its own attention functions."""
    for name in ("softcap", "s_aux"):
        if settings.get(name) is not None:
            raise InputError(
                f"This model's attention uses {name!r}, which packed rows do not know."
                " Use --engine plain."
            )
    layout = _layout.get()
    window = settings.get("sliding_window")
    if window is not None and int(layout.positions.max()) >= window:
        raise InputError(
            f"The model's attention looks back {window} tokens and a text is"
            f" {int(layout.positions.max()) + 1} long; packed rows know no window."
            " Use --engine plain."
        )
    layer: Any = module.layer_idx
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return layout.attend(layer, query, key, value, scale), None


ALL_ATTENTION_FUNCTIONS.register(_ATTENTION, _attend)


class PackedModel:
    """A model inside a `packed` block."""

    def __init__(self, model: PreTrainedModel):
        self._model = model

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._model.device

    def logits(self, layout: Layout) -> Tensor:
        """Logits at the wanted tokens of a layout: [rows, n, vocabulary]."""
        token = _layout.set(layout)
        try:
            found: Tensor = self._model(
                input_ids=layout.ids, position_ids=layout.positions, use_cache=False
            ).logits
        finally:
            _layout.reset(token)
        return found


def layout_again() -> Again:
    """The layout of this moment for layers that are computed again; see `checkpointing`.

    Padded rows have none.
    """
    layout = _layout.get(None)
    if layout is None:
        return nullcontext

    @contextmanager
    def again() -> Iterator[None]:
        token = _layout.set(layout)
        try:
            yield
        finally:
            _layout.reset(token)

    return again


@contextmanager
def packed(model: PreTrainedModel) -> Iterator[PackedModel]:
    """Let a model read packed rows inside the block; afterwards it is as it was.

    Logits are computed where they are wanted alone, by the model's own head. In models of the Llama
    form the last layer's MLP runs at those tokens alone too.

    Raises:
        InputError: the model's attention cannot be replaced.
    """
    if not model._supports_attention_backend:
        raise InputError(
            f"{type(model).__name__} has an attention of its own that packed rows cannot replace."
            " Use --engine plain."
        )
    config: Any = model.config
    attention = config._attn_implementation
    config._attn_implementation = _ATTENTION
    try:
        with _wanted_alone(model):
            yield PackedModel(model)
    finally:
        config._attn_implementation = attention


@contextmanager
def _wanted_alone(model: Any) -> Iterator[None]:
    layers = getattr(getattr(model, "model", None), "layers", None)
    if layers is None or type(layers[-1]).__name__ not in _MLP_LAST:
        hook = model.get_output_embeddings().register_forward_pre_hook(
            lambda _, inputs: (_wanted_of(inputs[0]),)
        )
        try:
            yield
        finally:
            hook.remove()
        return
    last = layers[-1]
    layers[-1] = _LastLayer(last)
    try:
        yield
    finally:
        layers[-1] = last


class _LastLayer(nn.Module):
    """A last layer whose MLP, and the head after it, see the wanted tokens alone."""

    def __init__(self, layer: Any):
        super().__init__()
        self.layer = layer

    def forward(self, hidden_states: Tensor, **settings: Any) -> Tensor:
        layer = self.layer
        attended, _ = layer.self_attn(
            hidden_states=layer.input_layernorm(hidden_states), **settings
        )
        rest = _wanted_of(hidden_states + attended)
        found: Tensor = rest + layer.mlp(layer.post_attention_layernorm(rest))
        return found


def _wanted_of(hidden: Tensor) -> Tensor:
    """[rows, tokens, size] to [rows, n, size]: the tokens a layout asks logits for."""
    wanted = _layout.get().wanted
    return hidden.gather(1, wanted[:, :, None].expand(-1, -1, hidden.shape[-1]))
