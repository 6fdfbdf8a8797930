"""ProMoT and its variants: the format goes into a part that is removed, then the model is tuned.

Wang et al., ICLR 2024 (methods §5). Stage 1 trains a soft prompt of the task on the frozen model,
stage 2 the model behind the frozen soft prompt. It is on when its own task is tested, and off for
all others. Tasks that are learned later find the model as it is, with their own soft prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import ADAPTER, PROMOT, MethodFacts
from sapo_analysis.methods.recipe import PartName, Phase, Recipe

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings

_OWN_TASK = "soft prompt: on its own task; update: always"
_AND_PROMPT = f"m · d, then {ADAPTER}"
_PAPER, _ABLATION = "Wang et al. 2024", "Wang et al. 2024, ablation"
_ENCODER_AND_RANK = ("soft_prompt.encoder_hidden_size", "promot.first_rank")
_STARTS = ("soft_prompt.init", "soft_prompt.init_text")
_CITES = ("hu2022lora", "lester2021prompt", "wang2024promot")


class Promot(Method):
    """Two stages, each with its best checkpoint on the task's dev rows."""

    name: ClassVar[str] = "promot"
    facts: ClassVar[MethodFacts] = MethodFacts(
        words="ProMoT",
        trains="first a soft prompt, which takes up the format of the answers, then the model"
        " behind it; the soft prompt is on for its own task and off for all others",
        changes="both",
        size=_AND_PROMPT,
        when_on=_OWN_TASK,
        family=PROMOT,
        reference=_PAPER,
        cites=_CITES,
    )
    settings: ClassVar[tuple[str, ...]] = ("soft_prompt", "promot", "full")
    idle: ClassVar[tuple[str, ...]] = _ENCODER_AND_RANK
    # Its other stage takes ten steps in a smoke study as well.
    smoke: ClassVar[Mapping[str, Any]] = {
        "promot": {"steps": 10, "select_every": 5, "dev_examples": 10}
    }
    first: ClassVar[PartName] = "soft-prompt"

    @property
    def trains_all(self) -> bool:
        """See `Method.trains_all`: as the study's promot.update says."""
        return self.study.promot.update == "full"

    @property
    def updated(self) -> PartName:
        """What stage 2 trains."""
        return "whole-model" if self.trains_all else "lora"

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`: on the update as earlier tasks left it, beside their prompts."""
        folder = past[-1].folder if past else None
        return AdapterStart(seed, carried=folder, removable=folder)

    def standing(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.standing`: no soft prompt is on, as for any task that is not learned yet."""
        return replace(self.start(seed, past), removable=None)

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`: stage 2."""
        if not self.trains_all:
            return self.study.training
        rate = self.study.full.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def stage_1(self) -> Phase:
        """What stage 1 trains."""
        settings = self.study.promot
        training = self.study.training.model_copy(
            update={
                "steps": settings.steps,
                "warmup_steps": min(self.study.training.warmup_steps, settings.steps),
                "learning_rate": self.study.soft_prompt.learning_rate,
            }
        )
        return Phase((self.first,), training, settings.select_every)

    def stage_2(self, n_past: int) -> Phase:
        """What stage 2 trains."""
        return Phase((self.updated,), self.training(n_past), self.study.promot.select_every)

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`."""
        phases = [self.stage_2(n_past)]
        if self.study.promot.stage_1_from is None:
            phases.insert(0, self.stage_1())
        return Recipe((self.first, self.updated), tuple(phases), always_on=False)

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        settings = [self.study.promot, self.study.soft_prompt]
        rate = self.study.full.learning_rate if self.trains_all else None
        return [self.name, *(own.model_dump(mode="json") for own in settings), rate]


class PromotOneShot(Promot):
    """ProMoT+1-shot: a demonstration before every training input, in both stages."""

    name: ClassVar[str] = "promot-1-shot"
    facts = MethodFacts(
        words="ProMoT + 1-shot",
        trains="as ProMoT, with one solved example before each training input",
        changes="both",
        size=_AND_PROMPT,
        when_on=_OWN_TASK,
        family=PROMOT,
        reference=_PAPER,
        cites=_CITES,
    )
    demonstrations = 1


class PromotLoraFirst(Promot):
    """Stage 1 trains a removable adapter of low rank instead of a soft prompt."""

    name: ClassVar[str] = "promot-lora-first"
    facts = MethodFacts(
        words="ProMoT with LoRA first",
        trains="as ProMoT, with a removable adapter of low rank in place of the soft prompt",
        changes="parameters",
        size=f"{ADAPTER}, twice",
        when_on="first adapter: on its own task; update: always",
        family=PROMOT,
        reference=_ABLATION,
        cites=("hu2022lora", "wang2024promot"),
    )
    idle = ("soft_prompt",)
    first = "first-lora"

    def stage_1(self) -> Phase:
        """See `Promot.stage_1`: at the learning rate of adapters."""
        phase = super().stage_1()
        rate = self.study.training.learning_rate
        return replace(phase, settings=phase.settings.model_copy(update={"learning_rate": rate}))

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`: there is no checkpoint of such a stage 1 to start from."""
        return Recipe(
            (self.first, self.updated), (self.stage_1(), self.stage_2(n_past)), always_on=False
        )


class PromotJoint(Promot):
    """Ablation: soft prompt and model are trained together, at the model's learning rate."""

    name: ClassVar[str] = "promot-joint"
    facts = MethodFacts(
        words="joint ProMoT",
        trains="soft prompt and model together, in one stage",
        changes="both",
        size=_AND_PROMPT,
        when_on=_OWN_TASK,
        family=PROMOT,
        reference=_ABLATION,
        cites=_CITES,
    )
    idle = (*_ENCODER_AND_RANK, "soft_prompt.learning_rate", "promot.steps")

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`."""
        phase = replace(self.stage_2(n_past), trains=(self.first, self.updated))
        return Recipe((self.first, self.updated), (phase,), always_on=False)


class PromotRandom(Promot):
    """Ablation: the model is tuned behind a soft prompt of random numbers that no task trained."""

    name: ClassVar[str] = "promot-random"
    facts = MethodFacts(
        words="ProMoT with a random prompt",
        trains="the model behind a fixed soft prompt of random numbers",
        changes="parameters",
        size=ADAPTER,
        when_on="random prompt: on its own task; update: always",
        family=PROMOT,
        reference=_ABLATION,
        cites=_CITES,
    )
    idle = (*_ENCODER_AND_RANK, *_STARTS, "soft_prompt.learning_rate", "promot.steps")

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`."""
        parts = (self.first, self.updated)
        return Recipe(parts, (self.stage_2(n_past),), always_on=False, uniform=True)


class PromotMultiTask(Promot):
    """Multi-task ProMoT: stage 2 trains on all tasks learned so far, each behind its own prompt.

    Stage t starts at the base model again and takes t times the steps, so the last stage is what
    the paper does with all tasks; soft prompts are trained on the base model, each once.
    """

    name: ClassVar[str] = "promot-multi-task"
    facts = MethodFacts(
        words="multi-task ProMoT",
        trains="a soft prompt per task; then at each stage a fresh update on all tasks so far, each"
        " behind its own soft prompt",
        changes="both",
        size=f"m · d per task, then {ADAPTER}",
        when_on=_OWN_TASK,
        family=PROMOT,
        reference=_PAPER,
        cites=_CITES,
    )
    one_task = False

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed, removable=_last(past))

    def standing(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.standing`."""
        return AdapterStart(seed, carried=_last(past))

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        return for_tasks(super().training(n_past), 1 + n_past)

    def mixed(self, past: Sequence[Learned]) -> Sequence[Learned]:
        """See `Method.mixed`."""
        return past


def for_tasks(settings: TrainingSettings, n: int) -> TrainingSettings:
    """Settings of one task for a mixture of n."""
    return settings.model_copy(update={"steps": n * settings.steps})


def _last(past: Sequence[Learned]) -> Path | None:
    return past[-1].folder if past else None
