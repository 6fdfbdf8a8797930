"""What a fine-tune by a recipe leaves: for the stage after it, and for its user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.methods.recipe import PartName, Recipe
from sapo_analysis.models.ia3_files import export_ia3
from sapo_analysis.models.prefix_files import export_prefix
from sapo_analysis.models.soft_prompt_files import export_soft_prompt
from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.composed.parts import (
    MODEL,
    REMOVED,
    WEIGHTS,
    Parts,
    flat,
    removable_of,
)

REMOVABLE = {"soft-prompt": "soft_prompt", "first-lora": "first_adapter"}
"""Folders of what stage 1 trained, in that of a kept adapter."""


def save_state(recipe: Recipe, parts: Parts, begun: Begun, k: int, folder: Path) -> None:
    """Write all that a later stage goes on from.

    Of what is always on that is `part.safetensors`; else the update where there is one (an adapter
    in peft's format, or a whole model), and the removable parts of all tasks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = removable_of(recipe)
    if name is None:
        part: Any = parts.by_name[recipe.parts[0]]
        part.save(k, folder / WEIGHTS)
        return
    if recipe.has("whole-model"):
        _save_whole(parts.model, folder / MODEL)
    elif recipe.has("lora"):
        adapters: Any = parts.by_name["lora"]
        adapters.save(k, folder)
    own = {begun.task.name: flat(parts.by_name[name], k).cpu()}
    kept = {task: weights.contiguous() for task, weights in parts.earlier[k].items()}
    save_file(kept | own, folder / REMOVED)


def export(recipe: Recipe, parts: Parts, k: int, folder: Path, base: str) -> None:
    """Write fine-tune k in peft's formats.

    What stage 1 of ProMoT trained is in a folder of its own beside the adapter of stage 2. Virtual
    tokens are written with their own length; peft puts them before the whole text.

    Args:
        recipe: what it was made by.
        parts: what stands in the model.
        k: its number.
        folder: where it goes.
        base: the name that the model is published under.

    Raises:
        InputError: peft's format cannot hold it exactly.
    """
    if parts.contexts and (n := len(parts.contexts[k].head)):
        raise InputError(
            f"keep_adapters: peft puts virtual tokens before the whole text, and here {n} tokens of"
            " the model's layout stand before them, so peft's format cannot hold this context"
            " exactly. Set keep_adapters to false, or use a model whose layout begins with the"
            " first turn."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.by_name.items():
        apart = not recipe.always_on and name in REMOVABLE and len(recipe.parts) > 1
        _export_part(
            name, part, parts.model, k, folder / REMOVABLE[name] if apart else folder, base
        )


def _export_part(
    name: PartName, part: Any, model: PreTrainedModel, k: int, folder: Path, base: str
) -> None:
    if name in ("soft-prompt", "prompt-encoder"):
        prompt = part.prompts()[k, : part.lengths[k]]
        export_soft_prompt(folder, prompt.detach().cpu(), model, base)
    elif name == "prefix":
        export_prefix(folder, part, k, model, base)
    elif name == "ia3":
        export_ia3(folder, part, k, base)
    else:
        part.save(k, folder)


def _save_whole(model: PreTrainedModel, file: Path) -> None:
    """Write the model's own weights under the names that it has without parts in it."""
    # What stands in for a layer keeps that layer as its `base`. Tied weights are there once.
    weights = {
        name.replace(".base.", "."): weight.detach().contiguous().cpu()
        for name, weight in model.named_parameters()
    }
    save_file(weights, file)
