"""Earlier adapters beside the weights they changed, where they cannot be merged into them.

Merging into a quantized weight rounds most of an update away, and one that is on disk stays there.
Beside it an adapter adds (α / r) B A x to what its layer gives: the same function, nothing rounded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from sapo_analysis.models.quantized import is_quantized
from sapo_analysis.models.saved_adapter import CONFIG, read_adapter
from sapo_analysis.models.spread import is_spread, place_of


def takes_merging(model: PreTrainedModel) -> bool:
    """Whether adapters can be merged into a model's weights without loss."""
    return not (is_quantized(model) or is_spread(model))


def put_beside(model: PreTrainedModel, folder: Path) -> list[RemovableHandle]:
    """Let a saved adapter count at full scale, frozen, without dropout, until it is removed.

    Raises:
        InputError: the folder has no adapter of peft's LoRA.
    """
    weights = read_adapter(folder)
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    scale = settings["lora_alpha"] / settings["r"]
    handles = []
    for name, (a, b) in weights.items():
        module = model.get_submodule(name)
        at = place_of(module)
        add = partial(_add, a.to(at), b.to(at), scale)
        handles.append(module.register_forward_hook(add))
    return handles


@contextmanager
def beside(model: PreTrainedModel, folders: Sequence[Path]) -> Iterator[None]:
    """`put_beside` for the block alone."""
    handles = [handle for folder in folders for handle in put_beside(model, folder)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add(
    a: Tensor, b: Tensor, scale: float, module: nn.Module, inputs: tuple[Any, ...], output: Any
) -> Tensor:
    x = inputs[0].to(a.device, a.dtype)
    found: Tensor = (output + (x @ a.mT) @ b.mT * scale).to(output.dtype)
    return found
