"""Adapters through peft: attach a fresh one, keep one, merge a kept one into the model."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sapo_analysis.errors import InputError
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.beside import beside, put_beside, takes_merging
from sapo_analysis.models.saved_adapter import WEIGHTS, check_adapter
from sapo_analysis.models.spread import placed
from sapo_analysis.spec import LoraSettings


@contextmanager
def fresh_adapter(
    model: PreTrainedModel, settings: LoraSettings, seed: int
) -> Iterator[PreTrainedModel]:
    """A new adapter on a model, gone after the block; the model's own weights never change.

    The initialisation is a function of `seed` and the model's shapes alone, so all prompts of a
    study start equal. What it yields is a `PeftModel`, which passes for the model it wraps.

    Raises:
        InputError: peft cannot adapt such a model, or not with these settings.
    """
    with torch.random.fork_rng(), placed(model):
        torch.manual_seed(seed)
        try:
            adapted: Any = get_peft_model(model, _config(model, settings))
        except ValueError as error:
            said = " ".join(str(error).split())[:300].rstrip(". ")
            raise InputError(
                f"No adapter can be put on {type(model).__name__} as the study says: {said}."
                " Change lora.target_modules or lora.lora_dropout."
            ) from error
    try:
        yield adapted
    finally:
        adapted.unload()
        model.requires_grad_(False)


@contextmanager
def started_adapter(
    model: PreTrainedModel, settings: LoraSettings, start: AdapterStart
) -> Iterator[PreTrainedModel]:
    """An adapter as it starts, on the model or, with frozen ones, on a copy they are merged into.

    Where they cannot be merged they stand beside the model's weights.

    Raises:
        InputError: a folder has no adapter.
    """
    kept_apart: Sequence[Path] = ()
    if start.frozen and takes_merging(model):
        model = copy.deepcopy(model)
        for folder in start.frozen:
            model = merge_adapter(model, folder)
    else:
        kept_apart = start.frozen
    with beside(model, kept_apart), fresh_adapter(model, settings, start.seed) as adapted:
        if start.carried is not None:
            check_adapter(start.carried)
            set_peft_model_state_dict(adapted, load_file(start.carried / WEIGHTS))
        yield adapted


def adapter_layout(adapted: PreTrainedModel) -> AdapterLayout:
    """The layout of a `PeftModel`'s trainable weights, in the order of its parameters."""
    wrapped: Any = adapted
    shapes = {}
    for name, module in wrapped.base_model.model.named_modules():
        if isinstance(module, LoraLayer) and module.lora_A:
            layer: Any = module
            shapes[name] = (
                layer.lora_A["default"].weight.shape,
                layer.lora_B["default"].weight.shape,
            )
    return AdapterLayout(shapes)


def adapted_layers(model: PreTrainedModel, settings: LoraSettings) -> list[str]:
    """Names of the layers that an adapter with these settings changes, as peft resolves them.

    Raises:
        InputError: a layer shares its weight with another, as an input embedding may with the head.
    """
    with fresh_adapter(model, settings, seed=0) as adapted:
        wrapped: Any = adapted
        inner = wrapped.base_model.model.named_modules()
        names = [name for name, module in inner if isinstance(module, LoraLayer)]
    users = Counter(id(module._parameters.get("weight")) for module in model.modules())
    for name in names:
        if users[id(model.get_submodule(name).weight)] > 1:
            raise InputError(
                f"target_modules reaches {name!r}, whose weight another layer shares, so the"
                " gradient indicators are not defined. Leave it out, or set scoring.diagnostics"
                " to 0."
            )
    return names


def set_adapter_dropout(model: nn.Module, on: bool) -> None:
    """Turn dropout of the adapters on or off; the frozen base is in eval mode either way."""
    model.train(False)
    for name, module in model.named_modules():
        if name.endswith("lora_dropout"):
            module.train(on)


def save_adapter(adapted: PreTrainedModel, folder: Path) -> None:
    """Write a fresh adapter in peft's format (safetensors and its configuration)."""
    # Asked for nothing, peft looks on the hub whether the embedding was trained too; it never is.
    adapted.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)


def with_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with a saved adapter at full scale: merged, or beside weights that are not whole.

    Raises:
        InputError: the folder has no adapter.
    """
    if takes_merging(model):
        return merge_adapter(model, folder)
    put_beside(model, folder)
    return model


def merge_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with a saved adapter merged in at full scale, frozen, in eval mode."""
    check_adapter(folder)  # without one peft would take the path for a hub's id
    adapted = PeftModel.from_pretrained(model, str(folder))
    merged: PreTrainedModel = adapted.merge_and_unload()
    merged.requires_grad_(False)
    merged.train(False)
    return merged


def _config(model: nn.Module, settings: LoraSettings) -> LoraConfig:
    targets = settings.target_modules
    alpha: Any = settings.lora_alpha  # peft declares an int and only divides it by r
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.r,
        lora_alpha=alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        # GPT-2's layers hold their weights transposed.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
