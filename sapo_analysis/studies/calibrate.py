"""What a study will cost: counts from its plan, speeds measured here in a few seconds."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.recipe import BEFORE_TEXTS
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.loading import choose_device
from sapo_analysis.models.virtual_tokens import VirtualTokens
from sapo_analysis.plan import (
    BASE_STATE,
    Amounts,
    EngineName,
    Plan,
    amounts_of,
    disk_bytes,
    make_plan,
    to_measure,
)
from sapo_analysis.plan.amounts import (
    MEASURED_ROWS,
    aligned_rows,
    fine_tune_reads,
    fine_tune_steps,
    looks_of,
)
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import AnyStudy, MethodName, ParaphraseStudy
from sapo_analysis.studies.composed import Begun, step_tokens
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.fitting import fitted
from sapo_analysis.studies.looks import batch_and_format
from sapo_analysis.studies.meter import peak_bytes
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.studies.short_fine_tunes import timed_fine_tunes
from sapo_analysis.tasks.base import Task

MARGIN = 0.3
"""The estimate's stated uncertainty, ± this share: by how much calibrations and runs differed."""


def calibrate(
    study: ParaphraseStudy, engine: EngineName, taken_over: Collection[str] = ()
) -> dict[str, Any]:
    """Counts of a study's plan, and its time, memory and disk by a short measurement here.

    Trials in `taken_over` are not counted: another run has finished them.
    """
    plan, _ = fitted(make_plan(study, engine).without(set(taken_over)))
    device = choose_device(study.device)
    with tempfile.TemporaryDirectory() as folder:
        worker = ParaphraseWork(plan, device, Path(folder))
        worker.check()
        amounts = amounts_of(plan)
        counts = _counts(plan, worker, amounts)
        per_row = _per_row(worker)
        references = worker.diagnostics.reference_bytes if worker.diagnostics else 0
    return {
        **counts,
        **timed_answer(amounts, per_row),
        "memory_bytes": peak_bytes() + references,
        "disk_bytes": disk_bytes(plan),
        "device": device.name,
        "engine": plan.engine,
        "chunk": plan.chunk,
        "threads": torch.get_num_threads(),
    }


def timed_answer(amounts: Amounts, per_row: Amounts) -> dict[str, Any]:
    """The time of so many rows at these speeds, with its uncertainty, and the speeds."""
    seconds = amounts.seconds(per_row)
    return {
        "seconds": seconds,
        "seconds_low": seconds * (1 - MARGIN),
        "seconds_high": seconds * (1 + MARGIN),
        "margin": MARGIN,
        "seconds_per_row": per_row._asdict(),
    }


def _counts(plan: Plan, work: ParaphraseWork, amounts: Amounts) -> dict[str, int]:
    study, engine = plan.study, work.engine
    scored = [
        (str(g.task), p)
        for g in plan.groups
        if g.kind == "score"
        for p in plan.candidates(str(g.task))
    ]
    past = [(stage.task, work.original(stage.task)) for stage in plan.stages.values()]
    past_tokens = sum(engine.step_tokens(work.training_rows(t, p)) for t, p in past)
    own_tokens = sum(_fine_tune_tokens(work, t.task, t.prompt) for t in plan.trials)
    looks = [
        (work.dev_rows(t.task, t.prompt), len(looks_of(study, g.trials)))
        for g in plan.groups
        for t in g.trials
        if looks_of(study, g.trials)
    ]
    per_evaluation = sum(
        work.engine.evaluation_tokens(
            work.test_rows(name, work.original(name)), task.max_new_tokens
        )
        for name, task in plan.tasks.items()
    ) // len(plan.tasks)
    evaluations = round(amounts.evaluated) // study.evaluation.examples
    purposes = Counter(trial.purpose for trial in plan.trials)
    diagnosed = work.diagnostics.forecast().tokens if work.diagnostics else 0
    return {
        "n_states": len(plan.stages) + 1,
        "n_trials_main": purposes["main"],
        "n_trials_noise": purposes["noise"],
        "n_trials_repeat": purposes["repeat"],
        "n_candidates_scored": len(scored),
        "train_examples": round(amounts.trained),
        "scored_examples": round(amounts.scored + amounts.differentiated),
        "gradient_examples": round(amounts.differentiated),
        "dev_examples": round(amounts.watched),
        "aligned_examples": round(amounts.aligned),
        "evaluated_examples": round(amounts.evaluated + amounts.watched + amounts.shown),
        "train_tokens": round(past_tokens * study.training.steps + own_tokens),
        "scored_tokens": sum(engine.reading(work.scoring_rows(t, p))[0] for t, p in scored)
        + diagnosed
        + _label_tokens(work),
        "evaluated_tokens": evaluations * per_evaluation
        + sum(engine.reading(rows)[0] * n for rows, n in looks)
        + _shown_tokens(work, amounts),
    }


def _fine_tune_tokens(work: ParaphraseWork, task: str, prompt: Prompt) -> float:
    """Tokens that an average fine-tune by the study's method reads, virtual ones too."""
    study = work.plan.study
    rows = work.own_member(task, prompt, 0).rows
    recipe = make_method(study.method, study).recipe(0)
    if recipe is not None and recipe.context is not None:
        begun = Begun(AdapterStart(0), work.plan.tasks[task], "", prompt.text)
        return recipe.steps * step_tokens(work.engine, recipe, begun, rows)
    if recipe is not None and recipe.has(*BEFORE_TEXTS):
        # Which ids they have makes no difference to how many there are.
        rows = VirtualTokens(0, study.soft_prompt.virtual_tokens).before(rows)
    steps = fine_tune_steps(study, study.method)
    if work.tuners is not None:
        return steps * work.tuners.tokens_per_step(rows)
    # Perturbed, no two examples share a prefix.
    alone = study.training.batch_size * sum(len(row.ids) for row in rows) / len(rows)
    again = fine_tune_reads(study, study.method) - steps
    return steps * work.engine.step_tokens(rows) + again * alone


def _label_tokens(work: ParaphraseWork) -> int:
    """Tokens read to find out the best candidates of rows, where the method asks for them."""
    if work.tuners is None:
        return 0
    places = {(trial.state_id, trial.task) for trial in work.plan.trials}
    return sum(work.tuners.label_tokens(task) for _, task in places)


def _shown_tokens(work: ParaphraseWork, amounts: Amounts) -> int:
    """Tokens of all tests behind demonstrations, about."""
    study, tasks = work.plan.study, work.plan.tasks
    each = [
        work.engine.evaluation_tokens(
            work.test_rows(name, work.original(name), n_shots), task.max_new_tokens
        )
        for n_shots in study.evaluation.n_shots[1:]
        for name, task in tasks.items()
    ]
    evaluations = round(amounts.shown) // study.evaluation.examples
    return evaluations * sum(each) // max(1, len(each))


def _per_row(work: ParaphraseWork) -> Amounts:
    """Seconds per row of each kind of work."""
    study = work.plan.study
    model = work.states.at(BASE_STATE)
    task, prompts = next(iter(work.plan.prompts.items()))
    some = work.scoring_rows(task, prompts[0])[:MEASURED_ROWS]
    per_scored = timed(lambda: work.engine.losses(model, some)) / len(some)
    per_gradient = 0.0
    if (diagnostics := work.diagnostics) is not None:
        per_gradient = timed(lambda: diagnostics.gradient(model, some)) / len(some)
    method = make_method(study.method, to_measure(study))
    data, n = work.plan.tasks[task], study.training.examples
    rows = [
        work.encoder.encode_split(data, "train", n, prompt, method.demonstrations)
        for prompt in prompts[: work.plan.chunk]
    ]
    begun = [
        Begun(AdapterStart(0), data, work.original(task).text, prompt.text)
        for prompt in prompts[: len(rows)]
    ]
    timing = timed_fine_tunes(work.engine, model, method, begun, rows, work.tuners)
    with timing as (tuned, per_step):
        # Tasks differ in the length of their answers, so every one of them is measured.
        per_tested = {
            n_shots: _per_tested(work, tuned, n_shots, len(rows))
            for n_shots in study.evaluation.n_shots
        }
        per_dev = 0.0
        if study.evaluation.checkpoints:
            dev = [work.dev_rows(task, prompts[0])[:MEASURED_ROWS]] * len(rows)
            per_dev = timed(lambda: tuned.mean_losses(dev)) / sum(map(len, dev))
        per_aligned = time_gradients(study, tuned, rows)
    return Amounts(
        trained=per_step / per_step_rows(study, study.method),
        scored=per_scored,
        differentiated=per_gradient,
        evaluated=per_tested.pop(0),
        watched=per_dev,
        aligned=per_aligned,
        shown=sum(per_tested.values()) / max(1, len(per_tested)),
    )


def per_step_rows(study: AnyStudy, method: MethodName) -> float:
    """Rows that a step of a method's short fine-tunes reads, on average, all passes together."""
    measured = to_measure(study)
    passes = fine_tune_reads(measured, method) / fine_tune_steps(measured, method)
    return study.training.batch_size * passes


def _per_tested(work: ParaphraseWork, tuned: FineTunes, n_shots: int, n_adapters: int) -> float:
    """Seconds per test row behind so many demonstrations, over all tasks."""
    spent, n = 0.0, 0
    for name, task in work.plan.tasks.items():
        rows = work.test_rows(name, work.original(name), n_shots)[:MEASURED_ROWS]
        spent += time_evaluation(tuned, task, rows, n_adapters)
        n += n_adapters * len(rows)
    return spent / n


def time_evaluation(
    tuned: FineTunes, task: Task, rows: Sequence[Encoded], n_adapters: int
) -> float:
    """Seconds to evaluate adapters on the first test rows of a task."""
    examples = task.examples("test", len(rows))
    return timed(lambda: tuned.evaluate(task, examples, [rows] * n_adapters))


def time_gradients(study: AnyStudy, tuned: FineTunes, rows: Sequence[Sequence[Encoded]]) -> float:
    """Seconds of a look's gradients per row, as `Amounts` counts them; 0 where there are none."""
    if not study.diagnostics.every:
        return 0.0
    n, shuffles = min(aligned_rows(study), MEASURED_ROWS), study.diagnostics.shuffles
    batches = [own[:n] for own in rows]
    spent = timed(lambda: batch_and_format(tuned, batches, shuffles))
    return spent / len(batches) / n / (1 + shuffles)


def timed(work: Callable[[], object]) -> float:
    """Seconds of the second of two calls: the first also pays for warming up."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
