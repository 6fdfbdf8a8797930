"""A whole model that is trained, as `FineTunes`: one at a time, in a plain loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import load_model, save_model
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.format_gradient import LayerGradients, last_layer_gradients
from sapo_analysis.learning.mean_loss import MeanLoss
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import Heard, Selection, scored_in_full
from sapo_analysis.learning.training import Fit, Training
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.engine import Engine
from sapo_analysis.tasks.base import Example, Task

_FILE = "model.safetensors"


@contextmanager
def whole_model(
    engine: Engine, base: PreTrainedModel, start: AdapterStart
) -> Iterator[_WholeModel]:
    """A copy of the base model, or of the one that an earlier stage left, all of it trainable.

    Raises:
        InputError: the earlier stage's weights are missing.
    """
    model = copy.deepcopy(base)
    if start.carried is not None:
        file = start.carried / _FILE
        if not file.is_file():
            raise InputError(
                f"The model of an earlier stage is missing (file {file}), so its run cannot be"
                " continued. Run its spec.json again."
            )
        load_model(model, str(file))
    model.requires_grad_(True)
    with engine.checkpointed(model):
        yield _WholeModel(engine, model)


class _WholeModel:
    """One model, as `FineTunes`."""

    n_trained = 0
    layout = AdapterLayout({})

    def __init__(self, engine: Engine, model: PreTrainedModel):
        self._engine, self._model = engine, model
        self._pad_id = engine.encoder.pad_id
        self.n_differentiated = sum(p.numel() for p in model.parameters())

    def begin(self, members: Sequence[Member]) -> None:
        (member,) = members
        self._training = Training(self._model, member, self._pad_id)

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
        return [self._engine.evaluate(self._model, task, examples, rows[0])]

    def losses(self, rows: Sequence[Sequence[Encoded]]) -> list[list[ExampleLoss]]:
        return [self._engine.losses(self._model, rows[0])]

    def lowest(self, rows: Sequence[Sequence[Encoded]], batch_size: int, heard: Heard) -> Selection:
        return scored_in_full((self.losses([own])[0] for own in rows), batch_size, heard)

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        return self._engine.mean_losses_all(self._model, rows)

    def delta_norms(self) -> None:
        return None

    def gradients(self, rows: Sequence[Sequence[Encoded]]) -> list[LayerGradients]:
        is_packed = self._engine.name == "stacked"
        return last_layer_gradients(self._model, rows, is_packed, self._pad_id)

    def soft_prompts(self) -> None:
        return None

    def save(self, k: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self._model, str(folder / _FILE))

    def export(self, k: int, folder: Path, base: str) -> None:
        self.save(k, folder)
