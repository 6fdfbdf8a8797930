"""A task's data at a glance: sizes, lengths, answers, and inputs that stand twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median

from sapo_analysis.tasks.base import SPLITS, Example, Split, Task

MAX_ANSWERS = 12
"""A task with more distinct answers than this has no balance that a table could show."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of some texts: the shortest, the median one, the longest."""

    least: int
    median: float
    most: int

    @property
    def in_words(self) -> str:
        """As a table's cell says it: `38 (21 to 60)`."""
        return f"{self.median:g} ({self.least} to {self.most})"


@dataclass(frozen=True)
class SplitCard:
    """What one split holds.

    `characters` and `words` are of the inputs, words being parted by white space. `repeated` counts
    rows whose input stood before in the same split, `shared` rows whose input stands in another
    split too. `answers` counts each target; `most_common` is the share of rows that the most
    frequent one would get right by itself (0 to 1).
    """

    split: Split
    rows: int
    characters: Lengths
    words: Lengths
    repeated: int
    shared: int
    answers: Counter[str]

    @property
    def most_common(self) -> tuple[str, float]:
        """The most frequent target and its share of the rows."""
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
    cards = tuple(_card(split, rows) for split in SPLITS)
    targets = list(task.labels) or sorted(set().union(*(card.answers for card in cards)))
    return DataCard(cards, tuple(targets) if len(targets) <= MAX_ANSWERS else ())


def _card(split: Split, rows: dict[Split, list[Example]]) -> SplitCard:
    own = [row.input for row in rows[split]]
    elsewhere = {row.input for other, theirs in rows.items() if other != split for row in theirs}
    return SplitCard(
        split,
        len(own),
        _lengths([len(text) for text in own]),
        _lengths([len(text.split()) for text in own]),
        len(own) - len(set(own)),
        sum(text in elsewhere for text in own),
        Counter(row.target for row in rows[split]),
    )


def _lengths(numbers: list[int]) -> Lengths:
    return Lengths(min(numbers), float(median(numbers)), max(numbers))
