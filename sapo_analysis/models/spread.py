"""A model larger than a device: its layers spread by accelerate over GPUs, host memory and disk.

Layers work one after the other where they were put (`memory.max_memory`). Those in host memory or
on disk are fetched for as long as they compute, so the first device needs room for one at a time;
in training a layer's weights would stay until its gradient is known, and
`memory.gradient_checkpointing` fetches them a second time instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from sapo_analysis.errors import InputError

_META = torch.device("meta")


def max_memory(given: Mapping[str, str]) -> dict[int | str, str]:
    """`memory.max_memory` as accelerate wants it.

    Raises:
        InputError: it names a GPU that is not there.
    """
    n_gpus = torch.cuda.device_count()
    found: dict[int | str, str] = {}
    for device, size in given.items():
        if device != "cpu" and int(device) >= n_gpus:
            raise InputError(
                f"memory.max_memory names GPU {device}, and torch sees {n_gpus} here."
                " Name GPUs by number from 0, and cpu; see `sapo doctor`."
            )
        found[device if device == "cpu" else int(device)] = size
    return found


def is_spread(model: nn.Module) -> bool:
    """Whether parts of a model are on different devices, or away from the one they compute on."""
    places: Mapping[str, Any] = getattr(model, "hf_device_map", None) or {}
    return len({str(place) for place in places.values()}) > 1 or "disk" in places.values()


def reading_device(model: nn.Module) -> torch.device:
    """Where a model takes its inputs: the device that its first layer computes on."""
    untyped: Any = model
    hook = getattr(untyped.get_input_embeddings(), "_hf_hook", None)
    at: torch.device = untyped.device if hook is None else _computes_on(hook)
    return at


def place_of(module: nn.Module) -> torch.device:
    """Where a layer computes."""
    hook = getattr(module, "_hf_hook", None)
    # What is away has a hook, whatever its weights are called.
    return next(module.parameters()).device if hook is None else _computes_on(hook)


@contextmanager
def placed(model: nn.Module) -> Iterator[None]:
    """Inside the block every weight seems to be where its layer computes.

    peft puts an adapter's weights where the layer's own are, and weights that are fetched when they
    are needed are nowhere. Their stand-ins have shape and place, and take no memory.
    """
    absent = []
    for module in model.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None and weight.device == _META:
                absent.append((module, name, weight))
                stand_in = torch.empty(1, dtype=weight.dtype, device=place_of(module))
                module._parameters[name] = nn.Parameter(
                    stand_in.expand(weight.shape), requires_grad=False
                )
    try:
        yield
    finally:
        for module, name, weight in absent:
            module._parameters[name] = weight


def _computes_on(hook: Any) -> torch.device:
    at = hook.execution_device
    return torch.device("cuda", at) if isinstance(at, int) else torch.device(at or "cpu")
