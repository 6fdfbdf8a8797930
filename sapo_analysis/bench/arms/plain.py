"""The plain loop: one adapter after the other, one prompt after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sapo_analysis.bench.arms.reloaded import reloaded
from sapo_analysis.bench.arms.weights import Weights, adapter_weights
from sapo_analysis.bench.workload import Workload
from sapo_analysis.learning import training
from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.evaluation import evaluate as evaluate_plain
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.lora import fresh_adapter


def train(work: Workload, n: int, steps: int) -> list[Weights]:
    """The first `n` adapters, one after the other."""
    found = []
    for k in range(n):
        with fresh_adapter(work.model, work.lora, seed=k) as adapted:
            training.train(adapted, work.train[k], work.steps(steps), k, work.encoder.pad_id)
            found.append(adapter_weights(adapted))
    return found


def score(work: Workload, n: int, batch: int) -> list[list[ExampleLoss]]:
    """The losses of each of `n` prompts; with more than there are, they take turns."""
    return [
        example_losses(work.model, work.scored[k % len(work.scored)], batch, work.encoder.pad_id)
        for k in range(n)
    ]


def evaluate(work: Workload, folders: Sequence[Path], rounds: int, batch: int) -> list[Evaluation]:
    """Each adapter on each task, all tasks `rounds` times over."""
    found = []
    for folder in folders:
        with reloaded(work.model, folder) as adapted:
            for part in work.evaluated * rounds:
                found.append(
                    evaluate_plain(
                        adapted, work.encoder, part.task, part.examples, part.rows, batch
                    )
                )
    return found
