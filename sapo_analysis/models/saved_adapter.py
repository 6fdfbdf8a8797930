"""Adapters as files in peft's format."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from sapo_analysis.errors import InputError

WEIGHTS = "adapter_model.safetensors"
"""peft's name of the file with an adapter's weights."""
CONFIG = "adapter_config.json"
"""peft's name of the file with its settings."""
_PEFT_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")


def read_adapter(folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """A saved adapter's weights (A [r, in], B [out, r]) by module.

    Raises:
        InputError: the folder has none.
    """
    check_adapter(folder)
    found = load_file(folder / WEIGHTS)
    halves: dict[str, dict[str, Tensor]] = {}
    for name, weight in found.items():
        match = _PEFT_NAME.fullmatch(name)
        if match is None:
            raise InputError(f"The adapter in {folder} has {name!r}, which is no LoRA weight.")
        halves.setdefault(match["module"], {})[match["half"]] = weight
    return {name: (own["A"], own["B"]) for name, own in halves.items()}


def check_adapter(folder: Path) -> None:
    """Refuse a folder without an adapter."""
    if not (folder / CONFIG).is_file():
        raise InputError(
            f"The adapter of an earlier stage is missing (folder {folder}), so its run cannot be"
            " continued. Run its spec.json again."
        )
