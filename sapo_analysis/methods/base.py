"""What a method decides: where a fine-tune starts, and what of the past joins it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.facts import MethodFacts
from sapo_analysis.methods.meta_tuning import MetaTuning
from sapo_analysis.methods.recipe import Recipe

if TYPE_CHECKING:  # the engine's own, and the settings, which name the methods
    from sapo_analysis.learning.members import Replay
    from sapo_analysis.learning.penalties import Penalty
    from sapo_analysis.models.adapter_layout import AdapterLayout
    from sapo_analysis.models.encoding import Encoded
    from sapo_analysis.prompts.base import Prompt
    from sapo_analysis.spec import AnyStudy, TrainingSettings


@dataclass(frozen=True)
class Learned:
    """A stage that a chain has behind it.

    Attributes:
        task: what it learned.
        prompt: what stands for the prompt it learned with.
        folder: what it left: an adapter, or a whole model.
        rows: its training rows under that prompt.
    """

    task: str
    prompt: Prompt
    folder: Path
    rows: Sequence[Encoded]


class Method(ABC):
    """How a task is learned after earlier ones: one subclass per method, which is found by itself.

    Importing a method loads no torch: what it needs of the engine it imports in the function that
    runs in training (`penalty`, `replay`).

    Attributes:
        name: as a study names it.
        facts: what readers are told of it.
        settings: fields of a study that are of this method alone; of no others it has any. They
            decide what it comes to, so ids name them.
        idle: of those, sections and single settings (`section.name`) that decide nothing of it.
        one_task: whether it can learn a single task, as in a paraphrase study.
        in_sequences: whether it can learn one task after another, as in a sequence study.
        stacks_with_lora: whether its fine-tunes are adapters of LoRA's form, trained in one stack
            with LoRA's. Every other method has a stack of its own: it trains something else, or its
            batches share no instruction that could be read once.
        smoke: settings of its smoke study that differ from the common ones.
        keeps_information: whether the Fisher information is kept after each stage.
        demonstrations: solved examples before each training input (examples).
    """

    name: ClassVar[str]
    facts: ClassVar[MethodFacts]
    settings: ClassVar[tuple[str, ...]] = ()
    idle: ClassVar[tuple[str, ...]] = ()
    one_task: ClassVar[bool] = True
    in_sequences: ClassVar[bool] = True
    stacks_with_lora: ClassVar[bool] = False
    smoke: ClassVar[Mapping[str, Any]] = {}
    keeps_information: ClassVar[bool] = False
    demonstrations: ClassVar[int] = 0

    def __init__(self, study: AnyStudy):
        """Of a study, whose settings decide."""
        self.study = study

    @property
    def trains_all(self) -> bool:
        """Whether all weights are trained, and a state is a whole model."""
        return False

    @property
    def alone(self) -> bool:
        """Whether its fine-tunes are made one at a time, in no stack."""
        return self.trains_all or self.metatuned() is not None

    @abstractmethod
    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """Where the next stage starts."""

    def standing(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """The state itself that the past has led to, on which candidates are scored."""
        return self.start(seed, past)

    def recipe(self, n_past: int) -> Recipe | None:
        """What is put into the model and trained; None: one adapter, or the whole model alone."""
        return None

    def metatuned(self) -> MetaTuning | None:
        """How a fine-tune is made that writes for each text; None: in another way."""
        return None

    def mixed(self, past: Sequence[Learned]) -> Sequence[Learned]:
        """Earlier stages whose rows are mixed evenly with the current task's."""
        return ()

    def training(self, n_past: int) -> TrainingSettings:
        """The settings of the fine-tune after `n_past` others; of several phases, the last's."""
        return self.study.training

    def replay(self, past: Sequence[Learned]) -> Replay | None:
        """Rows of earlier tasks that join each batch."""
        return None

    def penalty(self, past: Sequence[Learned], layout: AdapterLayout) -> Penalty | None:
        """What is added to the loss, of the trained weights as one vector, in every phase."""
        return None

    def decides(self, n_past: int) -> object:
        """Whatever of this method decides a fine-tune after `n_past` others, as plain data.

        Methods that agree here give the same fine-tune, so it is made once.
        """
        return None if n_past == 0 else [self.name]
