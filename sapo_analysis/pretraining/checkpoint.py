"""Half-done pretraining on disk: weights, optimiser state and counts, so that it can go on."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import CHECKPOINT
from sapo_analysis.pretraining.settings import PretrainSettings

# Written last: where it stands, the checkpoint is whole.
_LAST = "progress.json"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Progress:
    """Where pretraining stands: steps done, seconds spent, examples that carried each prompt."""

    step: int
    seconds: float
    frequencies: Counter[str]


def save(
    out: Path,
    settings: PretrainSettings,
    suite: Mapping[str, str],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Replace the checkpoint of the folder `out`; a kill leaves the old one or the new one."""
    fresh = out / f"{CHECKPOINT}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    parameters = dict(model.named_parameters())
    tensors = {f"weights/{name}": p.detach().clone() for name, p in parameters.items()}
    for name, p in parameters.items():
        for moment in _MOMENTS:
            tensors[f"{moment}/{name}"] = optimizer.state[p][moment].clone()
    save_file(tensors, fresh / "state.safetensors")
    record = {
        "settings": settings.model_dump(),
        "suite": dict(suite),
        "step": progress.step,
        "seconds": progress.seconds,
        "frequencies": progress.frequencies,
    }
    (fresh / _LAST).write_text(json.dumps(record), encoding="utf-8")
    _promote(out)


def load(
    out: Path,
    settings: PretrainSettings,
    suite: Mapping[str, str],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> Progress:
    """Set model and optimiser to the checkpoint of the folder `out`; without one, to nothing done.

    Raises:
        InputError: the checkpoint was made with other settings, or on another suite (`suite`: its
            fingerprints); what differs is named.
    """
    if not exists(out):
        return Progress(0, 0.0, Counter())
    _promote(out)
    folder = out / CHECKPOINT
    record: dict[str, Any] = json.loads((folder / _LAST).read_text("utf-8"))
    was = {**record["settings"], **record["suite"]}
    wanted = {**settings.model_dump(), **suite}
    if differing := [key for key in wanted if was.get(key) != wanted[key]]:
        raise InputError(
            f"{str(out)!r} holds a half-done pretraining under other conditions: {differing}"
            " differ. Name a new folder, or go on with the same settings, tasks and prompts."
        )
    tensors = load_file(folder / "state.safetensors")
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(tensors[f"weights/{name}"])
            optimizer.state[p] = {moment: tensors[f"{moment}/{name}"] for moment in _MOMENTS}
    return Progress(record["step"], record["seconds"], Counter(record["frequencies"]))


def clear(out: Path) -> None:
    """Remove the checkpoint: the work is done."""
    for name in (CHECKPOINT, f"{CHECKPOINT}.new"):
        shutil.rmtree(out / name, ignore_errors=True)


def exists(out: Path) -> bool:
    """Whether the folder holds a checkpoint to go on from."""
    return any((out / name / _LAST).is_file() for name in (CHECKPOINT, f"{CHECKPOINT}.new"))


def _promote(out: Path) -> None:
    """Put a new checkpoint, if it is whole, in the place of the old one.

    A folder cannot replace a full one, so a kill in between can leave the new one alone.
    """
    fresh, old = out / f"{CHECKPOINT}.new", out / CHECKPOINT
    if (fresh / _LAST).is_file():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(fresh, old)
