"""What is said of examples that are longer than a model reads: all of them, and what would fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sapo_analysis.prompts.base import Prompt
from sapo_analysis.tasks.base import Split, Task

LISTED = 20
"""Row numbers that are named; the count says how many there are."""
_SPARE = 4
"""Tokens by which an input by itself and in its place can differ, with some to spare."""


class Reading(NamedTuple):
    """The first `n` examples of a split of a task, under a prompt, behind demonstrations."""

    task: Task
    split: Split
    n: int
    prompt: Prompt
    n_shots: int = 0


class Size(NamedTuple):
    """An example's length in tokens: its input text by itself, and all else that is read.

    All else is prompt, layout, answer format, target, demonstrations, and before a test room for a
    written answer.
    """

    input: int
    rest: int

    @property
    def whole(self) -> int:
        """Both together."""
        return self.input + self.rest


class Misfit(NamedTuple):
    """A reading of which some examples are too long; `sizes` of all its examples, in order."""

    reading: Reading
    sizes: Sequence[Size]
    max_length: int

    @property
    def rows(self) -> list[int]:
        """The numbers of the examples that are too long."""
        return [i for i, size in enumerate(self.sizes) if size.whole > self.max_length]

    @property
    def longest(self) -> int:
        """Length of the longest example (tokens)."""
        return max(size.whole for size in self.sizes)

    @property
    def room(self) -> int:
        """The longest input by which each of the examples that are too long would fit (tokens)."""
        return self.max_length - max(self.sizes[i].rest for i in self.rows) - _SPARE

    def in_words(self) -> str:
        """Which they are."""
        task, split, n, prompt, n_shots = self.reading
        behind = "" if n_shots == 0 else f" behind {_demonstrations(n_shots)}"
        return (
            f"Prompt {prompt.prompt_id!r} of task {task.name!r} makes {len(self.rows)} of {n}"
            f" {split} examples{behind} up to {self.longest} tokens long (rows {listed(self.rows)})"
        )


def too_long(misfits: Sequence[Misfit]) -> str:
    """The message for all that is too long: of each task and split its longest prompt is named.

    Examples behind demonstrations are named beside those without, for another setting mends them.
    """
    named: dict[tuple[str, Split, bool], Misfit] = {}
    for misfit in sorted(misfits, key=lambda own: (-len(own.rows), -own.longest)):
        of = misfit.reading
        named.setdefault((of.task.name, of.split, of.n_shots > 0), misfit)
    listing = ";\n".join(named[key].in_words() for key in sorted(named))
    alone = [misfit for misfit in misfits if misfit.reading.n_shots == 0]
    behind = [misfit for misfit in misfits if misfit.reading.n_shots > 0]
    steps = [*([_shorter(alone)] if alone else []), *([_fewer(behind)] if behind else [])]
    return (
        f"{listing}; the model reads at most {misfits[0].max_length}. Nothing is cut silently."
        f" {' '.join(steps)}"
    )


def _shorter(misfits: Sequence[Misfit]) -> str:
    """What makes examples without demonstrations fit."""
    tightest = min(misfits, key=lambda own: own.room)
    if tightest.room > 0:
        return (
            f"Set inputs.max_tokens to {tightest.room} and inputs.too_long to cut: then all of this"
            " fits. Or to drop, where enough rows are shorter, or leave the longest prompts out."
        )
    return (
        f"Under prompt {tightest.reading.prompt.prompt_id!r} they would be without any input:"
        " shorten it or leave it out, or use a model with a longer context."
    )


def _fewer(misfits: Sequence[Misfit]) -> str:
    """What to do about examples that are too long behind demonstrations."""
    tested = [m.reading.n_shots for m in misfits if m.reading.split == "test"]
    steps = []
    if tested:
        steps.append(f"Lower evaluation.n_shots: leave out {min(tested)} and more.")
    if len(tested) < len(misfits):
        steps.append("Leave out methods that train behind a demonstration.")
    return " ".join([*steps, "Shorter inputs (inputs.max_tokens) shorten demonstrations as well."])


def _demonstrations(n: int) -> str:
    """How many demonstrations."""
    return f"{n} demonstration" if n == 1 else f"{n} demonstrations"


def listed(numbers: Sequence[int]) -> str:
    """Row numbers in words: the first of them."""
    named = ", ".join(map(str, numbers[:LISTED]))
    return named if len(numbers) <= LISTED else f"{named}, …"
