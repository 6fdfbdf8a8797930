"""What a study will cost: counts from its plan, speeds measured here in a few seconds."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.learning.training import train
from sapo_analysis.models.loading import choose_device
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.plan import BASE_STATE, Plan, make_plan
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.studies.engine import PlainEngine
from sapo_analysis.studies.meter import peak_bytes

_STEPS, _ROWS = 6, 48
_MARGIN = 0.3
"""The estimate's stated uncertainty, ± this share: by how much calibrations and runs differed."""
_BYTES_PER_PREDICTION = 24
_BYTES_PER_TRIAL = 12_000


def calibrate(study: ParaphraseStudy) -> dict[str, Any]:
    """Counts of a study's plan, and its time, memory and disk by a short measurement here."""
    plan = make_plan(study)
    device = choose_device(study.device)
    with tempfile.TemporaryDirectory() as folder:
        engine = PlainEngine(plan, device, Path(folder))
        engine.check_lengths()
        counts = _counts(plan, engine)
        seconds = _seconds(plan, engine, counts)
    return {
        **counts,
        "seconds": seconds,
        "seconds_low": seconds * (1 - _MARGIN),
        "seconds_high": seconds * (1 + _MARGIN),
        "memory_bytes": peak_bytes(),
        "disk_bytes": _disk(plan),
        "device": device.name,
        "threads": torch.get_num_threads(),
    }


def _counts(plan: Plan, engine: PlainEngine) -> dict[str, int]:
    study = plan.study
    n_eval = study.evaluation.examples
    main = sum(trial.purpose == "main" for trial in plan.trials)
    scored = [
        (g.state_id, g.task, p)
        for g in plan.groups
        if g.kind == "score"
        for p in plan.candidates(str(g.task))
    ]
    fits = [(t.task, t.prompt) for t in plan.trials]
    fits += [(stage.task, engine.original(stage.task)) for stage in plan.stages.values()]
    evaluations = (
        (len(plan.stages) + 1) * len(plan.tasks) + len(scored) - len({(s, t) for s, t, _ in scored})
    )
    evaluations += sum(len(plan.tasks) + (t.prompt != engine.original(t.task)) for t in plan.trials)
    per_evaluation = sum(
        sum(len(row.ids) + row.target_start + plan.tasks[name].max_new_tokens for row in rows)
        for name in plan.tasks
        for rows in [
            engine.encoder.encode_split(plan.tasks[name], "test", n_eval, engine.original(name))
        ]
    ) // len(plan.tasks)
    steps, batch = study.training.steps, study.training.batch_size
    return {
        "n_states": len(plan.stages) + 1,
        "n_trials_main": main,
        "n_trials_noise": len(plan.trials) - main,
        "n_candidates_scored": len(scored),
        "train_examples": len(fits) * steps * batch,
        "scored_examples": len(scored) * study.scoring.examples,
        "evaluated_examples": evaluations * n_eval,
        "train_tokens": round(
            sum(_mean_length(engine.training_rows(t, p)) for t, p in fits) * steps * batch
        ),
        "scored_tokens": sum(
            sum(len(r.ids) for r in engine.scoring_rows(str(t), p)) for _, t, p in scored
        ),
        "evaluated_tokens": evaluations * per_evaluation,
    }


def _mean_length(rows: Sequence[Any]) -> float:
    return sum(len(row.ids) for row in rows) / len(rows)


def _seconds(plan: Plan, engine: PlainEngine, counts: dict[str, int]) -> float:
    study = plan.study
    pad_id = engine.encoder.tokenizer.pad_token_id
    model = engine.states.at(BASE_STATE)
    task, prompts = next(iter(plan.prompts.items()))
    rows = engine.training_rows(task, prompts[0])
    short = study.training.model_copy(update={"steps": _STEPS, "warmup_steps": 0})
    with fresh_adapter(model, study.lora, seed=0) as adapted:
        per_step = _timed(lambda: train(adapted, rows, short, 0, pad_id)) / _STEPS
    some = engine.scoring_rows(task, prompts[0])[:_ROWS]
    per_scored = _timed(
        lambda: example_losses(model, some, study.evaluation.batch_size, pad_id)
    ) / len(some)
    # Tasks differ in the length of their answers, so evaluation is measured on every one of them.
    timed = [_time_evaluation(engine, name) for name in plan.tasks]
    per_evaluated = sum(spent for spent, _ in timed) / sum(n for _, n in timed)
    steps = counts["train_examples"] / study.training.batch_size
    return (
        steps * per_step
        + counts["scored_examples"] * per_scored
        + counts["evaluated_examples"] * per_evaluated
    )


def _time_evaluation(engine: PlainEngine, name: str) -> tuple[float, int]:
    """Seconds to evaluate the base model on some test rows of a task, and how many rows."""
    task, settings = engine.plan.tasks[name], engine.plan.study.evaluation
    model = engine.states.at(BASE_STATE)
    encoded = engine.encoder.encode_split(task, "test", settings.examples, engine.original(name))
    rows = encoded[:_ROWS]
    examples = task.examples("test", len(rows))
    with torch.no_grad():
        spent = _timed(
            lambda: evaluate(model, engine.encoder, task, examples, rows, settings.batch_size)
        )
    return spent, len(rows)


def _timed(work: Callable[[], object]) -> float:
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
    return texts + len(plan.trials) * per_trial
