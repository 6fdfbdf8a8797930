"""Rows of a table made examples; what is wrong with rows is gathered into one message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.card import Columns
from sapo_analysis.tasks.mapping import Mapper, NoColumn, RowError, short

MAX_INPUT = 50_000
"""Length of an input at most (characters): some ten thousand tokens, more than studies train on."""
MAX_TARGET = 10_000
"""Length of a target at most (characters)."""
MAX_PLACES = 5
"""Wrong rows that a message names; of the others it says how many there are."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Row(dict[str, Any]):
    """A row with the place where its file has it, as a user counts: `line 5 of 'a.csv'`."""

    __slots__ = ("place",)

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        super().__init__(values)
        self.place = place


class Checker:
    """Makes examples of rows and remembers what was wrong with those that give none."""

    def __init__(self, columns: Columns, labels: Sequence[str] = ()) -> None:
        self._mapper = Mapper(columns)
        self._labels = tuple(labels)
        self._told: list[str] = []
        self._read = 0
        self._no_column: dict[str, int] = {}
        self.wrong = 0

    def examples(self, rows: Iterable[Mapping[str, Any]], split: str) -> Iterator[Example]:
        """The examples of the rows that give one."""
        for number, row in enumerate(rows, start=1):
            self._read += 1
            try:
                yield self._example(row)
            except RowError as error:
                self.wrong += 1
                if isinstance(error, NoColumn) and len(self._no_column) < MAX_PLACES:
                    said = str(error)
                    self._no_column[said] = self._no_column.get(said, 0) + 1
                if len(self._told) < MAX_PLACES:
                    place = row.place if isinstance(row, Row) else f"row {number} of {split}"
                    self._told.append(f"- {place}: {error}")

    def refuse_if_wrong(self) -> None:
        """Say what was wrong with any row.

        Raises:
            InputError: some row gave no example; the first places and the number of the others.
        """
        if not self.wrong:
            return
        for said, n in self._no_column.items():
            if n == self._read > 1:
                raise InputError(
                    f"Each of the {n:,} rows {said}. No task was made. Name a column that is there."
                )
        more = self.wrong - len(self._told)
        lines = [*self._told, *([f"- and {more:,} more"] if more else [])]
        raise InputError(
            f"{self.wrong:,} {'row is' if self.wrong == 1 else 'rows are'} no example; no task was"
            " made.\n" + "\n".join(lines) + "\nMend or remove such rows, or name other columns,"
            " answers or labels."
        )

    def _example(self, row: Mapping[str, Any]) -> Example:
        example = self._mapper.example(row)
        if self._labels and example.target not in self._labels:
            known = ", ".join(map(repr, self._labels[:12])) + ", …" * (len(self._labels) > 12)
            raise RowError(f"the target {short(example.target)} is none of the labels {known}")
        for name, text, most in (
            ("input", example.input, MAX_INPUT),
            ("target", example.target, MAX_TARGET),
        ):
            if len(text) > most:
                raise RowError(f"the {name} has {len(text):,} characters, more than {most:,}")
        refuse_unreadable(example)
        return example


def refuse_unreadable(example: Example) -> None:
    """Refuse texts that no tokenizer and no file should be given.

    Raises:
        RowError: there is a NUL character, or half of a character.
    """
    for name, text in (("input", example.input), ("target", example.target)):
        if "\0" in text:
            raise RowError(f"the {name} has a NUL character")
        if _SURROGATE.search(text):
            raise RowError(f"the {name} has half of a character (a lone surrogate)")
