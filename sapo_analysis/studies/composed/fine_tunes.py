"""Fine-tunes that a recipe makes, as `FineTunes`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.format_gradient import LayerGradients
from sapo_analysis.learning.mean_loss import MeanLoss
from sapo_analysis.learning.members import Dev, Member
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import Heard, Selection
from sapo_analysis.learning.training import Fit
from sapo_analysis.methods.recipe import Recipe
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.delta_norm import stacked_delta_norms
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.prefix import Prefixes
from sapo_analysis.models.soft_prompt import TrainedPrompts
from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.composed.files import export, save_state
from sapo_analysis.studies.composed.parts import Parts, parts_in
from sapo_analysis.studies.composed.phases import Phases
from sapo_analysis.studies.composed.standing import Standing
from sapo_analysis.studies.engine import Engine
from sapo_analysis.tasks.base import Example, Task


@contextmanager
def composed(
    engine: Engine, base: PreTrainedModel, recipe: Recipe, begun: Sequence[Begun]
) -> Iterator[_Composed]:
    """Fine-tunes as a recipe starts them, gone after the block.

    Raises:
        InputError: as `parts_in`.
    """
    with (
        parts_in(engine, base, recipe, begun) as parts,
        engine.checkpointed_with(parts.model, [p.dropout for p in parts.by_name.values()]),
    ):
        try:
            yield _Composed(engine, recipe, begun, parts)
        finally:
            base.requires_grad_(False)


class _Composed:
    """K fine-tunes by one recipe; each number as if it were the only one."""

    def __init__(self, engine: Engine, recipe: Recipe, begun: Sequence[Begun], parts: Parts):
        self._engine, self._recipe, self._begun, self._parts = engine, recipe, begun, parts
        self._standing = Standing(recipe, parts, begun)
        adapters: Any = parts.by_name.get("lora")
        self.layout = adapters.layout if adapters is not None else AdapterLayout({})
        self.n_trained = sum(part.values.shape[1] for part in parts.by_name.values())
        whole = recipe.has("whole-model")
        self.n_differentiated = sum(p.numel() for p in parts.model.parameters()) if whole else 0

    @property
    def total_steps(self) -> int:
        return self._recipe.steps

    def begin(self, members: Sequence[Member]) -> None:
        read = [self._standing.member(k, member) for k, member in enumerate(members)]
        self._phases = Phases(self._engine, self._recipe, self._parts, read, self._judge)

    @property
    def fits(self) -> list[Fit]:
        return self._phases.fits

    def train(self, until: int | None = None) -> None:
        self._phases.advance(until)

    def _judge(self, devs: Sequence[Dev]) -> list[Evaluation]:
        """Each fine-tune on the dev rows of the task it learns."""
        model, engine = self._parts.model, self._engine
        if len({dev.task.name for dev in devs}) == 1:
            first = devs[0]
            rows = [dev.rows for dev in devs]
            return engine.evaluate_all(model, first.task, first.examples, rows)
        # Tasks of different metrics and labels: one pass each, of which one answer is wanted.
        found: dict[int, Evaluation] = {}
        for name in dict.fromkeys(dev.task.name for dev in devs):
            mine = [k for k, dev in enumerate(devs) if dev.task.name == name]
            some = devs[mine[0]]
            rows = [dev.rows if dev.task.name == name else some.rows for dev in devs]
            results = engine.evaluate_all(model, some.task, some.examples, rows)
            found |= {k: results[k] for k in mine}
        return [found[k] for k in range(len(devs))]

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        read = self._standing.of_all(task.name, rows)
        with self._standing.on_for(task.name):
            return self._engine.evaluate_all(self._parts.model, task, examples, read)

    def losses(self, rows: Sequence[Sequence[Encoded]]) -> list[list[ExampleLoss]]:
        read = [self._standing.scored(k, own) for k, own in enumerate(rows)]
        with self._standing.on_for(None):
            return self._engine.losses_all(self._parts.model, read)

    def lowest(self, rows: Sequence[Sequence[Encoded]], batch_size: int, heard: Heard) -> Selection:
        read = [self._standing.scored(0, own) for own in rows]
        with self._standing.on_for(None):
            return self._engine.lowest(self._parts.model, read, batch_size, heard)

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        """Each fine-tune's loss over examples of the task that it learns."""
        read = [
            self._standing.rows(k, one.task.name, own)
            for k, (one, own) in enumerate(zip(self._begun, rows, strict=True))
        ]
        return self._engine.mean_losses_all(self._parts.model, read)

    def gradients(self, rows: Sequence[Sequence[Encoded]]) -> list[LayerGradients]:
        # Of training rows: behind their own demonstrations their answers would be in sight.
        read = [self._standing.again(k, own) for k, own in enumerate(rows)]
        return self._engine.gradients_all(self._parts.model, read)

    def delta_norms(self) -> list[float] | None:
        """Frobenius norm of each adapter's update; None where no adapter is trained."""
        adapters: Any = self._parts.by_name.get("lora")
        return None if adapters is None else stacked_delta_norms(adapters)

    @torch.no_grad()
    def soft_prompts(self) -> list[Tensor] | None:
        for part in self._parts.by_name.values():
            # What layers read at the virtual tokens of a prefix is no matter.
            if isinstance(part, TrainedPrompts) and not isinstance(part, Prefixes):
                pairs = zip(part.prompts(), part.lengths, strict=True)
                return [prompt[:length].clone() for prompt, length in pairs]
        return None

    def save(self, k: int, folder: Path) -> None:
        save_state(self._recipe, self._parts, self._begun[k], k, folder)

    def export(self, k: int, folder: Path, base: str) -> None:
        export(self._recipe, self._parts, k, folder, base)
