"""What a study will cost: counts from its plan, speeds measured here in a few seconds."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.learning.members import Member
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import BASE_STATE, EngineName, Plan, make_plan
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.studies.diagnostics import Work
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.meter import peak_bytes
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.studies.watch import looks_of

_STEPS, _ROWS = 6, 48
MARGIN = 0.3
"""The estimate's stated uncertainty, ± this share: by how much calibrations and runs differed."""
_BYTES_PER_PREDICTION = 24
_BYTES_PER_SCORE = 24
_BYTES_PER_TRIAL = 12_000


def calibrate(
    study: ParaphraseStudy, engine: EngineName, taken_over: Collection[str] = ()
) -> dict[str, Any]:
    """Counts of a study's plan, and its time, memory and disk by a short measurement here.

    Trials in `taken_over` are not counted: another run has finished them.
    """
    plan = make_plan(study, engine).without(set(taken_over))
    device = choose_device(study.device)
    with tempfile.TemporaryDirectory() as folder:
        worker = ParaphraseWork(plan, device, Path(folder))
        worker.check()
        counts = _counts(plan, worker)
        seconds = _seconds(worker, counts)
        references = worker.diagnostics.reference_bytes if worker.diagnostics else 0
    return {
        **counts,
        "seconds": seconds,
        "seconds_low": seconds * (1 - MARGIN),
        "seconds_high": seconds * (1 + MARGIN),
        "memory_bytes": peak_bytes() + references,
        "disk_bytes": _disk(plan),
        "device": device.name,
        "engine": plan.engine,
        "chunk": plan.chunk,
        "threads": torch.get_num_threads(),
    }


def _counts(plan: Plan, work: ParaphraseWork) -> dict[str, int]:
    study, engine = plan.study, work.engine
    n_eval = study.evaluation.examples
    main = sum(trial.purpose == "main" for trial in plan.trials)
    scored = [
        (g.state_id, g.task, p)
        for g in plan.groups
        if g.kind == "score"
        for p in plan.candidates(str(g.task))
    ]
    fits = [(t.task, t.prompt) for t in plan.trials]
    fits += [(stage.task, work.original(stage.task)) for stage in plan.stages.values()]
    evaluations = (
        (len(plan.stages) + 1) * len(plan.tasks) + len(scored) - len({(s, t) for s, t, _ in scored})
    )
    evaluations += sum(
        len(g.trials)
        * (len(plan.tasks) + any(t.prompt != work.original(t.task) for t in g.trials))
        * (1 + len(looks_of(study, g.trials)[1:-1]))
        for g in plan.groups
    )
    looks = [
        (work.dev_rows(t.task, t.prompt), len(looks_of(study, g.trials)))
        for g in plan.groups
        for t in g.trials
        if looks_of(study, g.trials)
    ]
    n_dev = sum(len(rows) * n for rows, n in looks)
    per_evaluation = sum(
        work.engine.evaluation_tokens(
            work.test_rows(name, work.original(name)), task.max_new_tokens
        )
        for name, task in plan.tasks.items()
    ) // len(plan.tasks)
    steps, batch = study.training.steps, study.training.batch_size
    diagnosed = work.diagnostics.forecast() if work.diagnostics else Work(0, 0, 0)
    return {
        "n_states": len(plan.stages) + 1,
        "n_trials_main": main,
        "n_trials_noise": sum(trial.purpose == "noise" for trial in plan.trials),
        "n_trials_repeat": sum(trial.purpose == "repeat" for trial in plan.trials),
        "n_candidates_scored": len(scored),
        "train_examples": len(fits) * steps * batch,
        "scored_examples": len(scored) * study.scoring.examples + diagnosed.examples,
        "gradient_examples": diagnosed.with_gradient,
        "dev_examples": n_dev,
        "evaluated_examples": evaluations * n_eval + n_dev,
        "train_tokens": round(
            sum(engine.step_tokens(work.training_rows(t, p)) for t, p in fits) * steps
        ),
        "scored_tokens": sum(engine.reading(work.scoring_rows(str(t), p))[0] for _, t, p in scored)
        + diagnosed.tokens,
        "evaluated_tokens": evaluations * per_evaluation
        + sum(engine.reading(rows)[0] * n for rows, n in looks),
    }


def _seconds(work: ParaphraseWork, counts: dict[str, int]) -> float:
    study = work.plan.study
    model = work.states.at(BASE_STATE)
    task, prompts = next(iter(work.plan.prompts.items()))
    some = work.scoring_rows(task, prompts[0])[:_ROWS]
    per_scored = timed(lambda: work.engine.losses(model, some)) / len(some)
    per_gradient = 0.0
    if (diagnostics := work.diagnostics) is not None:
        per_gradient = timed(lambda: diagnostics.gradient(model, some)) / len(some)
    short = study.training.model_copy(update={"steps": _STEPS, "warmup_steps": 0})
    members = [
        Member(work.training_rows(task, prompt), short, seed=0)
        for prompt in prompts[: work.plan.chunk]
    ]
    with work.engine.fine_tuned(model, members):
        pass  # the first time also pays for warming up
    started = time.perf_counter()
    with work.engine.fine_tuned(model, members) as tuned:
        per_step = (time.perf_counter() - started) / _STEPS / len(members)
        # Tasks differ in the length of their answers, so every one of them is measured.
        measured = [_time_evaluation(work, tuned, name, len(members)) for name in work.plan.tasks]
        per_dev = 0.0
        if study.evaluation.checkpoints:
            dev = [work.dev_rows(task, prompts[0])[:_ROWS]] * len(members)
            per_dev = timed(lambda: tuned.mean_losses(dev)) / sum(map(len, dev))
    per_evaluated = sum(spent for spent, _ in measured) / sum(n for _, n in measured)
    return (
        counts["train_examples"] / study.training.batch_size * per_step
        + (counts["scored_examples"] - counts["gradient_examples"]) * per_scored
        + counts["gradient_examples"] * per_gradient
        + (counts["evaluated_examples"] - counts["dev_examples"]) * per_evaluated
        + counts["dev_examples"] * per_dev
    )


def _time_evaluation(
    work: ParaphraseWork, tuned: FineTunes, name: str, n_adapters: int
) -> tuple[float, int]:
    """Seconds to evaluate adapters on some test rows of a task; rows of all adapters."""
    task = work.plan.tasks[name]
    rows = work.test_rows(name, work.original(name))[:_ROWS]
    examples = task.examples("test", len(rows))
    spent = timed(lambda: tuned.evaluate(task, examples, [rows] * n_adapters))
    return spent, n_adapters * len(rows)


def timed(work: Callable[[], object]) -> float:
    """Seconds of the second of two calls: the first also pays for warming up."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _disk(plan: Plan) -> int:
    study = plan.study
    texts = sum(
        len(json.dumps([row.input, row.target]))
        for t in plan.tasks.values()
        for row in t.examples("test")
    )
    kept = min(study.evaluation.n_predictions_kept, study.evaluation.examples)
    per_trial = _BYTES_PER_TRIAL + kept * len(plan.tasks) * _BYTES_PER_PREDICTION
    watched = sum(len(looks_of(study, [trial])[1:-1]) for trial in plan.trials)
    at_checkpoints = watched * (len(plan.tasks) + 1) * _BYTES_PER_SCORE
    return texts + len(plan.trials) * per_trial + at_checkpoints
