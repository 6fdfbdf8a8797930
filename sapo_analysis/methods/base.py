"""What a method decides: where a fine-tune starts, and what of the past joins it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sapo_analysis.learning.members import Replay
from sapo_analysis.learning.penalties import Penalty
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.adapter_start import AdapterStart
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import MethodName, SequenceStudy, TrainingSettings


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
    """How a task is learned after earlier ones.

    Attributes:
        name: as a study names it.
        trains_all: whether all weights are trained, not an adapter.
        keeps_information: whether the Fisher information is kept after each stage.
    """

    name: ClassVar[MethodName]
    trains_all: ClassVar[bool] = False
    keeps_information: ClassVar[bool] = False

    def __init__(self, study: SequenceStudy):
        self.study = study

    @abstractmethod
    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """Where the next stage starts; before it is trained this is the state itself."""

    def training(self) -> TrainingSettings:
        """The settings of each fine-tune."""
        return self.study.training

    def replay(self, past: Sequence[Learned]) -> Replay | None:
        """Rows of earlier tasks that join each batch."""
        return None

    def penalty(self, past: Sequence[Learned], layout: AdapterLayout) -> Penalty | None:
        """What is added to the loss."""
        return None

    def decides(self, n_past: int) -> object:
        """Whatever of this method decides a fine-tune after `n_past` others, as plain data.

        Methods that agree here give the same fine-tune, so it is made once.
        """
        return None if n_past == 0 else [self.name]
