"""The stacked engine: many adapters at once on packed rows, each number as the plain engine's.

Scoring reads each prompt's shared prefix once, training and evaluation serve a whole stack of
adapters in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.candidate_losses import stacked_losses
from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.fisher import stacked_fisher
from sapo_analysis.learning.format_gradient import LayerGradients, last_layer_gradients
from sapo_analysis.learning.mean_loss import MeanLoss, stacked_mean_losses
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.packed_scoring import check_packed, packed_losses, packed_nll
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import Heard, Selection, select_prompt
from sapo_analysis.learning.stacked_check import check_stacked
from sapo_analysis.learning.stacked_training import StackedTraining
from sapo_analysis.learning.training import Fit
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.delta_norm import stacked_delta_norms
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.packed import layout_again
from sapo_analysis.models.packing import shared_prefix
from sapo_analysis.models.stacked_lora import Dropout, StackedAdapters, stacked_adapters
from sapo_analysis.studies.engine import Engine
from sapo_analysis.tasks.base import Example, Task


class StackedEngine(Engine):
    """A stack of adapters at a time."""

    name = "stacked"

    def check(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> None:
        """See `Engine.check`; the model has to read packed rows, and adapters to stack."""
        check_packed(model, rows, self.encoder.pad_id)
        check_stacked(model, self.study.lora, rows, self.encoder.pad_id)

    def losses(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> list[ExampleLoss]:
        """See `Engine.losses`."""
        return packed_losses(model, rows, self.encoder.pad_id)

    def nll(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> Tensor:
        """See `Engine.nll`."""
        return packed_nll(model, rows, self.encoder.pad_id)

    def reading(self, rows: Sequence[Encoded]) -> tuple[int, int]:
        """See `Engine.reading`."""
        prefix = shared_prefix(rows)
        tokens = prefix + sum(len(row.ids) - prefix for row in rows)
        return tokens, sum(row.n_target for row in rows)

    def evaluation_tokens(self, rows: Sequence[Encoded], max_new_tokens: int) -> int:
        """See `Engine.evaluation_tokens`; what follows a wrong draft is not foreseen."""
        batches = math.ceil(len(rows) / self.study.evaluation.batch_size)
        return self.reading(rows)[0] + (batches - 1) * shared_prefix(rows)

    def step_tokens(self, rows: Sequence[Encoded]) -> float:
        """See `Engine.step_tokens`; with dropout each example has a prefix of its own."""
        prefix = 0 if self.study.lora.lora_dropout else shared_prefix(rows)
        own = sum(len(row.ids) - prefix for row in rows) / len(rows)
        return prefix + self.study.training.batch_size * own

    def evaluate(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Encoded],
    ) -> Evaluation:
        """See `Engine.evaluate`."""
        size = self.study.evaluation.batch_size
        return evaluate_stacked(model, self.encoder, task, examples, [rows], size)[0]

    def evaluate_all(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Sequence[Encoded]],
    ) -> list[Evaluation]:
        """See `Engine.evaluate_all`."""
        size = self.study.evaluation.batch_size
        return evaluate_stacked(model, self.encoder, task, examples, rows, size)

    def losses_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[list[ExampleLoss]]:
        """See `Engine.losses_all`."""
        return stacked_losses(model, rows, self.encoder.pad_id)

    def mean_losses_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[MeanLoss]:
        """See `Engine.mean_losses_all`."""
        size = self.study.evaluation.batch_size
        return stacked_mean_losses(model, rows, size, self.encoder.pad_id)

    def gradients_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[LayerGradients]:
        """See `Engine.gradients_all`."""
        return last_layer_gradients(model, rows, True, self.encoder.pad_id)

    def lowest(
        self,
        model: PreTrainedModel,
        rows: Sequence[Sequence[Encoded]],
        batch_size: int,
        heard: Heard,
    ) -> Selection:
        """See `Engine.lowest`; rows of a pass are prompts, so they share the one fine-tune."""
        return select_prompt(model, rows, self.encoder.pad_id, batch_size, heard=heard)

    def checkpointed_with(
        self, model: PreTrainedModel, dropouts: Sequence[Dropout]
    ) -> AbstractContextManager[object]:
        """See `Engine.checkpointed_with`."""
        return self.checkpointed(model, layout_again, *(dropout.again for dropout in dropouts))

    @contextmanager
    def adapters(self, model: PreTrainedModel, starts: Sequence[AdapterStart]) -> Iterator[_Stack]:
        """See `Engine.adapters`."""
        with (
            stacked_adapters(model, self.study.lora, starts) as adapters,
            self.checkpointed(model, layout_again, adapters.dropout.again),
        ):
            yield _Stack(model, adapters, self.encoder, self.study.evaluation.batch_size)


class _Stack:
    """A stack of adapters, as `Adapters`."""

    n_differentiated = 0

    def __init__(
        self,
        model: PreTrainedModel,
        adapters: StackedAdapters,
        encoder: Encoder,
        size: int,
    ):
        self._model, self._adapters, self._encoder, self._size = model, adapters, encoder, size
        self.n_trained = adapters.values.shape[1]
        self.layout = adapters.layout

    def begin(self, members: Sequence[Member]) -> None:
        self._training = StackedTraining(self._model, self._adapters, members, self._encoder.pad_id)

    @property
    def total_steps(self) -> int:
        return self._training.total_steps

    @property
    def fits(self) -> list[Fit]:
        return self._training.fits

    def train(self, until: int | None = None) -> None:
        self._training.advance(until)

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        return evaluate_stacked(self._model, self._encoder, task, examples, rows, self._size)

    def losses(self, rows: Sequence[Sequence[Encoded]]) -> list[list[ExampleLoss]]:
        return stacked_losses(self._model, rows, self._encoder.pad_id)

    def lowest(self, rows: Sequence[Sequence[Encoded]], batch_size: int, heard: Heard) -> Selection:
        assert len(self._adapters) == 1, "rows of a pass are prompts, so they share the adapter"
        return select_prompt(self._model, rows, self._encoder.pad_id, batch_size, heard=heard)

    def information(self, rows: Sequence[Sequence[Encoded]]) -> list[Tensor]:
        found = stacked_fisher(self._model, self._adapters, rows, self._encoder.pad_id)
        return list(found)

    def weights(self, k: int) -> Tensor:
        return self._adapters.values[k].detach().clone()

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        return stacked_mean_losses(self._model, rows, self._size, self._encoder.pad_id)

    def delta_norms(self) -> list[float]:
        return stacked_delta_norms(self._adapters)

    def gradients(self, rows: Sequence[Sequence[Encoded]]) -> list[LayerGradients]:
        return last_layer_gradients(self._model, rows, True, self._encoder.pad_id)

    def soft_prompts(self) -> None:
        return None

    def save(self, k: int, folder: Path) -> None:
        self._adapters.save(k, folder)

    def export(self, k: int, folder: Path, base: str) -> None:
        self.save(k, folder)
