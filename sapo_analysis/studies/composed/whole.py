"""A whole model's weights, with whatever stands in it left out."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.studies.composed.parts import MODEL


def save_whole(model: PreTrainedModel, folder: Path) -> None:
    """Write the model's own weights under the names that it has without parts in it."""
    kept: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, weight in model.named_parameters(remove_duplicate=True):
        if id(weight) not in seen:
            seen.add(id(weight))
            kept[name.replace(".base.", ".")] = weight.detach().contiguous().cpu()
    save_file(kept, folder / MODEL)
