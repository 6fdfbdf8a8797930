"""The stacked engine: many adapters at once on packed rows, each number as the plain engine's.

Scoring reads each prompt's shared prefix once, training and evaluation serve a whole stack of
adapters in one pass. When the memory does not hold a stack, it is halved.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.mean_loss import MeanLoss, stacked_mean_losses
from sapo_analysis.learning.packed_scoring import check_packed, packed_losses, packed_nll
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.stacked_check import check_stacked
from sapo_analysis.learning.stacked_training import StackedTraining
from sapo_analysis.learning.training import Fit, Member
from sapo_analysis.models.delta_norm import stacked_delta_norms
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.packing import shared_prefix
from sapo_analysis.models.stacked_lora import StackedAdapters, stacked_adapters
from sapo_analysis.plan import BASE_STATE, Trial
from sapo_analysis.studies.base import Engine, Rows
from sapo_analysis.studies.meter import Meter
from sapo_analysis.tasks.base import Example, Task


class StackedEngine(Engine):
    """Runs the groups of one plan on one device, a stack of trials at a time."""

    name = "stacked"

    def check(self) -> None:
        """See `Engine.check`; the model also has to read packed rows, and adapters to stack."""
        super().check()
        longest = max(self.encoder.known(), key=lambda row: len(row.ids))
        name = next(iter(self.plan.tasks))
        rows = [*self.test_rows(name, self.original(name))[:3], longest]
        model = self.states.at(BASE_STATE)
        check_packed(model, rows, self.encoder.pad_id)
        check_stacked(model, self.plan.study.lora, rows, self.encoder.pad_id)

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
        batches = math.ceil(len(rows) / self.plan.study.evaluation.batch_size)
        return self.reading(rows)[0] + (batches - 1) * shared_prefix(rows)

    def step_tokens(self, rows: Sequence[Encoded]) -> float:
        """See `Engine.step_tokens`; with dropout each example has a prefix of its own."""
        prefix = 0 if self.plan.study.lora.lora_dropout else shared_prefix(rows)
        own = sum(len(row.ids) - prefix for row in rows) / len(rows)
        return prefix + self.plan.study.training.batch_size * own

    def evaluate(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Encoded],
    ) -> Evaluation:
        """See `Engine.evaluate`."""
        size = self.plan.study.evaluation.batch_size
        return evaluate_stacked(model, self.encoder, task, examples, [rows], size)[0]

    @contextmanager
    def fresh(self, model: PreTrainedModel, members: Sequence[Member]) -> Iterator[_Stack]:
        """See `Engine.fresh`."""
        seeds = [member.seed for member in members]
        with stacked_adapters(model, self.plan.study.lora, seeds) as adapters:
            size = self.plan.study.evaluation.batch_size
            yield _Stack(model, adapters, members, self.encoder, size)

    def trials(self, trials: Sequence[Trial], meter: Meter) -> Rows:
        """See `Engine.trials`; a stack that the memory does not hold is halved.

        Each trial's row says in how large a stack it was trained.
        """
        attempt = Meter(self.sizes)
        try:
            found = super().trials(trials, attempt)
        except RuntimeError as error:
            if not _out_of_memory(error) or len(trials) == 1:
                raise
        else:
            meter.include(attempt)
            return found
        meter.include(attempt, failed=True)
        # Here the failed attempt is over and nothing refers to its tensors any more.
        gc.collect()
        if self.device.name == "cuda":
            torch.cuda.empty_cache()
        half = len(trials) // 2
        self.say(f"out of memory with {len(trials)} adapters: trying {len(trials) - half}")
        found = self.trials(trials[:half], meter)
        for table, rows in self.trials(trials[half:], meter).items():
            found[table] += rows
        return found


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether torch had no memory left; on a CPU it says so in words alone."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class _Stack:
    """A stack of adapters, as `FineTunes`."""

    def __init__(
        self,
        model: PreTrainedModel,
        adapters: StackedAdapters,
        members: Sequence[Member],
        encoder: Encoder,
        size: int,
    ):
        self._model, self._adapters, self._encoder, self._size = model, adapters, encoder, size
        self._training = StackedTraining(model, adapters, members, encoder.pad_id)
        self.n_trained = adapters.values.shape[1]

    @property
    def fits(self) -> list[Fit]:
        return self._training.fits

    def train(self, until: int | None = None) -> None:
        self._training.advance(until)

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        return evaluate_stacked(self._model, self._encoder, task, examples, rows, self._size)

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        return stacked_mean_losses(self._model, rows, self._size, self._encoder.pad_id)

    def delta_norms(self) -> list[float]:
        return stacked_delta_norms(self._adapters)

    def save(self, k: int, folder: Path) -> None:
        self._adapters.save(k, folder)
