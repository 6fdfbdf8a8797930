"""What a method puts into a model and trains, phase by phase, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings

PartName = Literal[
    "soft-prompt", "prompt-encoder", "prefix", "ia3", "first-lora", "lora", "whole-model"
]
"""Weights that can be trained: virtual tokens, scales, a removable adapter, an adapter, all."""
BEFORE_TEXTS: tuple[PartName, ...] = ("soft-prompt", "prompt-encoder", "prefix")
"""Parts that texts stand behind."""
SOFT_PROMPTS: tuple[PartName, ...] = ("soft-prompt", "prompt-encoder")
"""Those of them that are input embeddings, a point for each virtual token."""
REMOVABLE: tuple[PartName, ...] = (*BEFORE_TEXTS, "first-lora")
"""Parts that can be on for one task and off for another."""


@dataclass(frozen=True)
class Perturbed:
    """A second reading of each batch, perturbed, whose loss joins the clean one (methods §10).

    Trained is on (loss + weight · perturbed loss) / (1 + weight).

    Attributes:
        by: what is perturbed: embeddings by Gaussian noise, or against the model, or tokens.
        strength: of noise and adversary relative to the mean norm of an embedding (1); of masking
            the share of tokens that are replaced.
        weight: γ of the perturbed loss (1).
        steps: of projected gradient ascent, for an adversary.
    """

    by: Literal["noise", "masking", "adversarial"]
    strength: float
    weight: float
    steps: int = 0

    @property
    def passes(self) -> int:
        """How often each batch is read for it, beside the clean pass: an adversary looks for it."""
        return 1 + (self.steps if self.by == "adversarial" else 0)


@dataclass(frozen=True)
class Context:
    """Demonstrations that virtual tokens start as (methods §9).

    Attributes:
        n: how many, the first training rows.
        leave_one_out: whether a trained row that is one of them does not see its own slice.
        token_drop: share of the other virtual tokens that each trained row does not see.
    """

    n: int
    leave_one_out: bool
    token_drop: float


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Attributes:
        trains: the parts that are trained; all others are frozen.
        settings: of the optimizer and its schedule.
        select_every: steps between two checkpoints, of which the one that is best on the task's dev
            rows is kept (steps); 0: the last weights are.
        perturbed: what each batch is read by once more; None: it is read once.
    """

    trains: tuple[PartName, ...]
    settings: TrainingSettings
    select_every: int = 0
    perturbed: Perturbed | None = None

    @property
    def passes(self) -> int:
        """How often each of its batches is read."""
        return 1 + (self.perturbed.passes if self.perturbed is not None else 0)


@dataclass(frozen=True)
class Recipe:
    """How one fine-tune is made.

    Attributes:
        parts: what is put into the model.
        phases: what is trained, in order.
        always_on: whether what is removable is on for every task; else each task that was learned
            has its own, on for that task alone.
        uniform: whether a soft prompt starts from even random numbers, whatever the study says.
        context: demonstrations that virtual tokens start as, in place of what the study says.
    """

    parts: tuple[PartName, ...]
    phases: tuple[Phase, ...]
    always_on: bool
    uniform: bool = False
    context: Context | None = None

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(phase.settings.steps for phase in self.phases)

    def has(self, *parts: PartName) -> bool:
        """Whether one of these parts is in it."""
        return any(part in self.parts for part in parts)
