"""A bounded number of rows out of any number of them, always the same ones, in a random order.

Rows are ordered by a hash of their input and the first of them are kept. That is a uniform sample
that needs one pass and no seed, and where rows stood in the file has no say in it: the first n rows
of a split, which studies train and score on, are then no block of one label, however the file was
sorted. Equal inputs stand side by side, so that a cut between two inputs never parts them.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import SPLITS, Example, Split

KEEP: dict[Split, int] = {"train": 5000, "dev": 500, "test": 1000}
"""Rows kept of each split at most unless told otherwise. Splits that are held out of train take
their share of its inputs in these proportions."""
_SALT = b"sapo-analysis rows 1"
_Order = tuple[int, int]


@dataclass(frozen=True)
class Gathered:
    """Rows ready to be written, and how they came about.

    `read` counts the rows of the tables, `repeated` those that said again what a kept row says
    (input and target), `left_out` the others that were not kept. `held_out` names the splits that
    were taken from train.
    """

    rows: Mapping[Split, list[Example]]
    read: int
    repeated: int
    held_out: tuple[Split, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """Rows of all splits together."""
        return sum(len(own) for own in self.rows.values())

    @property
    def left_out(self) -> int:
        """Rows that were neither kept nor repetitions of such."""
        return self.read - self.repeated - self.kept


class Sample:
    """The rows that come first in hash order, of all that were offered."""

    def __init__(self, size: int) -> None:
        self._size = size
        # The last in order on top: the one that goes when a better one comes.
        self._heap: list[_Order] = []
        self._held: dict[_Order, Example] = {}
        self._again: dict[_Order, int] = {}
        self.offered = 0

    def offer(self, example: Example) -> None:
        """Keep a row for as long as it is among the first."""
        self.offered += 1
        order = (-_hash(example.input), -_hash(example.target))
        if len(self._heap) == self._size and order < self._heap[0]:
            return
        if order in self._held:
            self._again[order] = self._again.get(order, 0) + 1
            return
        self._held[order] = example
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, order)
        else:
            gone = heapq.heapreplace(self._heap, order)
            del self._held[gone]
            self._again.pop(gone, None)

    @property
    def rows(self) -> list[Example]:
        """The kept rows in hash order."""
        return [self._held[order] for order in sorted(self._held, reverse=True)]

    @property
    def repeated(self) -> int:
        """Rows that were offered again, input and target alike, of those that are kept."""
        return sum(self._again.values())


def keep_for(train: int) -> dict[Split, int]:
    """Limits for all splits in the proportions of `KEEP`, by the one for train."""
    return {split: max(1, train * most // KEEP["train"]) for split, most in KEEP.items()}


def gathered(samples: Mapping[Split, Sample], keep: Mapping[Split, int] = KEEP) -> Gathered:
    """The splits of a task out of samples; dev and test come from train where they have none.

    Raises:
        InputError: a split has no rows, or train has too few to be parted.
    """
    missing = tuple(split for split in SPLITS if split not in samples)
    rows = {split: sample.rows for split, sample in samples.items()}
    inputs = len({row.input for row in rows["train"]})
    if inputs <= len(missing):
        raise InputError(
            f"train has {inputs} different {'input' if inputs == 1 else 'inputs'}, too few"
            + (f" to hold {' and '.join(missing)} out of it" if missing else "")
            + ". Give more rows."
        )
    if empty := [split for split, own in rows.items() if not own]:
        raise InputError(
            f"{' and '.join(empty)}: no rows. Give some, or leave the split out: it is then held"
            " out of train."
        )
    rows |= _parted(rows["train"], missing, keep)
    return Gathered(
        {split: rows[split] for split in SPLITS},
        read=sum(sample.offered for sample in samples.values()),
        repeated=sum(sample.repeated for sample in samples.values()),
        held_out=missing,
        notes=_notes(rows, missing),
    )


def _parted(
    rows: list[Example], missing: tuple[Split, ...], keep: Mapping[Split, int]
) -> dict[Split, list[Example]]:
    """Train and the missing splits out of rows in hash order; equal inputs go to one split."""
    inputs = [list(group) for _, group in groupby(rows, key=lambda row: row.input)]
    parts: dict[Split, list[Example]] = {}
    share = len(inputs) / (keep["train"] + sum(keep[split] for split in missing))
    for split in missing:
        n = max(1, min(keep[split], round(share * keep[split])))
        parts[split] = [row for group in inputs[:n] for row in group][: keep[split]]
        inputs = inputs[n:]
    parts["train"] = [row for group in inputs for row in group][: keep["train"]]
    return parts


def _notes(rows: Mapping[Split, list[Example]], missing: tuple[Split, ...]) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(
            f"{' and '.join(missing)} were held out of train by hash of the input, so that no"
            " input of theirs stands in train"
        )
    train = {row.input for row in rows["train"]}
    for split in ("dev", "test"):
        if shared := sum(row.input in train for row in rows[split]):
            notes.append(f"{shared:,} of {len(rows[split]):,} kept {split} inputs stand in train")
    return tuple(notes)


def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=_SALT).digest()
    return int.from_bytes(digest, "big")
