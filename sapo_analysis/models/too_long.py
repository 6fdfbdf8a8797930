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


class Size(NamedTuple):
    """An example's length in tokens: its input text by itself, and all else that is read.

    All else is prompt, layout, answer format, target, and before a test room for a written answer.
    """

    input: int
    rest: int

    @property
    def whole(self) -> int:
        """Both together."""
        return self.input + self.rest


def too_long(
    task: Task, split: Split, prompt: Prompt, sizes: Sequence[Size], max_length: int
) -> str:
    """The message for the examples of a split, `sizes` in order, some longer than `max_length`."""
    concerned = [i for i, size in enumerate(sizes) if size.whole > max_length]
    longest = max(sizes[i].whole for i in concerned)
    fits = max_length - max(sizes[i].rest for i in concerned) - _SPARE
    next_step = (
        f"Set inputs.max_tokens to {fits} and inputs.too_long to cut or drop, or leave the longest"
        " prompts out."
        if fits > 0
        else "They would be without any input: shorten the prompt, or use a model with a longer"
        " context."
    )
    return (
        f"Prompt {prompt.prompt_id!r} of task {task.name!r} makes {len(concerned)} of {len(sizes)}"
        f" {split} examples up to {longest} tokens long; the model reads at most {max_length}"
        f" (rows {listed(concerned)}). Nothing is cut silently. {next_step}"
    )


def listed(numbers: Sequence[int]) -> str:
    """Row numbers in words: the first of them."""
    named = ", ".join(map(str, numbers[:LISTED]))
    return named if len(numbers) <= LISTED else f"{named}, …"
