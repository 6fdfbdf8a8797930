"""MetaTuner (small), experimental: one model chooses a prompt and writes a LoRA for each text.

A reconstruction at the size of one small model (methods §6). `studies/metatuner` says how it works
and what differs from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import GENERATED, MethodFacts
from sapo_analysis.methods.meta_tuning import MetaTuning

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings

_WORDS = "MetaTuner (small), experimental"
_CAVEAT = (
    "experimental: a reconstruction at the size of one small model, which chooses among the task's"
    " prompts where the paper's writes new ones"
)
_PAPER, _ABLATION = "after Bo et al. 2026", "after Bo et al. 2026, ablation"
_CITES = ("hu2022lora", "bo2026metatuner")
_SIZE = "of two networks per adapted matrix, of adapters in the first layers, d per prompt"
_ON_OWN_TASK = "LoRA: always; chosen prompt: on its own task"


class MetaTuner(Method):
    """An update by the loss of the answers, then one by that of the chosen prompts, in each step.

    The paper's -I.
    """

    name: ClassVar[str] = "metatuner"
    facts: ClassVar[MethodFacts] = MethodFacts(
        words=_WORDS,
        trains="networks that choose a prompt and write a LoRA for each text, from what the first"
        " layers make of it; the model is frozen",
        changes="both",
        size=_SIZE,
        when_on=_ON_OWN_TASK,
        family=GENERATED,
        reference=_PAPER,
        cites=_CITES,
        caveat=_CAVEAT,
    )
    settings: ClassVar[tuple[str, ...]] = ("metatuner",)
    in_sequences = False
    smoke: ClassVar[Mapping[str, Any]] = {"metatuner": {"labelled": 32}}

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed)

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        rate = self.study.metatuner.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def metatuned(self) -> MetaTuning:
        """See `Method.metatuned`."""
        return MetaTuning(self.study.metatuner)

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name, self.study.metatuner.model_dump(mode="json")]


class MetaTunerJoint(MetaTuner):
    """One update by the sum of both losses in each step: the paper's -J."""

    name: ClassVar[str] = "metatuner-joint"
    facts: ClassVar[MethodFacts] = replace(
        MetaTuner.facts,
        words=f"{_WORDS}, joint",
        trains="the same networks, by the sum of both losses in place of each in turn",
    )

    def metatuned(self) -> MetaTuning:
        """See `Method.metatuned`."""
        return MetaTuning(self.study.metatuner, joint=True)


class MetaTunerNoPolicy(MetaTuner):
    """Ablation without P: the actor always reads the initial prompt, and LoRA is written."""

    name: ClassVar[str] = "metatuner-no-policy"
    facts: ClassVar[MethodFacts] = replace(
        MetaTuner.facts,
        words=f"{_WORDS}, no prompt choice",
        trains="networks that write a LoRA for each text, from what the first layers make of it;"
        " the prompt stays as it is",
        changes="parameters",
        size="of two networks per adapted matrix, and of adapters in the first layers",
        reference=_ABLATION,
    )
    idle: ClassVar[tuple[str, ...]] = tuple(
        f"metatuner.{name}" for name in ("alpha", "labelled", "refresh", "sync")
    )

    def metatuned(self) -> MetaTuning:
        """See `Method.metatuned`."""
        return MetaTuning(self.study.metatuner, policy=False)


class MetaTunerNoParameters(MetaTuner):
    """Ablation without F: a prompt is chosen for each text, and the model is as it was."""

    name: ClassVar[str] = "metatuner-no-parameters"
    facts: ClassVar[MethodFacts] = replace(
        MetaTuner.facts,
        words=f"{_WORDS}, no LoRA",
        trains="what chooses a prompt for each text; the model that answers is not changed",
        changes="prompt",
        size="of adapters in the first layers, d per prompt",
        when_on="on its own task",
        reference=_ABLATION,
    )
    idle: ClassVar[tuple[str, ...]] = tuple(
        f"metatuner.{name}" for name in ("alpha", "r", "scale", "hidden", "target_modules")
    )

    def metatuned(self) -> MetaTuning:
        """See `Method.metatuned`."""
        return MetaTuning(self.study.metatuner, parameters=False)


class MetaTunerUnshared(MetaTuner):
    """Ablation: choosing and writing read by first layers with adapters of their own each."""

    name: ClassVar[str] = "metatuner-unshared"
    facts: ClassVar[MethodFacts] = replace(
        MetaTuner.facts,
        words=f"{_WORDS}, unshared",
        trains="the same networks, where choosing and writing have first layers of their own",
        size=f"{_SIZE}, the adapters twice",
        reference=_ABLATION,
    )

    def metatuned(self) -> MetaTuning:
        """See `Method.metatuned`."""
        return MetaTuning(self.study.metatuner, shared=False)
