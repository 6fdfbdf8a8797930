"""The parts of a plan: states, trials, and the groups of work that they are done in."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from sapo_analysis.model_files import ModelFiles
from sapo_analysis.plan.engines import EngineName
from sapo_analysis.plan.identity import digest
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.tasks.base import Task

BASE_STATE = "theta-0"

Purpose = Literal["main", "noise", "repeat"]
"""`repeat`: a main trial once more by itself. Nothing but rounding can differ."""
Role = Literal["current", "past", "unseen", "retained"]


@dataclass(frozen=True)
class Stage:
    """One past task learned on the way to a parent state, with the task's original prompt."""

    state_id: str
    parent_id: str
    task: str
    learned: tuple[str, ...]
    state_seed: int
    trial_id: str


@dataclass(frozen=True)
class Trial:
    """One fine-tune of the study: a fresh adapter on a parent state."""

    trial_id: str
    state_id: str
    task: str
    prompt: Prompt
    seed: int
    purpose: Purpose


@dataclass(frozen=True)
class Group:
    """A unit of work that is saved whole or not at all.

    `base`: measure θ_0. `stage`: learn one past task, measure the new state. `score`: pre-update
    loss of every candidate of one task at one state. `trials`: fine-tunes of one task from one
    state, trained at once and measured.
    """

    kind: Literal["base", "stage", "score", "trials"]
    group_id: str
    stage: Stage | None = None
    state_id: str | None = None
    task: str | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """What progress counts: trials."""
        return tuple(trial.trial_id for trial in self.trials)

    def without(self, trial_ids: Set[str]) -> Group | None:
        """The group less some of its trials; None if none is left."""
        left = [trial for trial in self.trials if trial.trial_id not in trial_ids]
        return trial_group(left) if left else None


@dataclass(frozen=True)
class Plan:
    """The study in full.

    `originals` holds every task's fixed test prompt, `prompts` the candidates of each current task,
    `groups` the work in execution order: seed by seed, tasks interleaved. `chunk` is the most
    adapters trained at once.
    """

    study: ParaphraseStudy
    engine: EngineName
    chunk: int
    model: ModelFiles
    tasks: dict[str, Task]
    originals: dict[str, Prompt]
    prompts: dict[str, list[Prompt]]
    groups: list[Group] = field(repr=False)

    @cached_property
    def trials(self) -> list[Trial]:
        """All main, noise and repeat trials in execution order."""
        return [trial for group in self.groups for trial in group.trials]

    @property
    def units(self) -> list[str]:
        """What progress counts: trials, in execution order."""
        return [trial.trial_id for trial in self.trials]

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The state that each stage reaches, by state id; θ_0 is not among them."""
        return {
            group.stage.state_id: group.stage for group in self.groups if group.stage is not None
        }

    def without(self, trial_ids: Set[str]) -> Plan:
        """The plan less some of its trials; states and candidates stay."""
        groups = [g.without(trial_ids) if g.kind == "trials" else g for g in self.groups]
        return replace(self, groups=[group for group in groups if group is not None])

    def learned(self, state_id: str) -> tuple[str, ...]:
        """Tasks that a state has learned, in order; empty for θ_0."""
        return self.stages[state_id].learned if state_id in self.stages else ()

    def role(self, trial: Trial, task: str) -> Role:
        """The role of an evaluated task as a trial sees it."""
        return self.role_at(trial.state_id, trial.task, task)

    def role_at(self, state_id: str, current: str, task: str) -> Role:
        """The role of an evaluated task as a trial of a current task from a state sees it."""
        if task == current:
            return "current"
        if task in self.learned(state_id):
            return "past"
        return "retained" if task in self.study.retained else "unseen"

    def candidates(self, task: str) -> list[Prompt]:
        """The prompts that a current task is trained with, the original first."""
        return self.prompts[task]


def trial_group(trials: Sequence[Trial]) -> Group:
    """Trials of one task at one state as a group."""
    group_id = f"trials-{digest(trials=[trial.trial_id for trial in trials])}"
    return Group("trials", group_id, trials=tuple(trials))
