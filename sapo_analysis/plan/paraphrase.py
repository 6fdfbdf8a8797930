"""From a spec to everything that will be done, in order: states, trials, groups of work.

The plan is a pure function of the spec, the tasks, the prompts and the model's fingerprint. It
needs no torch, so a form can count trials while someone types, and a resumed run finds exactly the
groups that it left.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.methods import make_method
from sapo_analysis.model_files import find_model
from sapo_analysis.plan.candidates import chosen_prompts, prompt_bank
from sapo_analysis.plan.engines import EngineName, split_evenly, stack_size
from sapo_analysis.plan.enough_rows import Wanted, check_enough_rows
from sapo_analysis.plan.identity import Identity
from sapo_analysis.plan.work import (
    BASE_STATE,
    Group,
    Plan,
    Purpose,
    Stage,
    Trial,
    trial_group,
)
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Split, Task


def make_plan(study: ParaphraseStudy, engine: EngineName = "stacked") -> Plan:
    """Resolve every name of a spec and lay out the work.

    An engine that stacks adapters repeats some main trials one by one, if the study asks for noise
    trials at all.

    Raises:
        InputError: a task, model, prompt or source is unknown, a prompt is empty or there twice, or
            more examples are asked for than a task has.
    """
    model = find_model(study.model)
    legs = legs_of(study)
    names = [*study.past, *study.current, *study.unseen, *study.retained]
    tasks = {name: get_task(name, study.data_seed, study.tasks_from) for name in names}
    banks = {name: prompt_bank(task, model) for name, task in tasks.items()}
    prompts = chosen_prompts(study, {task: banks[task] for _, task in legs})
    _check_comparable(prompts)
    check_enough_rows(_wanted_rows(study, tasks, prompts))
    _check_noise_prompts(study, prompts)
    _check_diagnostics(study, tasks, prompts)
    originals = {name: bank[0] for name, bank in banks.items()}
    identity = Identity(study, model.fingerprint, tasks, originals, prompts)
    alone = engine != "stacked" or make_method(study.method, study).alone
    chunk = 1 if alone else stack_size(model.n_parameters)
    groups = _groups(study, legs, originals, prompts, identity, chunk)
    return Plan(study, engine, chunk, model, tasks, originals, prompts, groups)


def _wanted_rows(
    study: ParaphraseStudy, tasks: Mapping[str, Task], trained: Iterable[str]
) -> Iterator[Wanted]:
    learned = dict.fromkeys([*study.past, *trained])
    yield from (
        (tasks[name], "train", "training.examples", study.training.examples) for name in learned
    )
    yield from (
        (tasks[name], "train", "scoring.examples", study.scoring.examples) for name in trained
    )
    yield from (
        (task, "test", "evaluation.examples", study.evaluation.examples) for task in tasks.values()
    )


def legs_of(study: ParaphraseStudy) -> list[tuple[tuple[str, ...], str]]:
    """(past tasks, current task) pairs; rotating, the tasks before it in the ring are its past."""
    if not study.rotate:
        return [(study.past, task) for task in study.current]
    ring = [*study.past, *study.current, *study.unseen]
    n_past = len(study.past)
    return [
        (tuple(ring[(i - n_past + j) % len(ring)] for j in range(n_past)), task)
        for i, task in enumerate(ring)
    ]


def _check_comparable(prompts: Mapping[str, list[Prompt]]) -> None:
    for name, candidates in prompts.items():
        if len(candidates) < 2:
            raise InputError(
                f"Task {name!r} has the original prompt alone; a study compares at least two."
                " Raise `prompts`, name ids of this task, or add `own_prompts`."
            )


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


def _groups(
    study: ParaphraseStudy,
    legs: list[tuple[tuple[str, ...], str]],
    originals: dict[str, Prompt],
    prompts: dict[str, list[Prompt]],
    identity: Identity,
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
    stacks = [split_evenly(own, chunk) for own in trials.values()]
    for turn in zip_longest(*stacks):
        yield from (trial_group(stack) for stack in turn if stack)


def _noise_prompts(study: ParaphraseStudy, task: str, candidates: list[Prompt]) -> list[Prompt]:
    if not study.noise_seeds:
        return []
    if study.noise_prompts is None:
        drawn = random.Random(f"noise prompt of {task} at seed {study.seeds[0]}").choice(
            candidates[1:]
        )
        return [candidates[0], drawn]
    return [prompt for prompt in candidates if prompt.prompt_id in study.noise_prompts]
