"""What an engine makes of some fine-tunes, for as long as their adapters are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.mean_loss import MeanLoss
from sapo_analysis.learning.training import Fit
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.tasks.base import Example, Task


class FineTunes(Protocol):
    """Adapters on one state, in the order of their members, trained as far as wanted.

    Attributes:
        n_trained: parameters of one adapter.
    """

    n_trained: int

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

    def mean_losses(self, rows: Sequence[Sequence[Encoded]]) -> list[MeanLoss]:
        """Each adapter's loss over some examples; `rows[k]`: as adapter k reads them."""
        ...

    def delta_norms(self) -> list[float]:
        """Frobenius norm of each adapter's whole update (weight units)."""
        ...

    def save(self, k: int, folder: Path) -> None:
        """Write adapter k in peft's format."""
        ...
