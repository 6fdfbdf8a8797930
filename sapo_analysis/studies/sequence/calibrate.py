"""What a sequence study will cost: counts from its plan, speeds measured here in a few seconds."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.learning.members import Member
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import EngineName, SequencePlan, make_sequence_plan
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.studies.calibrate import MARGIN, timed
from sapo_analysis.studies.meter import peak_bytes
from sapo_analysis.studies.sequence.work import SequenceWork

_STEPS, _ROWS = 6, 48
_BYTES_PER_FINE_TUNE = 4_000
_BYTES_PER_SCORE = 24


def calibrate_sequence(study: SequenceStudy, engine: EngineName) -> dict[str, Any]:
    """Counts of a study's plan, and its time, memory and disk by a short measurement here.

    Counts are of chains that share nothing and of scoring in full: what is shared, and where a
    scoring stops, is not known beforehand. Methods `replay` and `full` take longer per row than the
    one that is measured, sequential LoRA.
    """
    plan = make_sequence_plan(study, engine)
    device = choose_device(study.device)
    with tempfile.TemporaryDirectory() as folder:
        work = SequenceWork(plan, device, Path(folder))
        work.check()
        counts = _counts(plan)
        seconds = _seconds(work, counts)
    return {
        **counts,
        "seconds": seconds,
        "seconds_low": seconds * (1 - MARGIN),
        "seconds_high": seconds * (1 + MARGIN),
        "memory_bytes": peak_bytes(),
        "disk_bytes": counts["n_fine_tunes"] * _BYTES_PER_FINE_TUNE
        + counts["n_evaluations"] * _BYTES_PER_SCORE,
        "device": device.name,
        "engine": plan.engine,
        "chunk": plan.chunk,
        "threads": torch.get_num_threads(),
    }


def _counts(plan: SequencePlan) -> dict[str, int]:
    study = plan.study
    n_tasks, n_chains = len(study.tasks), len(plan.units) // len(study.tasks)
    choosing = sum(
        get_policy(strategy.policy).scores_at == "current state"
        for strategy in study.chosen_strategies
    )
    at_base = sum(group.kind == "score" for group in plan.groups)
    states = choosing * len(study.orders) * len(study.seeds) * (n_tasks - 1) + at_base
    n_candidates = sum(map(len, plan.prompts.values())) / n_tasks
    fixed = n_tasks * (1 + study.evaluation.test_only_prompts)
    # After stage t: every task under its fixed prompts, and t learned ones under their own.
    per_chain = [fixed + t for t in range(1, n_tasks + 1)]
    batch = study.training.batch_size
    replaying = sum(strategy.method == "replay" for strategy in study.chosen_strategies)
    replayed = (
        replaying * len(study.orders) * len(study.seeds) * (n_tasks - 1) * study.replayed_rows
    )
    return {
        "n_chains": n_chains,
        "n_fine_tunes": len(plan.units),
        "train_examples": (len(plan.units) * batch + replayed) * study.training.steps,
        "n_states_scored": states,
        "scored_examples": round(states * n_candidates * study.scoring.examples),
        "n_evaluations": n_chains * sum(per_chain) + fixed,
        "evaluated_examples": n_chains * sum(per_chain[:-1]) * study.evaluation.examples
        + (n_chains * per_chain[-1] + fixed) * study.evaluation.at_the_end,
    }


def _seconds(work: SequenceWork, counts: dict[str, int]) -> float:
    study, engine = work.study, work.engine
    task = study.tasks[0]
    prompts = work.plan.prompts[task]
    some = work.texts.scoring(task, prompts[0])[:_ROWS]
    per_scored = timed(lambda: engine.losses(work.base, some)) / len(some)
    short = study.training.model_copy(update={"steps": _STEPS, "warmup_steps": 0})
    n = min(work.plan.chunk, counts["n_chains"])
    members = [Member(work.texts.training(task, prompts[0]), short, seed=k) for k in range(n)]
    with engine.fine_tuned(work.base, members):
        pass  # the first time also pays for warming up
    began = time.perf_counter()
    with engine.fine_tuned(work.base, members) as tuned:
        per_step = (time.perf_counter() - began) / _STEPS / n
        per_evaluated = 0.0
        for name in study.tasks:  # tasks differ in the length of their answers
            own = work.plan.tasks[name]
            rows = work.texts.test(name, work.plan.originals[name])[:_ROWS]
            examples = own.examples("test", len(rows))

            def evaluate() -> None:
                tuned.evaluate(own, examples, [rows] * n)  # noqa: B023

            per_evaluated += timed(evaluate) / len(rows) / n / len(study.tasks)
    return (
        counts["train_examples"] / study.training.batch_size * per_step
        + counts["scored_examples"] * per_scored
        + counts["evaluated_examples"] * per_evaluated
    )
