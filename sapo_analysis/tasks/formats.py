"""The form in which a task wants its answers, and whether an output has it.

ProMoT (methods §5, format ratio) counts how many outputs on *other* tasks fall in the label set of
the tuned task: its number for how far fine-tuning has taught the form of an answer rather than the
task. Tasks with free answers have no label set; theirs is a definition of this project.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from unicodedata import category, normalize

from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.label import folding

_WORDS = re.compile(r"\b([a9])(?: \1)+\b")


@dataclass(frozen=True)
class Format:
    """The answer format of one task.

    With labels: an output has the format if it is a label of the task, compared as label accuracy
    compares (`folding`). Without: three things that the targets it learns from show, all of which
    have to hold,

    - length: as many words, between white space, as one of the shortest to one of the longest;
    - alphabet: no character that no target has;
    - template: its `shape` is that of a target (a number, words, words with a comma, a date …).

    The format ratio of some outputs is the number that have the format over the number of outputs,
    empty ones included: 0 to 1. What it cannot tell: an output that is right for its own task can
    have the format too, so it has to be held against the share of that task's targets that have it
    (`format_ratio_of_targets`). Formats of free answers are wide: of a task answered with single
    words nearly every word has the format, and long targets differ so much in their shapes that an
    output in the same style may have none of them.

    Attributes:
        task: the task's name.
        labels: its closed set of answers; empty: answers are free.
        words: fewest and most words of a target.
        alphabet: the characters of all targets.
        shapes: the shapes of all targets.
    """

    task: str
    labels: tuple[str, ...]
    words: tuple[int, int]
    alphabet: frozenset[str]
    shapes: frozenset[str]

    @classmethod
    def of(cls, task: Task, targets: Sequence[str]) -> Format:
        """The format of a task's answers, from the targets it is trained on.

        Raises:
            ValueError: answers are free and there are no targets.
        """
        return cls.from_targets(task.name, task.labels, targets)

    @classmethod
    def from_targets(cls, name: str, labels: tuple[str, ...], targets: Sequence[str]) -> Format:
        """The same from a task's name and its labels, none where answers are free.

        Raises:
            ValueError: answers are free and there are no targets.
        """
        if labels:
            return cls(name, labels, (0, 0), frozenset(), frozenset())
        if not targets:
            raise ValueError(f"task {name!r} has neither labels nor targets to tell a format")
        known = [_tidy(target) for target in targets]
        lengths = [len(target.split()) for target in known]
        return cls(
            name,
            (),
            (min(lengths), max(lengths)),
            frozenset("".join(known)),
            frozenset(map(shape, known)),
        )

    def fits(self, output: str) -> bool:
        """Whether an output has the format."""
        if self.labels:
            fold = folding(self.labels)
            return fold(output) in {fold(label) for label in self.labels}
        text = _tidy(output)
        fewest, most = self.words
        return (
            fewest <= len(text.split()) <= most
            and self.alphabet.issuperset(text)
            and shape(text) in self.shapes
        )

    def ratio(self, outputs: Sequence[str]) -> float:
        """Share of outputs that have the format (0 to 1); nan without outputs."""
        return sum(map(self.fits, outputs)) / len(outputs) if outputs else math.nan


def shape(text: str) -> str:
    """The template of a text: letters as `a`, digits as `9`, white space as one space.

    What repeats counts once: letters of a word, digits of a number, a punctuation mark, and words
    or numbers with nothing but white space between, so "two red apples, 12 pears!!" is "a, 9 a!".
    """
    symbols = (symbol for symbol, _ in groupby(map(_symbol, _tidy(text))))
    return _WORDS.sub(r"\1", "".join(symbols))


def _symbol(character: str) -> str:
    if character.isspace():
        return " "
    kind = category(character)
    if kind[0] in "LM":  # a mark belongs to the letter before it
        return "a"
    return "9" if kind == "Nd" else character


def _tidy(text: str) -> str:
    return normalize("NFC", text).strip()
