"""How much a pass may hold, by the size of the model: never by what is free at the moment.

Small models reach none of these bounds with the batches that studies ask for.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

_KEPT_BYTES = 2 << 30
"""Keys and values of one pass that decoding goes on from."""
_LOGITS_BYTES = 1 << 30
"""Logits of one pass, in float32; a loss takes as much again, and half."""


def most_kept_tokens(model: PreTrainedModel) -> int:
    """Tokens of one pass whose keys and values are kept."""
    config: Any = model.config.get_text_config()
    per_token: int = 2 * config.num_hidden_layers * _of_a_layer(config) * model.dtype.itemsize
    return max(1, _KEPT_BYTES // per_token)


def _of_a_layer(config: Any) -> int:
    """Numbers that a token's keys have in one layer; its values have as many."""
    try:
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    except (AttributeError, RuntimeError):  # the latter where layers differ in it
        # Gemma 4 has layers unlike each other, Mamba states of a fixed size: as many as are read.
        return int(config.hidden_size)
    return int(heads * size)


def most_logits(model: PreTrainedModel) -> int:
    """Tokens of one pass at which logits are computed, all at once."""
    vocabulary: int = model.config.get_text_config().vocab_size
    return max(1, _LOGITS_BYTES // (4 * vocabulary))
