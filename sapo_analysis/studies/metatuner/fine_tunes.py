"""A fine-tune of MetaTuner (small), as `FineTunes`: one at a time, in plain padded passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.evaluation import Evaluation, evaluate
from sapo_analysis.learning.format_gradient import LayerGradients, last_layer_gradients
from sapo_analysis.learning.mean_loss import MeanLoss, mean_loss
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.learning.selection import Heard, Selection, scored_in_full
from sapo_analysis.learning.training import Fit
from sapo_analysis.methods.meta_tuning import MetaTuning
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.metatuner.candidates import Candidates
from sapo_analysis.studies.metatuner.parts import Parts
from sapo_analysis.studies.metatuner.reading import Reading, reading
from sapo_analysis.studies.metatuner.training import MetaTraining
from sapo_analysis.tasks.base import Example, Task

_FILE = "metatuner.safetensors"


@contextmanager
def metatuned(
    engine: Engine,
    model: PreTrainedModel,
    made: MetaTuning,
    candidates: Candidates,
    labels: Sequence[int],
    seed: int,
) -> Iterator[_MetaTuned]:
    """A fine-tune as it starts, gone after the block; the model's own weights never change.

    Args:
        engine: whose study and encoder count; passes are plain ones.
        model: the frozen actor.
        made: how the fine-tune is made.
        candidates: the prompts of the task that is learned.
        labels: the best candidate of each of the first training rows, for the frozen actor; none
            where there is no policy.
        seed: of the initialisation.

    Raises:
        InputError: see `Parts`.
    """
    lora, pad_id = engine.study.lora, engine.encoder.pad_id
    parts = Parts(model, made, lora, len(candidates), seed, pad_id)
    with parts.hooks, engine.checkpointed(model, parts.hooks.again):
        yield _MetaTuned(engine, model, parts, candidates, labels)


class _MetaTuned:
    """One fine-tune, as `FineTunes`."""

    n_differentiated = 0
    layout = AdapterLayout({})

    def __init__(
        self,
        engine: Engine,
        model: PreTrainedModel,
        parts: Parts,
        candidates: Candidates,
        labels: Sequence[int],
    ):
        self._engine, self._model, self._parts = engine, model, parts
        self._candidates, self._labels = candidates, labels
        self._pad_id = engine.encoder.pad_id
        self._size = engine.study.evaluation.batch_size
        # Of what is trained, that which each token is multiplied with; the rest is per example.
        self.n_trained = parts.per_token

    def begin(self, members: Sequence[Member]) -> None:
        (member,) = members
        self._training = MetaTraining(
            self._model, self._parts, member, self._candidates, self._labels, self._pad_id
        )

    @property
    def total_steps(self) -> int:
        return self._training.total_steps

    @property
    def fits(self) -> list[Fit]:
        return [self._training.fit]

    def train(self, until: int | None = None) -> None:
        self._training.advance(until)

    def _reading(self, rows: Sequence[Encoded]) -> Reading:
        return reading(self._parts, self._candidates, rows)

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        read, encoder = self._reading(rows[0]), self._engine.encoder
        found = evaluate(self._model, encoder, task, examples, read.rows, self._size, read.around)
        return [replace(found, tokens=found.tokens + read.tokens, chosen=read.chosen)]

    def losses(self, rows: Sequence[Sequence[Encoded]]) -> list[list[ExampleLoss]]:
        read = self._reading(rows[0])
        return [example_losses(self._model, read.rows, self._size, self._pad_id, read.around)]

    def lowest(self, rows: Sequence[Sequence[Encoded]], batch_size: int, heard: Heard) -> Selection:
        return scored_in_full((self.losses([own])[0] for own in rows), batch_size, heard)

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        read = self._reading(rows[0])
        found = mean_loss(self._model, read.rows, self._size, self._pad_id, read.around)
        return [replace(found, tokens=found.tokens + read.tokens)]

    def gradients(self, rows: Sequence[Sequence[Encoded]]) -> list[LayerGradients]:
        """The actor's, under the chosen prompts and with the LoRA of each text."""
        read = self._reading(rows[0])
        (found,) = last_layer_gradients(self._model, [read.rows], False, self._pad_id, read.around)
        return [replace(found, tokens=found.tokens + read.tokens)]

    @property
    def trained_values(self) -> int:
        """How many values are trained; `n_trained` counts those that each token meets."""
        return sum(weight.numel() for weight in self._parts.named().values())

    def soft_prompts(self) -> None:
        return None

    def delta_norms(self) -> None:
        """There is no one update: each text has its own."""
        return None

    def save(self, k: int, folder: Path) -> None:
        """Write all parts by name, in a format of this project's own."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {**self._parts.named(), **self._parts.settled()}
        weights = {name: w.detach().contiguous().cpu() for name, w in kept.items()}
        save_file(weights, folder / _FILE)

    def export(self, k: int, folder: Path, base: str) -> None:
        raise InputError(
            "MetaTuner (small) writes LoRA for each text, and peft's format holds one adapter for"
            " all texts. Set keep_adapters to false."
        )
