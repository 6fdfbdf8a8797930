"""Which examples a study reads under which prompts: all that has to fit the model's context."""

from __future__ import annotations

from collections.abc import Iterator

from sapo_analysis.errors import InputError
from sapo_analysis.models.too_long import Reading
from sapo_analysis.plan import AnyPlan, Plan, SequencePlan
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import AnyStudy
from sapo_analysis.studies import rows
from sapo_analysis.studies.method_rows import n_judged, tested_shots, training_shots
from sapo_analysis.tasks.base import Task


def readings(plan: AnyPlan) -> Iterator[Reading]:
    """All that can come to be read; the same examples can come more than once.

    Raises:
        InputError: dev loss is to be measured on a task without dev examples.
    """
    return _of_sequence(plan) if isinstance(plan, SequencePlan) else _of_paraphrase(plan)


def _of_paraphrase(plan: Plan) -> Iterator[Reading]:
    study, tasks = plan.study, plan.tasks
    n_trained, n_diagnosed = study.training.examples, study.scoring.diagnostics
    for name, candidates in plan.prompts.items():
        n_dev = _n_dev(plan, name)
        for prompt in candidates:
            yield Reading(tasks[name], "train", n_trained, prompt)
            yield from _trained(study, tasks[name], prompt)
            yield Reading(tasks[name], "train", study.scoring.examples, prompt)
            for n_shots in tested_shots(study):
                yield Reading(tasks[name], "test", study.evaluation.examples, prompt, n_shots)
            if n_dev:
                yield Reading(tasks[name], "dev", n_dev, prompt)
            if n_diagnosed > study.scoring.examples:
                yield Reading(tasks[name], "train", n_diagnosed, prompt)
    for name, original in plan.originals.items():
        for n_shots in study.evaluation.n_shots:
            yield Reading(tasks[name], "test", study.evaluation.examples, original, n_shots)
        if n_diagnosed:
            yield Reading(tasks[name], "dev", n_diagnosed, original)
    for stage in plan.stages.values():
        yield Reading(tasks[stage.task], "train", n_trained, plan.originals[stage.task])


def _trained(study: AnyStudy, task: Task, prompt: Prompt) -> Iterator[Reading]:
    """What fine-tunes by the study's methods train and are judged on."""
    n = n_judged(study, task)
    for n_shots in training_shots(study):
        yield Reading(task, "train", study.training.examples, prompt, n_shots)
        if n:
            yield Reading(task, "dev", n, prompt, n_shots)


def _n_dev(plan: Plan, task: str) -> int:
    """How many dev examples a fine-tune of a task is watched on."""
    if not plan.study.evaluation.checkpoints:
        return 0
    n = len(rows.dev_examples(plan, task))
    if n == 0:
        raise InputError(
            f"Task {task!r} has no dev examples, and at checkpoints its dev loss is measured."
            " Add some, or leave evaluation.checkpoints empty."
        )
    return n


def _of_sequence(plan: SequencePlan) -> Iterator[Reading]:
    study = plan.study
    counts = {study.training.examples, study.scoring.examples}
    if any(strategy.method == "ewc" for strategy in study.chosen_strategies):
        counts.add(study.ewc.examples)
    for name, task in plan.tasks.items():
        for prompt in plan.prompts[name]:
            for n in sorted(counts):
                yield Reading(task, "train", n, prompt)
            yield from _trained(study, task, prompt)
        for prompt in (*plan.prompts[name], *plan.test_only[name]):
            yield Reading(task, "test", study.evaluation.at_the_end, prompt)
        for n_shots in study.evaluation.n_shots[1:]:
            original = plan.originals[name]
            yield Reading(task, "test", study.evaluation.at_the_end, original, n_shots)
