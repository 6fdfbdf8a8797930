"""Small models with random weights of the families that users bring: two layers, real architecture.

`build("qwen3", folder, tokenizer)` writes one that loads like any downloaded model. Weights are
spread ten times as wide as usual, and scales and biases differ from 1 and 0, so that a part of an
architecture that is left out changes the losses by far more than rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

CONTEXT = 2048
"""The longest text that these models read (tokens)."""
_SPREAD = 0.1
_SHAPE: dict[str, Any] = {
    "hidden_size": 64,  # what 4-bit kernels take at least
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "initializer_range": _SPREAD,
}
_GROUPED: dict[str, Any] = {**_SHAPE, "num_key_value_heads": 2}
_GPT2: dict[str, Any] = {
    "n_embd": 64,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": CONTEXT,
    "initializer_range": _SPREAD,
}
_GEMMA: dict[str, Any] = {**_GROUPED, "head_dim": 16}

FAMILIES: Mapping[str, Callable[..., PreTrainedConfig]] = {
    "llama": lambda **tokens: LlamaConfig(**_GROUPED, **tokens),
    "qwen2": lambda **tokens: Qwen2Config(**_GROUPED, tie_word_embeddings=True, **tokens),
    "qwen3": lambda **tokens: Qwen3Config(
        **_GROUPED, head_dim=16, tie_word_embeddings=True, **tokens
    ),
    "gemma": lambda **tokens: GemmaConfig(**_GEMMA, **tokens),
    "gemma2": lambda **tokens: Gemma2Config(
        **_GEMMA, query_pre_attn_scalar=16, sliding_window=64, **tokens
    ),
    "gemma3": lambda **tokens: Gemma3TextConfig(
        **{**_GEMMA, "num_hidden_layers": 6},  # every sixth layer sees all
        query_pre_attn_scalar=16,
        sliding_window=64,
        **tokens,
    ),
    "mistral": lambda **tokens: MistralConfig(**_GROUPED, sliding_window=None, **tokens),
    "gpt_neox": lambda **tokens: GPTNeoXConfig(**_SHAPE, **tokens),
    "gpt2": lambda **tokens: GPT2Config(**_GPT2, **tokens),
    "smollm": lambda **tokens: LlamaConfig(**_GROUPED, tie_word_embeddings=True, **tokens),
    "smollm3": lambda **tokens: SmolLM3Config(
        **{**_GROUPED, "num_hidden_layers": 4},  # every fourth layer has no positions
        **tokens,
    ),
}
"""Configurations by family; SmolLM has Llama's shape, Pythia is GPT-NeoX."""
TOKENIZERS = {"gemma2": "gemma", "gemma3": "gemma", "smollm3": "smollm"}
"""Whose tokenizer a family has, where it is not its own."""
NOT_STACKED = {"gemma2": "softcap", "gemma3": "looks back 64 tokens"}
"""Families whose attention packed rows cannot express, and a word of why."""


def build(family: str, folder: Path, tokenizer: PreTrainedTokenizerBase) -> Path:
    """Write a model of a family with a tokenizer to a folder, as `save_pretrained` does."""
    model_of(family, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def model_of(family: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A model of a family over a tokenizer's vocabulary: the same weights each time."""
    config = FAMILIES[family](
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make: Any = AutoModelForCausalLM.from_config
        model: PreTrainedModel = make(config, dtype=torch.float32)
        for weight in model.parameters():
            weight.data += 0.05 * torch.randn_like(weight)
        if config.tie_word_embeddings:
            # Else the head writes the last token again and again.
            model.get_input_embeddings().weight.data *= 0.1
    model.requires_grad_(False)
    model.train(False)
    return model
