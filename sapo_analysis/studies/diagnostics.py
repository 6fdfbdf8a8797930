"""The indicators that need the model, for every candidate prompt of a task at a state.

`scoring.diagnostics` is the number of rows that gradients are taken over: of the current task its
first training rows under the candidate, of every other task its first dev rows under its original
prompt. Test rows are never read.

- `gradient_norm`: of the loss, by all weights that adapters change (nats/token per unit of weight).
- `gradient_alignment_past`, `_unseen`, `_retained`: mean over a role's tasks of the cosine with
  their gradients, −1 to 1. Positive: a small step that helps this task helps them.
- `loss_after_step`: after one step of fixed length down the gradient (nats/token).
- `prompt_perplexity`: exp of the mean −log p of the prompt's own tokens where it stands; 1 or more.
- `prompt_similarity`: largest cosine of its representation with those of the original prompts of
  learned tasks, −1 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, get_args

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import in_batches
from sapo_analysis.learning.diagnostics import (
    Gradient,
    cosine,
    gradient_norm,
    largest_cosine,
    layer_weight,
    loss_after_step,
    loss_gradient,
    representations,
)
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import adapted_layers
from sapo_analysis.plan import BASE_STATE, Role
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.rows import Indicator

if TYPE_CHECKING:
    from sapo_analysis.studies.paraphrase import ParaphraseWork


class Work(NamedTuple):
    """Rows read, their tokens, and of the rows those with a gradient."""

    examples: int
    tokens: int
    with_gradient: int


@dataclass
class _AtState:
    """What candidates at one state are compared with, each made when it is first asked for.

    Attributes:
        gradients: of each other task's own loss.
        representations: of the original prompts of learned tasks.
    """

    state_id: str
    gradients: dict[str, Gradient] = field(default_factory=dict)
    representations: dict[str, Tensor] = field(default_factory=dict)


class Diagnostics:
    """Measures a study's candidates; references are kept for the state at hand alone."""

    def __init__(self, work: ParaphraseWork):
        self._host, self._engine, self._plan = work, work.engine, work.plan
        self._n = work.plan.study.scoring.diagnostics
        # No more rows at once than a training step reads, so the memory for that is enough.
        self._rows_at_once = work.plan.study.training.batch_size * work.plan.chunk
        base = work.states.at(BASE_STATE)
        self._layers = adapted_layers(base, work.plan.study.lora)
        self._n_weights = sum(layer_weight(base, name).numel() for name in self._layers)
        self._at = _AtState("")

    @property
    def reference_bytes(self) -> int:
        """Memory that the references of one state take at most."""
        return 4 * self._n_weights * len(self._plan.tasks)

    def check(self) -> None:
        """Encode early all that will be read.

        Raises:
            InputError: a text does not fit, or a prompt's own tokens cannot be found.
        """
        for name in self._plan.tasks:
            self._reference_rows(name)
            self._prompt_row(name, self._host.original(name))
        for name, candidates in self._plan.prompts.items():
            for prompt in candidates:
                self._rows(name, prompt)
                self._prompt_row(name, prompt)

    def measure(self, state_id: str, task: str, prompt: Prompt, meter: Meter) -> list[Indicator]:
        """Indicators of one candidate prompt of a task at a state."""
        if self._at.state_id != state_id:
            self._at = _AtState(state_id)
        with meter.time("score"):
            model = self._host.states.at(state_id)
            return [
                *self._of_gradient(model, task, prompt, meter),
                *self._of_text(model, task, prompt, meter),
            ]

    def forecast(self) -> Work:
        """What measuring every candidate of the plan will read."""
        return Work(*(sum(column) for column in zip(*self._planned(), strict=True)))

    def gradient(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> Gradient:
        """Gradient of the token-mean loss over some rows."""
        return loss_gradient(model, self._layers, self._engine.nll, rows, self._rows_at_once)

    def _of_gradient(
        self, model: PreTrainedModel, task: str, prompt: Prompt, meter: Meter
    ) -> Iterator[Indicator]:
        rows = self._rows(task, prompt)
        gradient = self._counted_gradient(model, rows, meter)
        norm = gradient_norm(gradient)
        yield Indicator("gradient_norm", norm, "nats/token per unit of weight", self._n)
        if not 0 < norm < math.inf:
            return  # no direction, so nothing that it could agree with and no step
        for role, cosines in self._alignments(model, task, gradient, meter):
            mean = sum(cosines) / len(cosines)
            yield Indicator(f"gradient_alignment_{role}", mean, "mean cosine", self._n)
        meter.add("score", len(rows), *self._batched_reading(rows))
        after = loss_after_step(model, gradient, self._engine.nll, rows, self._rows_at_once)
        yield Indicator("loss_after_step", after, "nats/token", self._n)

    def _alignments(
        self, model: PreTrainedModel, task: str, gradient: Gradient, meter: Meter
    ) -> Iterator[tuple[Role, list[float]]]:
        """For each role that has tasks, the cosines with their gradients where those have one."""
        found: dict[Role, list[float]] = {role: [] for role in get_args(Role)}
        for other in self._plan.tasks:
            role = self._plan.role_at(self._at.state_id, task, other)
            if role == "current":
                continue
            if other not in self._at.gradients:
                rows = self._reference_rows(other)
                self._at.gradients[other] = self._counted_gradient(model, rows, meter)
            value = cosine(gradient, self._at.gradients[other])
            if math.isfinite(value):
                found[role].append(value)
        return ((role, cosines) for role, cosines in found.items() if cosines)

    def _of_text(
        self, model: PreTrainedModel, task: str, prompt: Prompt, meter: Meter
    ) -> Iterator[Indicator]:
        row = self._prompt_row(task, prompt)
        meter.add("score", 1, *self._engine.reading([row]))
        (loss,) = self._engine.losses(model, [row])
        yield Indicator("prompt_perplexity", math.exp(loss.nll_sum / loss.n_tokens), "1", 0)
        known = self._at.representations
        learned = self._plan.learned(self._at.state_id)
        for name in learned:
            if name not in known:
                original = self._prompt_row(name, self._host.original(name))
                known[name] = self._representation(model, original, meter)
        if learned:
            own = self._representation(model, row, meter)
            value = largest_cosine(own, torch.stack([known[name] for name in learned]))
            yield Indicator("prompt_similarity", value, "cosine", 0)

    def _rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        if self._n <= self._plan.study.scoring.examples:
            return self._host.scoring_rows(task, prompt)[: self._n]  # these are encoded anyway
        return self._engine.encoder.encode_split(self._plan.tasks[task], "train", self._n, prompt)

    def _reference_rows(self, task: str) -> Sequence[Encoded]:
        original = self._host.original(task)
        return self._engine.encoder.encode_split(self._plan.tasks[task], "dev", self._n, original)

    def _prompt_row(self, task: str, prompt: Prompt) -> Encoded:
        return self._engine.encoder.encode_prompt(self._plan.tasks[task], prompt)

    def _planned(self) -> Iterator[Work]:
        scored: dict[str, list[str]] = {}
        for group in self._plan.groups:
            if group.kind == "score":
                scored.setdefault(str(group.state_id), []).append(str(group.task))
        for state_id, tasks in scored.items():
            learned = self._plan.learned(state_id)
            for task, prompt in ((t, p) for t in tasks for p in self._plan.candidates(t)):
                rows, text = self._rows(task, prompt), self._prompt_row(task, prompt)
                yield self._work(rows, gradient=True)
                yield self._work(rows)
                yield self._work([text])
                if learned:
                    yield Work(1, len(text.ids), 0)
            for name in self._plan.tasks:
                if tasks != [name]:  # another task is compared with it
                    yield self._work(self._reference_rows(name), gradient=True)
            for name in learned:
                yield Work(1, len(self._prompt_row(name, self._host.original(name)).ids), 0)

    def _work(self, rows: Sequence[Encoded], gradient: bool = False) -> Work:
        return Work(len(rows), self._batched_reading(rows)[0], len(rows) if gradient else 0)

    def _batched_reading(self, rows: Sequence[Encoded]) -> tuple[int, int]:
        readings = [self._engine.reading(batch) for batch in in_batches(rows, self._rows_at_once)]
        return sum(tokens for tokens, _ in readings), sum(logits for _, logits in readings)

    def _counted_gradient(
        self, model: PreTrainedModel, rows: Sequence[Encoded], meter: Meter
    ) -> Gradient:
        reading = self._batched_reading(rows)
        meter.add("score", len(rows), *reading, n_differentiated=self._n_weights)
        return self.gradient(model, rows)

    def _representation(self, model: PreTrainedModel, row: Encoded, meter: Meter) -> Tensor:
        meter.add("score", 1, len(row.ids), 0)
        return representations(model, [row], 1, self._engine.encoder.pad_id)[0]
