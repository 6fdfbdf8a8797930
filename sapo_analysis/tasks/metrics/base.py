"""What a metric is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sapo_analysis.errors import InputError
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


@contextmanager
def of_the_training_half(metric: str) -> Iterator[None]:
    """For importing what a metric needs where it is first used: that is slow, and may fail.

    Raises:
        InputError: the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"Metric {metric!r} needs {error.name}, which is not installed here. It comes with the"
            " training half: pip install 'sapo-analysis[train]'."
        ) from error


EMPTY = " An empty output is wrong, save where the target is empty."
"""The end of every definition."""
