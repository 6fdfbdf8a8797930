"""The paraphrase study: one task, many wordings of its training prompt."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sapo_analysis.errors import unknown
from sapo_analysis.methods import make_method
from sapo_analysis.spec.methods import (
    METHODS,
    ONE_TASK_METHODS,
    MethodName,
)
from sapo_analysis.spec.settings import (
    EvaluationSettings,
    ScoringSettings,
    Seed,
    Study,
    each_once,
    own_prompts_are_for,
)


def _learns_one_task(method: Any) -> Any:
    if method in METHODS and method not in ONE_TASK_METHODS:
        raise ValueError(
            f"method {method!r} differs from lora along several tasks alone, and here each prompt"
            f" learns one. Name it in a sequence study: kind: sequence, strategies:"
            f" [original+{method}]; or one of {', '.join(ONE_TASK_METHODS)}"
        )
    if isinstance(method, str) and method not in ONE_TASK_METHODS:
        raise ValueError(str(unknown("method", method, ONE_TASK_METHODS)).rstrip("."))
    return method


class ParaphraseStudy(Study):
    """Which wording of the training prompt makes the model forget less and generalize better?

    For each replicate: learn `past`, then fine-tune one adapter per (current task, prompt) from
    that one state and measure every task. All prompts share examples, order, adapter initialisation
    and dropout streams.
    """

    kind: Literal["paraphrase"] = "paraphrase"
    past: tuple[str, ...] = Field((), description="tasks learned before, in this order")
    current: tuple[str, ...] = Field(
        min_length=1, description="tasks learned with each prompt, one at a time"
    )
    unseen: tuple[str, ...] = Field((), description="tasks only measured; they can gain or lose")
    retained: tuple[str, ...] = Field(
        (), description="tasks the base model has mastered: much to lose, little to gain"
    )
    state_seeds: tuple[Seed, ...] | None = Field(
        None,
        description="how replicate i learned the past; default: its seed;"
        " one number is shared by all",
    )
    noise_seeds: tuple[Seed, ...] = Field(
        (), description="same prompt and state again under these seeds"
    )
    noise_prompts: tuple[str, ...] | None = Field(
        None,
        description="prompt ids repeated under the noise seeds;"
        " default: original and one drawn paraphrase",
    )
    method: Annotated[MethodName, BeforeValidator(_learns_one_task)] = Field(
        "lora",
        description="how the current tasks are learned; the past is learned with lora in any case",
    )
    rotate: bool = Field(
        False,
        description="every task of past, current and unseen is current once,"
        " the others past or unseen in turn",
    )
    scoring: ScoringSettings = ScoringSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _roles_are_disjoint(self) -> ParaphraseStudy:
        seen: dict[str, str] = {}
        for role in ("past", "current", "unseen", "retained"):
            for task in getattr(self, role):
                if task in seen:
                    both = (
                        f"twice in {role}"
                        if seen[task] == role
                        else f"both {seen[task]} and {role}"
                    )
                    raise ValueError(
                        f"task {task!r} is {both}; a task has one role in a study."
                        " Remove one of the two"
                    )
                seen[task] = role
        if len(seen) < 2:
            raise ValueError(
                "a study needs at least one task beside the current one."
                " Add past, unseen or retained tasks"
            )
        return self

    @model_validator(mode="after")
    def _seeds_are_usable(self) -> ParaphraseStudy:
        each_once("noise_seeds", self.noise_seeds)
        shared = sorted(set(self.seeds) & set(self.noise_seeds))
        if shared:
            raise ValueError(
                f"{shared} are both seeds and noise_seeds; a noise trial needs a seed of its own"
            )
        if self.state_seeds is not None and len(self.state_seeds) not in (1, len(self.seeds)):
            raise ValueError(
                f"state_seeds has {len(self.state_seeds)} numbers for {len(self.seeds)} seeds."
                " Give one per seed, or one"
            )
        return self

    @model_validator(mode="after")
    def _checkpoints_come_before_the_end(self) -> ParaphraseStudy:
        late = [step for step in self.evaluation.checkpoints if step >= self.training.steps]
        if late:
            raise ValueError(
                f"evaluation.checkpoints has {late}, but training.steps is {self.training.steps};"
                " a checkpoint comes before the end, which is measured anyway"
            )
        return self

    @model_validator(mode="after")
    def _method_can_be_used(self) -> ParaphraseStudy:
        self.check_whole_models({f"method {self.method!r}": self.method})
        self.check_demonstrations({f"method {self.method!r}": self.method})
        if self.keep_adapters and make_method(self.method, self).metatuned() is not None:
            raise ValueError(
                f"keep_adapters keeps adapters in peft's format, which holds one for all texts, and"
                f" {self.method} writes one for each. Set keep_adapters to false"
            )
        recipe = make_method(self.method, self).recipe(0)
        keeps_best = recipe is not None and any(phase.select_every for phase in recipe.phases)
        if self.evaluation.checkpoints and keeps_best:
            raise ValueError(
                f"evaluation.checkpoints counts the steps of one fine-tune, and {self.method} has"
                " stages. Set diagnostics.every instead"
            )
        if self.promot.stage_1_from is not None:
            if self.method not in ("promot", "promot-1-shot"):
                raise ValueError(
                    f"promot.stage_1_from is set, and method {self.method!r} has no stage 1 that a"
                    " saved soft prompt could stand for. Set method to promot or promot-1-shot"
                )
            if len(self.current) > 1 or self.rotate:
                raise ValueError(
                    "promot.stage_1_from is the soft prompt of one task, and the study trains"
                    " several. Name one current task, without rotate"
                )
        return self

    @model_validator(mode="after")
    def _gradients_have_weights(self) -> ParaphraseStudy:
        if self.scoring.diagnostics and not self.memory.keeps_weights_whole:
            raise ValueError(
                f"scoring.diagnostics is {self.scoring.diagnostics}, and gradient indicators are"
                " taken by the base model's weights, which memory.quantization or"
                " memory.max_memory leaves quantized or away. Set scoring.diagnostics to 0"
            )
        return self

    @model_validator(mode="after")
    def _own_prompts_have_a_task(self) -> ParaphraseStudy:
        trained = set(self.current) | (set(self.past) | set(self.unseen) if self.rotate else set())
        own_prompts_are_for(sorted(trained), self.own_prompts)
        return self

    @property
    def replicates(self) -> list[tuple[int, int]]:
        """(state seed, trial seed) of each replicate: paired, not crossed."""
        state_seeds = self.state_seeds or self.seeds
        if len(state_seeds) == 1:
            state_seeds = state_seeds * len(self.seeds)
        return list(zip(state_seeds, self.seeds, strict=True))
