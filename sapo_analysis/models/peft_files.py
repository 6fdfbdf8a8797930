"""What peft's adapters have in common as files: a configuration, and weights by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sapo_analysis.errors import InputError
from sapo_analysis.models.saved_adapter import CONFIG, WEIGHTS


def write_adapter(
    folder: Path, config: PeftConfig, weights: Mapping[str, Tensor], base: str
) -> None:
    """Write an adapter that peft loads.

    Args:
        folder: where it goes.
        config: its settings.
        weights: by peft's names.
        base: the name that the base model is published under, never a path of this machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: weight.detach().cpu().contiguous() for name, weight in weights.items()},
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )
    config.inference_mode = True
    config.save_pretrained(str(folder))
    file = folder / CONFIG
    settings = json.loads(file.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a saved adapter; none where the folder has none.

    Raises:
        InputError: they cannot be read.
    """
    file = folder / CONFIG
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}. Save the adapter again.") from error
    if not isinstance(found, dict):
        raise InputError(f"{file} holds no settings of an adapter. Save the adapter again.")
    return found


def read_weights(file: Path) -> dict[str, Tensor]:
    """The weights of a safetensors file.

    Raises:
        InputError: it is missing, or no safetensors file.
    """
    if not file.is_file():
        raise InputError(f"{file} is missing. Save the weights again, or name their folder.")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file} is damaged: {error}. Save the weights again.") from error
