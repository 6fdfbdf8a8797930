"""How a model is pretrained, as one record, and the presets."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from sapo_analysis.errors import unknown


class PretrainSettings(BaseModel):
    """How a model is pretrained. Each field names its unit.

    `log_every`, `save_every` and `card_examples` decide what is written, all others the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, description="seed of initialisation and of the data stream")
    steps: int = Field(2000, ge=1, description="optimiser steps")
    batch_size: int = Field(128, ge=1, description="conversations per step")
    learning_rate: float = Field(2e-3, gt=0, description="peak AdamW learning rate, per step")
    warmup: float = Field(0.05, ge=0, lt=1, description="fraction of the steps with rising rate")
    weight_decay: float = Field(0.05, ge=0, description="AdamW weight decay")
    grad_clip: float = Field(1.0, gt=0, description="largest global gradient norm")
    text_weight: float = Field(
        0.1, ge=0, description="weight of the mean loss on the user's tokens; the answers' has 1"
    )
    text_every: int = Field(
        4, ge=1, description="of the user's tokens one in so many is in their loss, by turns"
    )
    zipf_exponent: float = Field(
        0.7, ge=0, description="exponent of prompt frequency over rank, original first"
    )
    demonstrated: float = Field(
        0.2, ge=0, le=1, description="fraction of conversations with demonstrations"
    )
    max_demonstrations: int = Field(
        4, ge=1, description="most demonstrations of one conversation; from 1 up equally likely"
    )
    vocab_size: int = Field(2048, ge=300, description="tokens in the vocabulary")
    tokenizer_examples: int = Field(30000, ge=1, description="examples the BPE merges come from")
    hidden_size: int = Field(128, ge=8, description="width of the residual stream")
    layers: int = Field(4, ge=1, description="transformer blocks")
    heads: int = Field(4, ge=1, description="attention heads")
    intermediate_size: int = Field(384, ge=8, description="width of the MLP")
    max_positions: int = Field(512, ge=64, description="longest sequence, tokens")
    log_every: int = Field(20, ge=1, description="optimiser steps between two lines of the log")
    save_every: int = Field(250, ge=1, description="optimiser steps between two checkpoints")
    card_examples: int = Field(200, ge=1, description="test examples per task for the model card")
    threads: int = Field(2, ge=1, description="CPU threads of torch")


PRESETS: dict[str, PretrainSettings] = {
    "pocket": PretrainSettings(),
    "smoke": PretrainSettings(
        steps=10,
        batch_size=16,
        tokenizer_examples=1000,
        vocab_size=600,
        hidden_size=32,
        layers=2,
        intermediate_size=64,
        log_every=2,
        save_every=4,
        card_examples=2,
    ),
}


def preset(name: str) -> PretrainSettings:
    """The settings of this name; `pocket` made the shipped models."""
    if name not in PRESETS:
        raise unknown("pretraining preset", name, list(PRESETS))
    return PRESETS[name]
