"""Which solved examples of a task stand before a row, where a model is shown some.

They are training rows, drawn for each row by a hash of the task's name, the row's split and its
number: the same for every prompt, seed, state, method and device, and however many rows a study
trains on. More demonstrations are the same ones and further ones. No demonstration has the input of
the row, nor that of another demonstration.

What the draw does not do: it takes the first `POOL` training rows alone, which a study may have
trained on as well; it does not balance labels, so a model that only copies the demonstration's
answer is right where the two happen to agree; and inputs that differ in a letter count as two.
"""

from __future__ import annotations

from hashlib import blake2b

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import Example, Split, Task

POOL = 64
"""First training rows that demonstrations are drawn from (examples)."""


def demonstrations(task: Task, split: Split, row: int, n: int) -> list[Example]:
    """The `n` demonstrations that stand before a row, in the order they are shown.

    Args:
        task: The task.
        split: The row's split.
        row: The row's number in it, from 0.
        n: How many, from 0.

    Raises:
        InputError: the task has too few training rows with other inputs.
    """
    if n == 0:
        return []
    own = task.examples(split)[row].input
    pool = task.examples("train")[:POOL]
    found: dict[str, Example] = {}
    for i in sorted(range(len(pool)), key=lambda i: _place(task.name, split, row, i)):
        if pool[i].input != own:
            found.setdefault(pool[i].input, pool[i])
        if len(found) == n:
            return list(found.values())
    raise InputError(
        f"Task {task.name!r} has {len(found)} different inputs among its first {POOL} training rows"
        f" beside that of {split} row {row}, {n} {'is' if n == 1 else 'are'} to be shown before it."
        f" Show at most {len(found)} (evaluation.n_shots, or a method that shows some in training),"
        " or give the task more training rows."
    )


def pool_of(task: Task) -> int:
    """How many first training rows demonstrations are drawn from (examples)."""
    return min(POOL, len(task.examples("train")))


def _place(task: str, split: Split, row: int, i: int) -> bytes:
    return blake2b(f"{task} {split} {row} {i}".encode(), digest_size=8).digest()
