"""A bounded number of rows out of any number of them, always the same ones, in a random order.

Rows are ordered by a hash of their input and the first of them are kept. That is a uniform sample
that needs one pass and no seed, and where rows stood in the file has no say in it: the first n rows
of a split, which studies train and score on, are then no block of one label, however the file was
sorted. Equal inputs stand side by side, so that a cut between two inputs never parts them.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from hashlib import blake2b
from itertools import groupby

from sapo_analysis.tasks.base import Example, Split

KEEP: dict[Split, int] = {"train": 5000, "dev": 500, "test": 1000}
"""Rows kept of each split unless told otherwise: the pocket suite's studies use fewer."""
HELD_OUT = 0.1
"""Share of the inputs that a missing dev or test split takes from train, up to what is kept."""
_SALT = b"sapo-analysis rows 1"
_Order = tuple[int, int]


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


def parted(
    rows: list[Example], missing: tuple[Split, ...], keep: Mapping[Split, int]
) -> dict[Split, list[Example]]:
    """Train and the missing splits out of rows in hash order; equal inputs go to one split."""
    inputs = [list(group) for _, group in groupby(rows, key=lambda row: row.input)]
    parts: dict[Split, list[Example]] = {}
    for split in missing:
        n = max(1, min(keep[split], round(HELD_OUT * len(inputs))))
        parts[split] = [row for group in inputs[:n] for row in group][: keep[split]]
        inputs = inputs[n:]
    parts["train"] = [row for group in inputs for row in group][: keep["train"]]
    return parts


def keep_for(train: int) -> dict[Split, int]:
    """Limits for all splits in the proportions of `KEEP`, by the one for train."""
    return {split: max(1, train * most // KEEP["train"]) for split, most in KEEP.items()}


def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=_SALT).digest()
    return int.from_bytes(digest, "big")
