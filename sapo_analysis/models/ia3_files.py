"""(IA)³ as files in peft's format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from peft import IA3Config
from torch import Tensor

from sapo_analysis.errors import InputError
from sapo_analysis.models.peft_files import read_settings, read_weights, write_adapter
from sapo_analysis.models.saved_adapter import WEIGHTS
from sapo_analysis.models.stacked_ia3 import StackedIa3

_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.ia3_l")


def export_ia3(folder: Path, ia3: StackedIa3, k: int, base: str) -> None:
    """Write the scales of fine-tune k, which peft reads exactly.

    Args:
        folder: where they go.
        ia3: whose scales.
        k: number of the fine-tune.
        base: the name that the model is published under.
    """
    config = IA3Config(
        task_type="CAUSAL_LM",
        target_modules=sorted({*ia3.outputs, *ia3.inputs}),
        feedforward_modules=sorted(ia3.inputs),
    )
    weights = {f"base_model.model.{name}.ia3_l": scale for name, scale in _by_peft(ia3, k).items()}
    write_adapter(folder, config, weights, base)


def read_ia3(folder: Path, ia3: StackedIa3) -> Mapping[str, Tensor]:
    """Scales from peft's format, for `ia3.fill`.

    Raises:
        InputError: the folder has none, or they scale other modules than `ia3` does.
    """
    kind = read_settings(folder).get("peft_type")
    if kind != "IA3":
        held = f"an adapter of the kind {kind}" if kind else "no adapter"
        raise InputError(f"{folder} holds {held}, not one of IA3. Name a folder that does.")
    found = {}
    for name, scale in read_weights(folder / WEIGHTS).items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"The adapter in {folder} has {name!r}, which is no scale of IA3.")
        found[match["module"]] = scale
    shapes = {name: tuple(scale.shape) for name, scale in found.items()}
    wanted = {name: tuple(scale.shape) for name, scale in _by_peft(ia3, 0).items()}
    if shapes != wanted:
        odd = sorted(set(shapes) ^ set(wanted))[:1] or ["scales of another form"]
        raise InputError(
            f"The adapter in {folder} does not fit ({odd[0]}): this project scales"
            f" {', '.join((*ia3.outputs, *ia3.inputs))} of every layer. Train it with these"
            " modules, on this model."
        )
    return {name: scale.flatten() for name, scale in found.items()}


def _by_peft(ia3: StackedIa3, k: int) -> dict[str, Tensor]:
    """Scales in peft's form by module: of outputs a column, of inputs a row."""
    return {
        name: scale[None] if ia3.scales_input(name) else scale[:, None]
        for name, scale in ia3.of(k).items()
    }
