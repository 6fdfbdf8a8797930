"""One fine-tune as it is asked for, and the batches that it meets, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import torch

from sapo_analysis.learning.penalties import Penalty
from sapo_analysis.learning.perturbation import Perturbation
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packing import shared_prefix
from sapo_analysis.spec import TrainingSettings
from sapo_analysis.tasks.base import Example, Task


@dataclass(frozen=True)
class Drawn:
    """The same examples under several prompts, of which one is drawn again and again (PAFT).

    Attributes:
        variants: the examples under each prompt, in file order.
        every: steps between two draws.
    """

    variants: Sequence[Sequence[Encoded]]
    every: int

    def at(self, seed: int, step: int) -> int:
        """The number of the variant that step `step` (from 0) trains on."""
        return Random(f"{seed} {step // self.every}").randrange(len(self.variants))


@dataclass(frozen=True)
class Replay:
    """Rows of earlier tasks, `n` of which join each batch."""

    rows: Sequence[Encoded]
    n: int


class RowChange(Protocol):
    """Reads a row otherwise each time that it is met, in clean and in perturbed passes alike."""

    def at(self, row: Encoded, seed: int, step: int, place: int) -> Encoded:
        """A row of a batch as it is read.

        Args:
            row: as the member has it.
            seed: the member's.
            step: optimizer steps taken before.
            place: the row's number in the batch, replayed ones included.
        """
        ...


@dataclass(frozen=True)
class Dev:
    """Held-out examples of the task that is learned, as rows under its prompt."""

    task: Task
    examples: Sequence[Example]
    rows: Sequence[Encoded]


@dataclass(frozen=True)
class Member:
    """One fine-tune.

    Attributes:
        rows: its examples under its prompt.
        settings: of the optimizer and its schedule.
        seed: of data order and dropout.
        drawn: the same examples under the prompts that are drawn in its place.
        replay: rows of earlier tasks.
        penalty: what is added to the loss.
        mixed: rows of earlier tasks by name, mixed evenly with its own where each stands behind its
            own soft prompt.
        dev: what its checkpoints are judged on, where the best is kept.
        changed: what each row is made into whenever it is met; then no prefix is shared.
        static: first positions of every row whose keys and values depend on nothing after them, nor
            on which of them a row does not see; they are a shared prefix in any case (tokens).
        perturbed: how the texts are perturbed in a second pass over each batch.
    """

    rows: Sequence[Encoded]
    settings: TrainingSettings
    seed: int
    drawn: Drawn | None = None
    replay: Replay | None = None
    penalty: Penalty | None = None
    mixed: Sequence[tuple[str, Sequence[Encoded]]] = ()
    dev: Dev | None = None
    changed: RowChange | None = None
    static: int = 0
    perturbed: Perturbation | None = None

    @property
    def rows_per_step(self) -> int:
        """How many rows each batch has, replayed ones included."""
        return self.settings.batch_size + (self.replay.n if self.replay is not None else 0)


class Batches:
    """The batches of one fine-tune, one after the other."""

    def __init__(self, member: Member):
        self._member = member
        self._order = batch_order(len(member.rows), member.settings.batch_size, member.seed)
        self._replay = member.replay if member.replay is not None and member.replay.n else None
        if self._replay is not None:
            # An order of its own. Torch's generator takes a seed's low 32 bits alone.
            seed = Random(f"replayed {member.seed}").getrandbits(32)
            self._replayed = batch_order(len(self._replay.rows), self._replay.n, seed)
        self._step = 0
        self._prefixes: dict[int, int] = {}

    def take(self) -> list[Encoded]:
        """The next batch."""
        own, step = self._own(), self._step
        self._step += 1
        batch = [own[i] for i in next(self._order)]
        if self._replay is not None:
            batch += [self._replay.rows[i] for i in next(self._replayed)]
        changed, seed = self._member.changed, self._member.seed
        if changed is None:
            return batch
        return [changed.at(row, seed, step, place) for place, row in enumerate(batch)]

    def prefix(self) -> int:
        """How many first tokens all rows that the next batch is taken from share."""
        if self._member.static or self._member.changed is not None:
            return self._member.static
        which = self._variant()
        if which not in self._prefixes:
            replayed = self._replay.rows if self._replay is not None else ()
            self._prefixes[which] = shared_prefix([*self._own(), *replayed])
        return self._prefixes[which]

    def _variant(self) -> int:
        drawn = self._member.drawn
        return 0 if drawn is None else drawn.at(self._member.seed, self._step)

    def _own(self) -> Sequence[Encoded]:
        drawn = self._member.drawn
        return self._member.rows if drawn is None else drawn.variants[self._variant()]


def batch_order(n: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of each batch, every one full: a new permutation when the rows are used up."""
    generator = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < batch_size:
            waiting += torch.randperm(n, generator=generator).tolist()
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]
