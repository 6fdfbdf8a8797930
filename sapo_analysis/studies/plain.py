"""The plain engine: one adapter after the other, through peft and a plain loop.

It is the reference: no batching over prompts or adapters, so each number can be followed by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation, evaluate
from sapo_analysis.learning.mean_loss import MeanLoss, mean_loss
from sapo_analysis.learning.scoring import ExampleLoss, example_losses, total_nll
from sapo_analysis.learning.training import Fit, Member, Training
from sapo_analysis.models.delta_norm import delta_norm
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.lora import fresh_adapter, save_adapter
from sapo_analysis.studies.base import Engine
from sapo_analysis.tasks.base import Example, Task


class PlainEngine(Engine):
    """Runs the groups of one plan on one device, a trial at a time."""

    name = "plain"

    def losses(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> list[ExampleLoss]:
        """See `Engine.losses`."""
        return example_losses(
            model, rows, self.plan.study.evaluation.batch_size, self.encoder.pad_id
        )

    def nll(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> Tensor:
        """See `Engine.nll`."""
        return total_nll(model, rows, self.encoder.pad_id)

    def reading(self, rows: Sequence[Encoded]) -> tuple[int, int]:
        """See `Engine.reading`."""
        tokens = sum(len(row.ids) for row in rows)
        return tokens, tokens

    def evaluation_tokens(self, rows: Sequence[Encoded], max_new_tokens: int) -> int:
        """See `Engine.evaluation_tokens`: the loss, then an answer of full length."""
        return sum(len(row.ids) + row.target_start + max_new_tokens for row in rows)

    def step_tokens(self, rows: Sequence[Encoded]) -> float:
        """See `Engine.step_tokens`."""
        return self.plan.study.training.batch_size * self.reading(rows)[0] / len(rows)

    def evaluate(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Encoded],
    ) -> Evaluation:
        """See `Engine.evaluate`."""
        size = self.plan.study.evaluation.batch_size
        return evaluate(model, self.encoder, task, examples, rows, size)

    @contextmanager
    def fresh(self, model: PreTrainedModel, members: Sequence[Member]) -> Iterator[_OneFineTune]:
        """See `Engine.fresh`."""
        (member,) = members
        with fresh_adapter(model, self.plan.study.lora, member.seed) as adapted:
            size = self.plan.study.evaluation.batch_size
            yield _OneFineTune(adapted, member, self.encoder, size)


class _OneFineTune:
    """One adapter, as `FineTunes`."""

    def __init__(self, adapted: PreTrainedModel, member: Member, encoder: Encoder, size: int):
        self._adapted, self._encoder, self._size = adapted, encoder, size
        self._training = Training(adapted, member, encoder.pad_id)
        self.n_trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)

    @property
    def fits(self) -> list[Fit]:
        return [self._training.fit]

    def train(self, until: int | None = None) -> None:
        self._training.advance(until)

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        return [evaluate(self._adapted, self._encoder, task, examples, rows[0], self._size)]

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        return [mean_loss(self._adapted, rows[0], self._size, self._encoder.pad_id)]

    def delta_norms(self) -> list[float]:
        return [delta_norm(self._adapted)]

    def save(self, k: int, folder: Path) -> None:
        save_adapter(self._adapted, folder)
