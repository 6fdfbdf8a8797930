"""Our engine: all adapters in one stack, shared prefixes once, gold answers as drafts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sapo_analysis.bench.arms.weights import Weights
from sapo_analysis.bench.workload import Workload
from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.models.stacked_lora import StackedAdapters, stacked_adapters


def train(work: Workload, n: int, steps: int) -> list[Weights]:
    """The first `n` adapters, all at once."""
    with trained(work, list(range(n)), steps) as adapters:
        return [stack_weights(adapters, k) for k in range(n)]


@contextmanager
def trained(work: Workload, which: Sequence[int], steps: int) -> Iterator[StackedAdapters]:
    """A stack of these adapters after training, on the model for the block."""
    settings = work.steps(steps)
    members = [Member(work.train[k], settings, k) for k in which]
    with stacked_adapters(work.model, work.lora, list(which)) as adapters:
        train_stacked(work.model, adapters, members, work.encoder.pad_id)
        yield adapters


def score(work: Workload, n: int) -> list[list[ExampleLoss]]:
    """The losses of each of `n` prompts; with more than there are, they take turns."""
    return [
        packed_losses(work.model, work.scored[k % len(work.scored)], work.encoder.pad_id)
        for k in range(n)
    ]


def evaluate(work: Workload, folders: Sequence[Path], rounds: int, batch: int) -> list[Evaluation]:
    """Each adapter on each task, all tasks `rounds` times over, adapter by adapter as answered."""
    found: list[list[Evaluation]] = []
    with stacked_adapters(work.model, work.lora, list(range(len(folders)))) as adapters:
        for k, folder in enumerate(folders):
            adapters.load(k, folder)
        for part in work.evaluated * rounds:
            rows = [part.rows] * len(folders)
            found.append(
                evaluate_stacked(work.model, work.encoder, part.task, part.examples, rows, batch)
            )
    return [answered[k] for k in range(len(folders)) for answered in found]


def stack_weights(adapters: StackedAdapters, k: int) -> Weights:
    """Copies of one adapter's weights."""
    return {
        f"{name}.{half}": weight[k].detach().clone()
        for name, module in adapters.modules.items()
        for half, weight in (("A", module.a), ("B", module.b))
    }
