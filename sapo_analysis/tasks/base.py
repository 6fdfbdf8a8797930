"""A task: a named set of train, dev and test examples with a metric.

Suites build these; everything else reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from sapo_analysis.errors import InputError

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True)
class Example:
    """One input text and the one target text that answers it."""

    input: str
    target: str


@dataclass(frozen=True)
class Wording:
    """One wording of a task's instruction.

    `source` is `original`, `seen`, `novel`, `paraphrase` or another word for where it comes from; a
    `test_only` one is never trained with.
    """

    text: str
    source: str
    test_only: bool = False


@dataclass(frozen=True)
class Task:
    """A task as studies see it.

    `wordings` are the texts of its prompts, the original first. `labels` is the closed set of
    answers, empty for free text. `suffix` is the fixed answer-format line that follows the input
    and is never paraphrased. `metric` names one of `sapo_analysis.tasks.metrics`. `suite` is where
    the task comes from, `family` groups tasks that share a kind of work. `max_new_tokens` bounds
    greedy decoding. `role` is the role the suite declares for the base model it ships ("half
    known", "retained" or "unseen", "" where it declares none): advice for a study, never applied
    silently. `related` names tasks that need the same facts, so that learning them can help this
    one. `notes` are warnings about the task as it was read.
    """

    name: str
    title: str
    family: str
    suite: str
    labels: tuple[str, ...]
    metric: str
    suffix: str
    max_new_tokens: int
    role: str
    sizes: dict[Split, int]
    load: Callable[[Split], list[Example]] = field(repr=False, compare=False)
    wordings: tuple[Wording, ...] = field(default=(), repr=False)
    related: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def examples(self, split: Split, n: int | None = None) -> list[Example]:
        """The first `n` examples of a split in file order (all of them when `n` is None)."""
        rows = self._splits[split]
        if n is None:
            return rows
        if n > len(rows):
            raise InputError(
                f"Task {self.name!r} has {len(rows)} {split} examples, {n} were asked for."
                f" Ask for at most {len(rows)}."
            )
        return rows[:n]

    def rows_hash(self) -> hashlib._Hash:
        """A sha256 that has read a JSON list's start, of which all examples are the first entry.

        Whoever adds what else counts gets a copy: the rows are read once, for whatever a page or a
        run asks of its identity.
        """
        return self._rows_hash.copy()

    @cached_property
    def _rows_hash(self) -> hashlib._Hash:
        digest, between = hashlib.sha256(b"[["), ""
        for split in SPLITS:
            for row in self.examples(split):
                entry = json.dumps([split, row.input, row.target], ensure_ascii=False)
                digest.update(f"{between}{entry}".encode())
                between = ", "
        digest.update(b"]")
        return digest

    @cached_property
    def _splits(self) -> dict[Split, list[Example]]:
        return {split: self.load(split) for split in SPLITS}
