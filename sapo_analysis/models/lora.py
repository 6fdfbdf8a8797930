"""Adapters through peft: attach a fresh one, keep one, merge kept ones into the state they led
to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from sapo_analysis.spec import LoraSettings


@contextmanager
def fresh_adapter(model: PreTrainedModel, settings: LoraSettings, seed: int) -> Iterator[PeftModel]:
    """A new adapter on a model, gone again after the block; the model's own weights are never
    changed.

    The initialisation is a function of `seed` and the model's shapes alone, so all prompts of a
    study start equal.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapted = get_peft_model(model, _config(settings))
    try:
        yield adapted
    finally:
        adapted.unload()
        model.requires_grad_(False)


def save_adapter(adapted: PeftModel, folder: Path) -> None:
    """Write an adapter in peft's format (safetensors and its configuration)."""
    adapted.save_pretrained(str(folder), safe_serialization=True)


def merge_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with a saved adapter merged into its weights at full scale, frozen, in eval
    mode."""
    adapted = PeftModel.from_pretrained(model, str(folder))
    merged: PreTrainedModel = adapted.merge_and_unload()
    merged.requires_grad_(False)
    return merged.eval()


def _config(settings: LoraSettings) -> LoraConfig:
    targets = settings.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
