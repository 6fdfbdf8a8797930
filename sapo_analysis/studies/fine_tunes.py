"""What is made of some fine-tunes, for as long as they are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.format_gradient import LayerGradients
from sapo_analysis.learning.mean_loss import MeanLoss
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import Heard, Selection
from sapo_analysis.learning.training import Fit
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.tasks.base import Example, Task


class FineTunes(Protocol):
    """Fine-tunes of one model, in order, trained as far as wanted: adapters, or a whole model.

    Attributes:
        n_trained: parameters of one adapter, beside the model's own.
        n_differentiated: of the model's own parameters, those that are trained.
        layout: of an adapter's weights as one vector.
    """

    n_trained: int
    n_differentiated: int
    layout: AdapterLayout

    def begin(self, members: Sequence[Member]) -> None:
        """Make ready to train adapter k on member k."""
        ...

    @property
    def total_steps(self) -> int:
        """Optimizer steps from the beginning to the end, all phases; the most of any member."""
        ...

    @property
    def fits(self) -> list[Fit]:
        """What training left behind so far."""
        ...

    def train(self, until: int | None = None) -> None:
        """Train on until `until` optimizer steps are taken; without it, each to its end."""
        ...

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        """Each adapter on a task's examples; `rows[k]`: as adapter k reads them."""
        ...

    def losses(self, rows: Sequence[Sequence[Encoded]]) -> list[list[ExampleLoss]]:
        """Each adapter's teacher-forced losses, in order; `rows[k]`: as adapter k reads them."""
        ...

    def lowest(self, rows: Sequence[Sequence[Encoded]], batch_size: int, heard: Heard) -> Selection:
        """Which of several prompts has the lowest loss, for a single adapter.

        `rows[i]`: the examples under prompt i; `batch_size`: of the released averaging; `heard`:
        told of each prompt as more of its losses are known.
        """
        ...

    def gradients(self, rows: Sequence[Sequence[Encoded]]) -> list[LayerGradients]:
        """Each adapter's gradient by the model's own weights in the last layer, as it is now.

        `rows[k]`: as adapter k reads them; the loss is nats per target token over all of them.
        """
        ...

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        """Each adapter's loss over some examples; `rows[k]`: as adapter k reads them."""
        ...

    def delta_norms(self) -> list[float] | None:
        """Frobenius norm of each adapter's whole update (weight units); None: none is there."""
        ...

    def soft_prompts(self) -> list[Tensor] | None:
        """A copy of each fine-tune's own soft prompt [tokens, size]; None: they have none."""
        ...

    def save(self, k: int, folder: Path) -> None:
        """Write what fine-tune k left: an adapter in peft's format, or a whole model."""
        ...

    def export(self, k: int, folder: Path, base: str) -> None:
        """Write fine-tune k for its user in peft's format; `base` is the model's public name.

        Raises:
            InputError: peft's format cannot hold it exactly.
        """
        ...


class Adapters(FineTunes, Protocol):
    """Fine-tunes that are adapters on a frozen model."""

    def information(self, rows: Sequence[Sequence[Encoded]]) -> list[Tensor]:
        """Each adapter's diagonal Fisher information over `rows[k]` [parameters]."""
        ...

    def weights(self, k: int) -> Tensor:
        """The weights of adapter k as one vector [parameters]."""
        ...


def trained_values(tuned: FineTunes) -> int:
    """How many numbers one of some fine-tunes trains, all phases; their own word goes first."""
    own = getattr(tuned, "trained_values", None)
    return tuned.n_trained + tuned.n_differentiated if own is None else int(own)
