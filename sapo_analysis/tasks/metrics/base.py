"""What a metric is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sapo_analysis.tasks.base import Task

Mark = Callable[[str, Task, str], float]
"""(output, task, target), neither text empty, to 0.0 (wrong) to 1.0 (fully right)."""


@dataclass(frozen=True)
class Metric:
    """One way to judge outputs.

    Attributes:
        name: as tasks name it.
        definition: the score (0 to 100) in words.
        fully_right: when a single output counts as right, in words.
        mark: judges one output; a task's score is 100 times the mean mark, unless `corpus` is set.
        corpus: the score (0 to 100) over all (outputs, targets) at once, of a metric that counts
            over whole texts and is no mean of examples; no target is empty.
    """

    name: str
    definition: str
    fully_right: str
    mark: Mark
    corpus: Callable[[Sequence[str], Sequence[str]], float] | None = None


EMPTY = " An empty output is wrong, save where the target is empty."
"""The end of every definition."""
