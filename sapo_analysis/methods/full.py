"""Method `full`: all weights are trained, task after task, without an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import EFFICIENT, MethodFacts

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings


class Full(Method):
    """Full fine-tuning: a copy of the whole model per chain, one chain at a time."""

    name = "full"
    facts = MethodFacts(
        words="full fine-tuning",
        trains="all weights of the model, one fine-tune at a time",
        changes="parameters",
        size="all weights",
        family=EFFICIENT,
    )
    settings = ("full",)

    @property
    def trains_all(self) -> bool:
        """See `Method.trains_all`."""
        return True

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`: `carried` is a folder with a whole model's weights."""
        return AdapterStart(seed, carried=past[-1].folder if past else None)

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        rate = self.study.full.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name, self.study.full.learning_rate]
