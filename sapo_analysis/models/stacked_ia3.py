"""(IA)³ of K fine-tunes at once: learned scales of keys, values and the MLP's inner activations.

Liu et al. 2022, Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
Learning, arXiv 2205.05638. As peft's: a scale per output of the projections of keys and values, one
per input of the MLP's last projection, 1 at the start. Which layers: the paper's where a model has
them (`k_proj`, `v_proj`, `down_proj`), else what peft names for the model's family. (peft's own
choice for some families, Qwen's and Gemma's among them, is queries in place of keys; methods §11.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from peft.utils import (
    TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
    TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
)
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sapo_analysis.errors import InputError
from sapo_analysis.models.flat_weights import FlatWeights
from sapo_analysis.models.soft_prompt import embeddings_of


class StackedIa3(FlatWeights):
    """Scales of K fine-tunes, by the name of the module whose output or input they scale.

    Attributes:
        outputs: how the names of modules end whose outputs are scaled.
        inputs: how those end whose inputs are.
    """

    def __init__(self, model: PreTrainedModel, k: int):
        """Scales that change nothing yet.

        Raises:
            InputError: it is not known what to scale in this model.
        """
        self.outputs, self.inputs = _scaled_modules(model)
        shapes = {
            name: [_sizes(module)[0 if self.scales_input(name) else 1]]
            for name, module in _ending(model, (*self.outputs, *self.inputs)).items()
        }
        weight = embeddings_of(model)
        dtype = torch.promote_types(weight.dtype, torch.float32)
        super().__init__(shapes, k, dtype, weight.device)
        with torch.no_grad():
            self.values.fill_(1.0)

    def scales_input(self, name: str) -> bool:
        """Whether a module's input is scaled, in place of its output."""
        return _ends(name, self.inputs)


@contextmanager
def scaled_by(model: PreTrainedModel, ia3: StackedIa3) -> Iterator[None]:
    """Let scales count inside the block; the model's own weights never change."""
    handles: list[RemovableHandle] = []
    for name, leaf in ia3.leaves.items():
        module = model.get_submodule(name)
        if ia3.scales_input(name):
            handles.append(module.register_forward_pre_hook(partial(_scale_input, leaf)))
        else:
            handles.append(module.register_forward_hook(partial(_scale_output, leaf)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scale_output(leaf: Tensor, module: nn.Module, inputs: tuple[Any, ...], y: Tensor) -> Tensor:
    return _scaled(y, leaf)


def _scale_input(leaf: Tensor, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (_scaled(inputs[0], leaf), *inputs[1:])


def _scaled(x: Tensor, leaf: Tensor) -> Tensor:
    """Numbers [rows, tokens, n], rows grouped by fine-tune, times scales [K, n]."""
    rows = x.reshape(len(leaf), -1, leaf.shape[-1]) * leaf[:, None].to(x.device)
    return rows.to(x.dtype).view(x.shape)


def _scaled_modules(model: PreTrainedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """How the names of modules end whose outputs and whose inputs are scaled."""
    config: Any = model.config.get_text_config()
    kind = config.model_type
    inputs = tuple(TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING.get(kind, ()))
    targets = TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(kind, ())
    outputs = tuple(name for name in targets if name not in inputs)
    if all(_ending(model, (name,)) for name in ("k_proj", "v_proj")):
        outputs = ("k_proj", "v_proj")
    if _ending(model, ("down_proj",)):
        inputs = ("down_proj",)
    # Of a mixture of experts tokens reach layers in an order of their own.
    whole = all(
        len(_ending(model, (name,))) == config.num_hidden_layers for name in (*outputs, *inputs)
    )
    if not (outputs and inputs and whole):
        raise InputError(
            "Method ia3 scales keys, values and the inside of every layer's MLP, and which modules"
            f" these are in {type(model).__name__} is not known. Use lora with this model."
        )
    return outputs, inputs


def _ending(model: PreTrainedModel, ends: tuple[str, ...]) -> dict[str, nn.Module]:
    """Linear layers whose names end so, in the model's order."""
    return {
        name: module
        for name, module in model.named_modules()
        # Quantized layers are linear ones too.
        if _ends(name, ends) and isinstance(module, nn.Linear | Conv1D)
    }


def _ends(name: str, ends: tuple[str, ...]) -> bool:
    """As peft reads its settings: by whole parts of a name."""
    return any(f".{name}".endswith(f".{end}") for end in ends)


def _sizes(module: nn.Module) -> tuple[int, int]:
    """Numbers (in, out) of a linear layer."""
    untyped: Any = module
    if isinstance(module, Conv1D):
        return int(untyped.nx), int(untyped.nf)
    return int(untyped.in_features), int(untyped.out_features)
