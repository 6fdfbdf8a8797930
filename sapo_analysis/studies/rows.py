"""What the engine measured, as rows of the tables that `sapo_analysis.records` declares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.topology import Bar, Summary
from sapo_analysis.learning.training import Fit
from sapo_analysis.plan import AnyPlan, Plan, Stage, Trial
from sapo_analysis.pre_update_loss import batch_mean, example_mean, token_mean
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.records import SOFT_PROMPT
from sapo_analysis.studies.method_rows import most_shown, n_judged
from sapo_analysis.tasks.base import Example, Split, Task
from sapo_analysis.tasks.demonstrations import pool_of

Row = dict[str, Any]
Counts = Mapping[str, Mapping[Split, int]]
"""How many first examples are read, by task and split."""


class Indicator(NamedTuple):
    """A number known before the update: its name, value and unit; examples it was taken over."""

    name: str
    value: float
    unit: str
    n_examples: int


def prompt(prompt: Prompt, n_tokens: int) -> Row:
    """A `prompts` row."""
    return {
        "task": prompt.task,
        "prompt_id": prompt.prompt_id,
        "text": prompt.text,
        "source": prompt.source,
        "test_only": prompt.test_only,
        "frequency": prompt.frequency,
        "n_tokens": n_tokens,
    }


def dev_examples(plan: Plan, task: str) -> list[Example]:
    """The dev examples a fine-tune is watched on: the first, as many as test examples at most."""
    if not plan.study.evaluation.checkpoints:
        return []
    return plan.tasks[task].examples("dev")[: plan.study.evaluation.examples]


def reads(plan: Plan) -> dict[str, dict[Split, int]]:
    """How many first examples of each split of each task the study reads, demonstrations apart."""
    study = plan.study
    trained = {*plan.prompts, *(stage.task for stage in plan.stages.values())}
    found: dict[str, dict[Split, int]] = {}
    for name in plan.tasks:
        n_train = max(study.training.examples, study.scoring.examples) if name in trained else 0
        n_diagnostics = study.scoring.diagnostics
        n_watched = len(dev_examples(plan, name)) if name in plan.prompts else 0
        n_dev = n_judged(study, plan.tasks[name]) if name in plan.prompts else 0
        found[name] = {
            "train": max(n_train, n_diagnostics if name in plan.prompts else 0),
            "dev": max(n_diagnostics, n_watched, n_dev),
            "test": study.evaluation.examples,
        }
    return found


def with_demonstrations(plan: AnyPlan, counts: Counts) -> dict[str, dict[Split, int]]:
    """What a study reads, with the training rows that demonstrations are drawn from."""
    found = {name: dict(splits) for name, splits in counts.items()}
    if most_shown(plan.study):
        for name, splits in found.items():
            splits["train"] = max(splits.get("train", 0), pool_of(plan.tasks[name]))
    return found


def examples(plan: Plan) -> list[Row]:
    """`examples` rows: every example the study reads."""
    return example_rows(plan.tasks, with_demonstrations(plan, reads(plan)))


def example_rows(tasks: Mapping[str, Task], counts: Counts) -> list[Row]:
    """`examples` rows of the first examples of some splits."""
    return [
        example(tasks[name], split, i, row)
        for name, splits in counts.items()
        for split, n in splits.items()
        for i, row in enumerate(tasks[name].examples(split, n))
    ]


def example(task: Task, split: Split, i: int, row: Example) -> Row:
    """An `examples` row."""
    return {
        "task": task.name,
        "split": split,
        "example": i,
        "input": row.input,
        "target": row.target,
    }


def state(
    state_id: str, parent_id: str | None, state_seed: int | None, learned: Sequence[str]
) -> Row:
    """A `states` row."""
    return {
        "state_id": state_id,
        "parent_id": parent_id,
        "state_seed": state_seed,
        "learned": list(learned),
    }


def trial(trial: Trial, status: str, made_by: Row) -> Row:
    """A `trials` row of a main or noise trial; `made_by`: policy, method, engine, chunk, device."""
    return {
        "trial_id": trial.trial_id,
        "state_id": trial.state_id,
        "result_state_id": None,
        "seed": trial.seed,
        "purpose": trial.purpose,
        "current_task": trial.task,
        "prompt_id": trial.prompt.prompt_id,
        "status": status,
        **made_by,
    }


def past_trial(stage: Stage, prompt: Prompt, made_by: Row) -> Row:
    """A `trials` row of the fine-tune that led to a parent state."""
    return {
        "trial_id": stage.trial_id,
        "state_id": stage.parent_id,
        "result_state_id": stage.state_id,
        "seed": stage.state_seed,
        "purpose": "past",
        "current_task": stage.task,
        "prompt_id": prompt.prompt_id,
        "status": "done",
        **made_by,
    }


def curves(trial_id: str, fit: Fit) -> list[Row]:
    """`curves` rows: training loss and gradient norm at each step's start, up to a divergence."""
    series = {"train_loss": fit.losses, "grad_norm": fit.grad_norms}
    return [
        curve(trial_id, step, name, value)
        for name, values in series.items()
        for step, value in enumerate(values)
    ]


def curve(trial_id: str, step: int, series: str, value: float) -> Row:
    """A `curves` row."""
    return {"trial_id": trial_id, "step": step, "series": series, "value": value}


class Diagnostic(NamedTuple):
    """What a look found: its name, what it is about (a task or a layer), over how many examples."""

    name: str
    subject: str
    value: float
    n_examples: int


def diagnostic(trial_id: str, step: int, found: Diagnostic) -> Row:
    """A `diagnostics` row."""
    return {"trial_id": trial_id, "step": step, **found._asdict()}


def cloud(found: Summary, n_tokens: int) -> list[Diagnostic]:
    """What a look found of the point cloud of a soft prompt with so many virtual tokens."""
    values = {
        "h0_persistence": found.h0_persistence,
        "h1_persistence": found.h1_persistence,
        "compactness": found.compactness,
    }
    return [Diagnostic(name, SOFT_PROMPT, value, n_tokens) for name, value in values.items()]


def persistence(trial_id: str, step: int, bars: Sequence[Bar]) -> list[Row]:
    """`persistence` rows of one look; `bars` in the order of their numbers."""
    count = Counter[int]()
    found = []
    for bar in bars:
        found.append(
            {"trial_id": trial_id, "step": step, "pair": count[bar.dimension]} | bar._asdict()
        )
        count[bar.dimension] += 1
    return found


def candidate_losses(state_id: str, prompt: Prompt, losses: Sequence[ExampleLoss]) -> list[Row]:
    """`candidate_losses` rows of one prompt."""
    return [
        {
            "state_id": state_id,
            "task": prompt.task,
            "prompt_id": prompt.prompt_id,
            "example": i,
            "nll_sum": loss.nll_sum,
            "n_tokens": loss.n_tokens,
            "content_nll": loss.content_nll,
            "content_tokens": loss.content_tokens,
        }
        for i, loss in enumerate(losses)
    ]


def indicators(
    state_id: str,
    prompt: Prompt,
    losses: Sequence[ExampleLoss],
    prompt_tokens: int,
    batch_size: int,
) -> list[Row]:
    """`indicators` rows of one prompt that need its losses or its text alone.

    Pre-update loss in each averaging, and length; where it is known how many pretraining examples
    carried the text, that number, log(1 + it), and whether there were any (1 or 0).
    """
    nll, n = [loss.nll_sum for loss in losses], [loss.n_tokens for loss in losses]
    content_nll, content_n = (
        [loss.content_nll for loss in losses],
        [loss.content_tokens for loss in losses],
    )
    per_token = "nats/token"
    values = [
        ("pre_update_loss", batch_mean(nll, n, batch_size), per_token),
        ("pre_update_loss_token_mean", token_mean(nll, n), per_token),
        ("pre_update_loss_example_mean", example_mean(nll, n), per_token),
        ("pre_update_loss_content", token_mean(content_nll, content_n), per_token),
        ("prompt_length", float(prompt_tokens), "tokens"),
    ]
    if prompt.frequency is not None:
        values += [
            ("prompt_frequency", float(prompt.frequency), "pretraining examples"),
            ("log_prompt_frequency", math.log1p(prompt.frequency), "log(1 + pretraining examples)"),
            ("prompt_seen", float(prompt.frequency > 0), "1 yes, 0 no"),
        ]
    found = [Indicator(name, value, unit, len(losses)) for name, value, unit in values]
    return indicator_rows(state_id, prompt, found)


def indicator_rows(state_id: str, prompt: Prompt, found: Iterable[Indicator]) -> list[Row]:
    """`indicators` rows of one prompt, none of them stopped early."""
    return [
        {
            "state_id": state_id,
            "task": prompt.task,
            "prompt_id": prompt.prompt_id,
            "name": indicator.name,
            "value": indicator.value,
            "unit": indicator.unit,
            "n_examples": indicator.n_examples,
            "exact": True,
        }
        for indicator in found
    ]


def measured(
    state_id: str, trial: Trial | None, task: str, prompt: Prompt, steps: int, n_shots: int = 0
) -> Row:
    """The key that `scores` and `predictions` share."""
    return {
        "state_id": state_id,
        "trial_id": None if trial is None else trial.trial_id,
        "eval_task": task,
        "test_prompt": prompt.prompt_id,
        "step": 0 if trial is None else steps,
        "n_shots": n_shots,
    }


def score(key: Row, task: Task, role: str | None, result: Evaluation) -> Row:
    """A `scores` row."""
    return {
        **key,
        "role": role,
        "metric": task.metric,
        "value": result.value,
        "loss": result.loss,
        "n_examples": len(result.outputs),
    }


def predictions(key: Row, result: Evaluation, n: int) -> list[Row]:
    """`predictions` rows of the first `n` examples."""
    kept = zip(result.outputs[:n], result.losses[:n], result.correct[:n], strict=True)
    return [
        {**key, "example": i, "output": output, "loss": loss, "correct": right}
        for i, (output, loss, right) in enumerate(kept)
    ]
