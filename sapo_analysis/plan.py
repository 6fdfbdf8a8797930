"""From a spec to everything that will be done, in order: states, trials, groups of work.

The plan is a pure function of the spec, the tasks, the prompts and the model's fingerprint. It
needs no torch, so a form can count trials while someone types, and a resumed run finds exactly the
groups that it left.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, zip_longest
from typing import Literal, get_args

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.model_files import ModelFiles, find_model
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.select import select_prompts
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import SPLITS, Split, Task

ALGORITHM_VERSION = 1
"""Raised whenever the same spec would give other numbers.

Finished trials of another version are not reused.
"""

BASE_STATE = "theta-0"

EngineName = Literal["stacked", "plain"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_STACK_SIZES = ((20_000_000, 16), (1_000_000_000, 8), (4_000_000_000, 4))
_LARGEST_STACK = 2

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


def as_engine(name: str) -> EngineName:
    """An engine's name, checked.

    Raises:
        InputError: there is no such engine; the known ones are listed.
    """
    for known in ENGINES:
        if name == known:
            return known
    raise unknown("engine", name, ENGINES, "stacked is the fast one, plain the reference.")


def stack_size(n_parameters: int) -> int:
    """Adapters trained at once on a model of this size: fixed by the model, whatever is free.

    A small model leaves a device idle with one adapter; a large one fills it, and its activations
    fill the memory.
    """
    for most, adapters in _STACK_SIZES:
        if n_parameters <= most:
            return adapters
    return _LARGEST_STACK


def make_plan(study: ParaphraseStudy, engine: EngineName = "stacked") -> Plan:
    """Resolve every name of a spec and lay out the work.

    An engine that stacks adapters repeats some main trials one by one, if the study asks for noise
    trials at all.

    Raises:
        InputError: a task, model, prompt or source is unknown, a prompt is empty or there twice, or
            more examples are asked for than a task has.
    """
    model = find_model(study.model)
    legs = _legs(study)
    names = [*study.past, *study.current, *study.unseen, *study.retained]
    tasks = {name: get_task(name, study.data_seed) for name in names}
    for task in tasks.values():
        task.examples("test", study.evaluation.examples)
    banks = {name: _bank(name, model) for name in names}
    prompts = _prompts(study, {task: banks[task] for _, task in legs})
    for name in prompts:
        tasks[name].examples("train", max(study.training.examples, study.scoring.examples))
    for name in study.past:
        tasks[name].examples("train", study.training.examples)
    _check_noise_prompts(study, prompts)
    _check_diagnostics(study, tasks, prompts)
    originals = {name: bank[0] for name, bank in banks.items()}
    identity = _Identity(study, model.fingerprint, tasks, originals)
    chunk = stack_size(model.n_parameters) if engine == "stacked" else 1
    groups = _groups(study, legs, originals, prompts, identity, chunk)
    return Plan(study, engine, chunk, model, tasks, originals, prompts, groups)


def _bank(task: str, model: ModelFiles) -> list[Prompt]:
    """A task's prompts, with their pretraining frequencies where the model came with them."""
    return get_prompts(task, model.pretrained_folder)


def _prompts(study: ParaphraseStudy, banks: Mapping[str, list[Prompt]]) -> dict[str, list[Prompt]]:
    """The prompts each current task is trained with, checked."""
    if isinstance(study.prompts, tuple):
        known = [prompt.prompt_id for bank in banks.values() for prompt in bank]
        for i, prompt_id in enumerate(study.prompts):
            if prompt_id in study.prompts[:i]:
                raise InputError(f"`prompts` names {prompt_id!r} twice. Name each prompt once.")
            if prompt_id not in known:
                raise unknown("prompt id", prompt_id, known, "`sapo prompts TASK` lists them.")
    found = {}
    for name, bank in banks.items():
        choice = study.prompts
        if isinstance(choice, tuple):  # ids name their task; each task takes its own
            choice = tuple(p.prompt_id for p in bank if p.prompt_id in choice)
        found[name] = select_prompts(bank, choice, study.own_prompts.get(name, ()))
        check_prompts([p.text for p in found[name]], [p.prompt_id for p in found[name]])
        if len(found[name]) < 2:
            raise InputError(
                f"Task {name!r} has the original prompt alone; a study compares at least two."
                " Raise `prompts`, name ids of this task, or add `own_prompts`."
            )
    return found


def _legs(study: ParaphraseStudy) -> list[tuple[tuple[str, ...], str]]:
    """(past tasks, current task) pairs; rotating, the tasks before it in the ring are its past."""
    if not study.rotate:
        return [(study.past, task) for task in study.current]
    ring = [*study.past, *study.current, *study.unseen]
    n_past = len(study.past)
    return [
        (tuple(ring[(i - n_past + j) % len(ring)] for j in range(n_past)), task)
        for i, task in enumerate(ring)
    ]


def _check_noise_prompts(study: ParaphraseStudy, prompts: dict[str, list[Prompt]]) -> None:
    chosen = [prompt.prompt_id for candidates in prompts.values() for prompt in candidates]
    for prompt_id in study.noise_prompts or ():
        if prompt_id not in chosen:
            raise unknown(
                "prompt in noise_prompts:",
                prompt_id,
                chosen,
                "Only prompts of the study can be repeated.",
            )


def _check_diagnostics(
    study: ParaphraseStudy, tasks: Mapping[str, Task], prompts: Mapping[str, list[Prompt]]
) -> None:
    """Gradients are taken on training rows of the current tasks and on dev rows of all others."""
    n = study.scoring.diagnostics
    wanted: list[tuple[Split, Iterable[str]]] = [("train", prompts), ("dev", tasks)]
    for split, names in wanted if n else []:
        for name in names:
            size = len(tasks[name].examples(split))
            if n > size:
                raise InputError(
                    f"scoring.diagnostics is {n}, but task {name!r} has {size} {split} examples."
                    f" Set it to at most {size}; 0 leaves the gradient indicators out."
                )


@dataclass
class _Identity:
    """Content hashes of whatever decides a result; other tasks, other seeds and device do not."""

    study: ParaphraseStudy
    model: str
    tasks: dict[str, Task]
    originals: dict[str, Prompt]

    def __post_init__(self) -> None:
        self._data = {n: data_fingerprint(t, self.originals[n]) for n, t in self.tasks.items()}
        settings = self.study.model_dump(mode="json")
        del settings["evaluation"]["n_predictions_kept"]
        checkpoints = settings["evaluation"].pop("checkpoints")
        self._settings = {
            key: settings[key] for key in ("method", "lora", "training", "evaluation", "dtype")
        }
        # Named where there are some alone: ids are what they were before there were checkpoints.
        self._watched = {"checkpoints": checkpoints} if checkpoints else {}

    def trial(self, parent_id: str, task: str, prompt: str, seed: int) -> str:
        return self._fine_tune(parent_id, task, prompt, seed, **self._watched)

    def past(self, parent_id: str, task: str, prompt: str, seed: int) -> str:
        # Never watched. Trials draw their streams from the state's name, and looking at them must
        # not give them other ones.
        return self._fine_tune(parent_id, task, prompt, seed)

    def _fine_tune(
        self, parent_id: str, task: str, prompt: str, seed: int, **watched: object
    ) -> str:
        return _digest(
            version=ALGORITHM_VERSION,
            model=self.model,
            settings=self._settings,
            parent=parent_id,
            data=self._data[task],
            prompt=prompt,
            seed=seed,
            **watched,
        )

    def state(self, trial_id: str) -> str:
        return "s-" + trial_id


def data_fingerprint(task: Task, original: Prompt) -> str:
    """sha256 over all that decides a task: examples in order, format line, metric, test prompt."""
    rows = [
        [split, example.input, example.target]
        for split in SPLITS
        for example in task.examples(split)
    ]
    rest = [task.suffix, task.metric, list(task.labels), task.max_new_tokens, original.text]
    return hashlib.sha256(json.dumps([rows, rest], ensure_ascii=False).encode()).hexdigest()


def stream_seed(seed: int, state_id: str, task: str) -> int:
    """The number that adapter initialisation, data order and dropout of one fine-tune start from.

    All prompts of a task share it. Two fine-tunes from different states never do, though a study
    gives them one `seed`: a past task and the trial after it would else start from one adapter.
    """
    text = f"{seed} {state_id} {task}"
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _digest(**content: object) -> str:
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()[:12]


def _groups(
    study: ParaphraseStudy,
    legs: list[tuple[tuple[str, ...], str]],
    originals: dict[str, Prompt],
    prompts: dict[str, list[Prompt]],
    identity: _Identity,
    chunk: int,
) -> list[Group]:
    groups = {"base": Group("base", "base")}

    def add(group: Group) -> None:
        # Replicates may share a state and its candidate losses.
        groups.setdefault(group.group_id, group)

    def state_after(past: tuple[str, ...], state_seed: int) -> str:
        parent = BASE_STATE
        for i, task in enumerate(past):
            trial_id = identity.past(parent, task, originals[task].text, state_seed)
            state_id = identity.state(trial_id)
            stage = Stage(state_id, parent, task, past[: i + 1], state_seed, trial_id)
            add(Group("stage", f"stage-{state_id}", stage=stage))
            parent = state_id
        return parent

    def trials(
        states: dict[str, str], chosen: dict[str, list[Prompt]], seeds: Sequence[int], what: Purpose
    ) -> dict[str, list[Trial]]:
        return {
            task: [
                Trial(
                    identity.trial(states[task], task, prompt.text, seed)
                    + ("-repeat" if what == "repeat" else ""),
                    states[task],
                    task,
                    prompt,
                    seed,
                    what,
                )
                for seed in seeds
                for prompt in candidates
            ]
            for task, candidates in chosen.items()
        }

    repeated = {
        task: _noise_prompts(study, task, candidates) for task, candidates in prompts.items()
    }
    for replicate, (state_seed, seed) in enumerate(study.replicates):
        states = {task: state_after(past, state_seed) for past, task in legs}
        for task, state_id in states.items():
            add(Group("score", f"score-{state_id}-{task}", state_id=state_id, task=task))
        for group in _interleaved(trials(states, prompts, [seed], "main"), chunk):
            add(group)
        if replicate == 0 and study.noise_seeds:
            for group in _interleaved(trials(states, repeated, study.noise_seeds, "noise"), chunk):
                add(group)
            if chunk > 1:
                for group in _interleaved(trials(states, repeated, [seed], "repeat"), 1):
                    add(group)
    return list(groups.values())


def _interleaved(trials: Mapping[str, list[Trial]], chunk: int) -> Iterator[Group]:
    """Each task's trials in stacks of nearly equal size, the tasks taking turns."""
    stacks = [_split(own, chunk) for own in trials.values()]
    for turn in zip_longest(*stacks):
        yield from (trial_group(stack) for stack in turn if stack)


def _split(trials: list[Trial], chunk: int) -> list[list[Trial]]:
    n = math.ceil(len(trials) / chunk)
    cuts = [len(trials) * i // n for i in range(n + 1)]
    return [trials[a:b] for a, b in pairwise(cuts)]


def trial_group(trials: Sequence[Trial]) -> Group:
    """Trials of one task at one state as a group."""
    group_id = f"trials-{_digest(trials=[trial.trial_id for trial in trials])}"
    return Group("trials", group_id, trials=tuple(trials))


def _noise_prompts(study: ParaphraseStudy, task: str, candidates: list[Prompt]) -> list[Prompt]:
    if not study.noise_seeds:
        return []
    if study.noise_prompts is None:
        drawn = random.Random(f"noise prompt of {task} at seed {study.seeds[0]}").choice(
            candidates[1:]
        )
        return [candidates[0], drawn]
    return [prompt for prompt in candidates if prompt.prompt_id in study.noise_prompts]
