"""How the fresh adapters of a stack start: with the weights that peft draws.

For that peft puts its layers into the model and takes them out again, which lasts longer than a
step of a small model. It is asked once per model and settings; where the same numbers come from
torch alone, further seeds are drawn from there.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.spec import LoraSettings

Pairs = dict[str, tuple[Tensor, Tensor]]
"""An adapter's weights A and B by the module that they change."""


@dataclass(frozen=True)
class FreshStart:
    """A fresh adapter as peft makes it: its weights, and its configuration."""

    weights: Pairs
    config: LoraConfig


_known: WeakKeyDictionary[PreTrainedModel, dict[tuple[LoraSettings, torch.dtype], FreshStart]]
_known = WeakKeyDictionary()
"""Starts without values of models and settings for which `_drawn` draws what peft does."""


def fresh_start(model: PreTrainedModel, settings: LoraSettings, seed: int) -> FreshStart:
    """The start of an adapter, a function of the seed and the model's shapes alone.

    Raises:
        InputError: a target is no linear layer, or is the head.
    """
    known, key = _known.setdefault(model, {}), (settings, model.dtype)
    if key in known:
        return replace(known[key], weights=_drawn(known[key].weights, seed, model.dtype))
    start = _by_peft(model, settings, seed)
    if _equal(start.weights, _drawn(start.weights, seed, model.dtype)):
        shapes = {name: (a.to("meta"), b.to("meta")) for name, (a, b) in start.weights.items()}
        known[key] = replace(start, weights=shapes)
    return start


def _by_peft(model: PreTrainedModel, settings: LoraSettings, seed: int) -> FreshStart:
    untyped: Any = model
    head = untyped.get_output_embeddings()
    with fresh_adapter(model, settings, seed) as adapted:
        wrapped: Any = adapted
        weights = {}
        for name, module in wrapped.base_model.model.named_modules():
            if not isinstance(module, LoraLayer):
                continue
            layer: Any = module
            base = layer.get_base_layer()
            # Experts of some models are weights of one module, which peft wraps as a whole.
            if not layer.lora_A or base is head or not hasattr(base, "weight"):
                raise InputError(
                    f"target_modules reaches {name!r}, which is no linear layer inside the model;"
                    " stacked training knows those alone. Leave it out, or use --engine plain."
                )
            pair = (layer.lora_A["default"].weight, layer.lora_B["default"].weight)
            weights[name] = (pair[0].detach().clone(), pair[1].detach().clone())
        config = copy.deepcopy(wrapped.peft_config["default"])
    return FreshStart(weights, config)


def _drawn(like: Pairs, seed: int, dtype: torch.dtype) -> Pairs:
    """Weights of these shapes and types, in the order in which peft draws them.

    They have passed through the type `dtype` of the layers that they change.
    """
    weights = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, (a, b) in like.items():
            # Each layer of the pair draws values as it is made; then A is drawn again.
            drawn = nn.Linear(a.shape[1], a.shape[0], bias=False).weight
            nn.Linear(b.shape[1], b.shape[0], bias=False)
            nn.init.kaiming_uniform_(drawn, a=math.sqrt(5))
            values = drawn.detach().to(dtype).to(a.dtype)
            weights[name] = (values, torch.zeros(b.shape, dtype=b.dtype))
    return weights


def _equal(some: Pairs, others: Pairs) -> bool:
    return all(
        torch.equal(one.cpu(), other)
        for name, pair in some.items()
        for one, other in zip(pair, others[name], strict=True)
    )
