"""What a method puts into a model and trains, phase by phase, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sapo_analysis.spec import TrainingSettings

PartName = Literal[
    "soft-prompt", "prompt-encoder", "prefix", "ia3", "first-lora", "lora", "whole-model"
]
"""Weights that can be trained: virtual tokens, scales, a removable adapter, an adapter, all."""
BEFORE_TEXTS: tuple[PartName, ...] = ("soft-prompt", "prompt-encoder", "prefix")
"""Parts that texts stand behind."""
REMOVABLE: tuple[PartName, ...] = (*BEFORE_TEXTS, "first-lora")
"""Parts that can be on for one task and off for another."""


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Attributes:
        trains: the parts that are trained; all others are frozen.
        settings: of the optimizer and its schedule.
        select_every: steps between two checkpoints, of which the one that is best on the task's dev
            rows is kept (steps); 0: the last weights are.
    """

    trains: tuple[PartName, ...]
    settings: TrainingSettings
    select_every: int = 0


@dataclass(frozen=True)
class Recipe:
    """How one fine-tune is made.

    Attributes:
        parts: what is put into the model.
        phases: what is trained, in order.
        always_on: whether what is removable is on for every task; else each task that was learned
            has its own, on for that task alone.
        uniform: whether a soft prompt starts from even random numbers, whatever the study says.
    """

    parts: tuple[PartName, ...]
    phases: tuple[Phase, ...]
    always_on: bool
    uniform: bool = False

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(phase.settings.steps for phase in self.phases)

    def has(self, *parts: PartName) -> bool:
        """Whether one of these parts is in it."""
        return any(part in self.parts for part in parts)
