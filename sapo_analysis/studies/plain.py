"""The plain engine: one adapter after the other, through peft and a plain loop.

It is the reference: no batching over prompts or adapters, so each number can be followed by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation, evaluate
from sapo_analysis.learning.fisher import fisher
from sapo_analysis.learning.format_gradient import LayerGradients, last_layer_gradients
from sapo_analysis.learning.mean_loss import MeanLoss, mean_loss
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.scoring import ExampleLoss, example_losses, total_nll
from sapo_analysis.learning.selection import Heard, Selection, scored_in_full
from sapo_analysis.learning.training import Fit, Training
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.delta_norm import delta_norm
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.lora import (
    adapter_layout,
    save_adapter,
    set_adapter_dropout,
    started_adapter,
)
from sapo_analysis.models.stacked_lora import Dropout
from sapo_analysis.studies.engine import Engine
from sapo_analysis.tasks.base import Example, Task


class PlainEngine(Engine):
    """One adapter after the other."""

    name = "plain"

    def check(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> None:
        """See `Engine.check`; whatever peft adapts will do."""

    def losses(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> list[ExampleLoss]:
        """See `Engine.losses`."""
        return example_losses(model, rows, self.study.evaluation.batch_size, self.encoder.pad_id)

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
        return self.study.training.batch_size * self.reading(rows)[0] / len(rows)

    def evaluate(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Encoded],
    ) -> Evaluation:
        """See `Engine.evaluate`."""
        size = self.study.evaluation.batch_size
        return evaluate(model, self.encoder, task, examples, rows, size)

    def evaluate_all(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Sequence[Encoded]],
    ) -> list[Evaluation]:
        """See `Engine.evaluate_all`."""
        (own,) = rows
        return [self.evaluate(model, task, examples, own)]

    def losses_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[list[ExampleLoss]]:
        """See `Engine.losses_all`."""
        (own,) = rows
        return [self.losses(model, own)]

    def mean_losses_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[MeanLoss]:
        """See `Engine.mean_losses_all`."""
        (own,) = rows
        return [mean_loss(model, own, self.study.evaluation.batch_size, self.encoder.pad_id)]

    def gradients_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[LayerGradients]:
        """See `Engine.gradients_all`."""
        return last_layer_gradients(model, rows, False, self.encoder.pad_id)

    def lowest(
        self,
        model: PreTrainedModel,
        rows: Sequence[Sequence[Encoded]],
        batch_size: int,
        heard: Heard,
    ) -> Selection:
        """See `Engine.lowest`: all are scored in full."""
        return scored_in_full((self.losses(model, own) for own in rows), batch_size, heard)

    def checkpointed_with(
        self, model: PreTrainedModel, dropouts: Sequence[Dropout]
    ) -> AbstractContextManager[object]:
        """See `Engine.checkpointed_with`."""
        return self.checkpointed(model, *(dropout.again for dropout in dropouts))

    @contextmanager
    def adapters(
        self, model: PreTrainedModel, starts: Sequence[AdapterStart]
    ) -> Iterator[_OneFineTune]:
        """See `Engine.adapters`."""
        (start,) = starts
        with started_adapter(model, self.study.lora, start) as adapted:
            set_adapter_dropout(adapted, on=False)  # training alone turns it on
            with self.checkpointed(adapted):
                yield _OneFineTune(adapted, self.encoder, self.study.evaluation.batch_size)


class _OneFineTune:
    """One adapter, as `Adapters`."""

    n_differentiated = 0

    def __init__(self, adapted: PreTrainedModel, encoder: Encoder, size: int):
        self._adapted, self._encoder, self._size = adapted, encoder, size
        self.n_trained = sum(p.numel() for p in self._parameters)
        self.layout = adapter_layout(adapted)

    @property
    def _parameters(self) -> list[Tensor]:
        return [p for p in self._adapted.parameters() if p.requires_grad]

    def begin(self, members: Sequence[Member]) -> None:
        (member,) = members
        self._training = Training(self._adapted, member, self._encoder.pad_id)

    @property
    def total_steps(self) -> int:
        return self._training.total_steps

    @property
    def fits(self) -> list[Fit]:
        return [self._training.fit]

    def train(self, until: int | None = None) -> None:
        self._training.advance(until)

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        return [evaluate(self._adapted, self._encoder, task, examples, rows[0], self._size)]

    def losses(self, rows: Sequence[Sequence[Encoded]]) -> list[list[ExampleLoss]]:
        return [example_losses(self._adapted, rows[0], self._size, self._encoder.pad_id)]

    def lowest(self, rows: Sequence[Sequence[Encoded]], batch_size: int, heard: Heard) -> Selection:
        return scored_in_full((self.losses([own])[0] for own in rows), batch_size, heard)

    def information(self, rows: Sequence[Sequence[Encoded]]) -> list[Tensor]:
        return [fisher(self._adapted, rows[0], self._encoder.pad_id)]

    def weights(self, k: int) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self._parameters])

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        return [mean_loss(self._adapted, rows[0], self._size, self._encoder.pad_id)]

    def delta_norms(self) -> list[float]:
        return [delta_norm(self._adapted)]

    def gradients(self, rows: Sequence[Sequence[Encoded]]) -> list[LayerGradients]:
        return last_layer_gradients(self._adapted, rows, False, self._encoder.pad_id)

    def soft_prompts(self) -> None:
        return None

    def save(self, k: int, folder: Path) -> None:
        save_adapter(self._adapted, folder)

    def export(self, k: int, folder: Path, base: str) -> None:
        self.save(k, folder)
