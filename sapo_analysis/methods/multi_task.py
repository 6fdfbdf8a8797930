"""Method `multi-task`: LoRA on a mixture of all tasks so far, the bound that sequences aim at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned
from sapo_analysis.methods.facts import ADAPTER, CONTINUAL, MethodFacts
from sapo_analysis.methods.lora import Lora
from sapo_analysis.methods.promot import for_tasks

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings


class MultiTask(Lora):
    """Stage t trains a fresh adapter on tasks 1 to t, evenly mixed, for t times the steps."""

    name: ClassVar[str] = "multi-task"
    facts = MethodFacts(
        words="multi-task LoRA",
        trains="at each stage a fresh adapter on all tasks so far, evenly mixed",
        changes="parameters",
        size=f"{ADAPTER}, new for each task",
        family=CONTINUAL,
        cites=("hu2022lora",),
    )
    one_task = False
    stacks_with_lora = False

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed)

    def standing(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.standing`."""
        return super().start(seed, past)

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        return for_tasks(self.study.training, 1 + n_past)

    def mixed(self, past: Sequence[Learned]) -> Sequence[Learned]:
        """See `Method.mixed`."""
        return past
