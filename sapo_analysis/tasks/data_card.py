"""A task's data at a glance: sizes, lengths, answers, and inputs that stand twice."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median

from sapo_analysis.tasks.base import SPLITS, Example, Split, Task

MAX_ANSWERS = 12
"""A task with more distinct answers than this has no balance that a table could show."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of some texts: the shortest, the median one (nan of none), the longest."""

    least: int
    median: float
    most: int

    @property
    def in_words(self) -> str:
        """As a table's cell says it: `38 (21 to 60)`, `–` where there are no texts."""
        if math.isnan(self.median):
            return "–"
        return f"{self.median:g} ({self.least} to {self.most})"


@dataclass(frozen=True)
class SplitCard:
    """What one split holds.

    `characters` and `words` are of the inputs, words being parted by white space; `targets` are the
    targets' characters. `repeated` counts rows whose input stood before in the same split, `shared`
    rows whose input stands in another split too. `answers` counts each target; `most_common` is the
    share of rows that the most frequent one would get right by itself (0 to 1). `outside` counts
    rows whose target is none of the task's labels, 0 where it has none.
    """

    split: Split
    rows: int
    characters: Lengths
    words: Lengths
    targets: Lengths
    repeated: int
    shared: int
    answers: Counter[str]
    outside: int = 0

    @property
    def most_common(self) -> tuple[str, float]:
        """The most frequent target and its share of the rows; nan where there are no rows."""
        if not self.rows:
            return "", math.nan
        ((target, n),) = self.answers.most_common(1)
        return target, n / self.rows


@dataclass(frozen=True)
class DataCard:
    """The splits of a task, and its answers where they are few enough to list."""

    splits: tuple[SplitCard, ...]
    answers: tuple[str, ...]


def data_card(task: Task) -> DataCard:
    """The card of a task, over all its examples."""
    rows = {split: task.examples(split) for split in SPLITS}
    cards = tuple(_card(split, rows, task.labels) for split in SPLITS)
    targets = list(task.labels) or sorted(set().union(*(card.answers for card in cards)))
    return DataCard(cards, tuple(targets) if len(targets) <= MAX_ANSWERS else ())


def _card(split: Split, rows: dict[Split, list[Example]], labels: tuple[str, ...]) -> SplitCard:
    answers = Counter(row.target for row in rows[split])
    own = [row.input for row in rows[split]]
    elsewhere = {row.input for other, theirs in rows.items() if other != split for row in theirs}
    return SplitCard(
        split,
        len(own),
        _lengths([len(text) for text in own]),
        _lengths([len(text.split()) for text in own]),
        _lengths([len(row.target) for row in rows[split]]),
        len(own) - len(set(own)),
        sum(text in elsewhere for text in own),
        answers,
        sum(n for answer, n in answers.items() if answer not in labels) if labels else 0,
    )


def _lengths(numbers: list[int]) -> Lengths:
    if not numbers:
        return Lengths(0, math.nan, 0)
    return Lengths(min(numbers), float(median(numbers)), max(numbers))
