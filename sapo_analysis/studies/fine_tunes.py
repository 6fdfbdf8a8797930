"""What an engine makes of some fine-tunes, for as long as their adapters are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.training import Fit
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.tasks.base import Example, Task


class FineTunes(Protocol):
    """Trained adapters on one state, in the order of their members.

    Attributes:
        fits: what training left behind.
        n_trained: parameters of one adapter.
    """

    fits: list[Fit]
    n_trained: int

    def evaluate(
        self, task: Task, examples: Sequence[Example], rows: Sequence[Sequence[Encoded]]
    ) -> list[Evaluation]:
        """Each adapter on a task's examples; `rows[k]`: as adapter k reads them."""
        ...

    def save(self, k: int, folder: Path) -> None:
        """Write adapter k in peft's format."""
        ...
