"""What a sequence study will cost: counts from its plan, speeds measured here in a few seconds."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import (
    Amounts,
    EngineName,
    SequencePlan,
    amounts_of,
    disk_bytes,
    make_sequence_plan,
    to_measure,
)
from sapo_analysis.plan.amounts import MEASURED_ROWS, fine_tune_reads
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import MethodName, SequenceStudy
from sapo_analysis.studies.calibrate import (
    per_step_rows,
    time_evaluation,
    time_gradients,
    timed,
    timed_answer,
)
from sapo_analysis.studies.composed import Begun
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.fitting import fitted
from sapo_analysis.studies.meter import peak_bytes
from sapo_analysis.studies.sequence.work import SequenceWork
from sapo_analysis.studies.short_fine_tunes import timed_fine_tunes


def calibrate_sequence(study: SequenceStudy, engine: EngineName) -> dict[str, Any]:
    """Counts of a study's plan, and its time, memory and disk by a short measurement here.

    Counts are of chains that share nothing and of scoring in full: what is shared, and where a
    scoring stops, is not known beforehand. Steps are measured of each method that puts something
    else than an adapter into the model; tests and looks of the one that reads the most batches.
    `replay` takes longer per row than the sequential LoRA that stands for it.
    """
    plan, _ = fitted(make_sequence_plan(study, engine))
    device = choose_device(study.device)
    with tempfile.TemporaryDirectory() as folder:
        work = SequenceWork(plan, device, Path(folder))
        work.check()
        amounts = amounts_of(plan)
        counts = _counts(plan, amounts)
        per_row = _per_row(work, counts["n_chains"])
    return {
        **counts,
        **timed_answer(amounts, per_row),
        "memory_bytes": peak_bytes(),
        "disk_bytes": disk_bytes(plan),
        "device": device.name,
        "engine": plan.engine,
        "chunk": plan.chunk,
        "threads": torch.get_num_threads(),
    }


def _counts(plan: SequencePlan, amounts: Amounts) -> dict[str, int]:
    study = plan.study
    n_chains = len(plan.units) // len(study.tasks)
    return {
        "n_chains": n_chains,
        "n_fine_tunes": len(plan.units),
        "train_examples": round(amounts.trained),
        "n_states_scored": _states_scored(plan),
        "scored_examples": round(amounts.scored),
        "evaluated_examples": round(amounts.evaluated + amounts.shown),
        "aligned_examples": round(amounts.aligned),
    }


def _states_scored(plan: SequencePlan) -> int:
    """Pairs of state and task whose candidates are scored: a group each at θ_0, a stage later."""
    return sum(
        group.kind == "score"
        or sum(
            group.stage > 1 and get_policy(chain.strategy.policy).scores_at == "current state"
            for chain in group.chains
        )
        for group in plan.groups
    )


def _per_row(work: SequenceWork, n_chains: int) -> Amounts:
    """Seconds per row of each kind of work."""
    study, engine = work.study, work.engine
    task = study.tasks[0]
    some = work.texts.scoring(task, work.plan.prompts[task][0])[:MEASURED_ROWS]
    per_scored = timed(lambda: engine.losses(work.base, some)) / len(some)
    reads = _reads_by_method(work.plan)
    each = {method: _of_method(work, method, n_chains) for method in reads}
    most = each[max(reads, key=reads.__getitem__)]
    per_read = sum(n * each[method].trained for method, n in reads.items()) / sum(reads.values())
    return most._replace(trained=per_read, scored=per_scored)


def _reads_by_method(plan: SequencePlan) -> dict[MethodName, int]:
    """Batches that all chains read by method, those that train an adapter alone as one.

    These differ in where an adapter starts, and in what is added to a batch or the loss.
    """
    found = Counter[MethodName]()
    for group in plan.groups:
        for chain in group.chains:
            name = chain.strategy.method
            method = make_method(name, plan.study)
            alike = method.recipe(0) is None and not method.trains_all
            found["lora" if alike else name] += fine_tune_reads(plan.study, name, group.stage - 1)
    return dict(found)


def _of_method(work: SequenceWork, name: MethodName, n_chains: int) -> Amounts:
    """Seconds per row of what is done with fine-tunes by one method."""
    study, task = work.study, work.study.tasks[0]
    prompt = work.plan.prompts[task][0]
    method = make_method(name, to_measure(study))
    n = 1 if method.trains_all else min(work.plan.chunk, n_chains)
    rows = [work.texts.training(task, prompt, method.demonstrations)] * n
    original = work.plan.originals[task].text
    begun = [Begun(AdapterStart(k), work.plan.tasks[task], original, prompt.text) for k in range(n)]
    with timed_fine_tunes(work.engine, work.base, method, begun, rows) as (tuned, per_step):
        per_tested = {
            n_shots: _per_tested(work, tuned, n_shots, n) for n_shots in study.evaluation.n_shots
        }
        per_aligned = time_gradients(study, tuned, rows)
    return Amounts(
        trained=per_step / per_step_rows(study, name),
        evaluated=per_tested.pop(0),
        aligned=per_aligned,
        shown=sum(per_tested.values()) / max(1, len(per_tested)),
    )


def _per_tested(work: SequenceWork, tuned: FineTunes, n_shots: int, n_adapters: int) -> float:
    """Seconds per test row behind so many demonstrations, the mean over all tasks."""
    per_row = []
    for name in work.study.tasks:  # tasks differ in the length of their answers
        rows = work.texts.test(name, work.plan.originals[name], n_shots)[:MEASURED_ROWS]
        spent = time_evaluation(tuned, work.plan.tasks[name], rows, n_adapters)
        per_row.append(spent / len(rows) / n_adapters)
    return sum(per_row) / len(per_row)
