"""A task in the making, without its page: what a table holds, what it suggests, its card.

Pure: no Streamlit. Rows are read, checked and written by `sapo_analysis.tasks`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sapo_analysis.tasks import Example, Split, Task
from sapo_analysis.tasks.added import task_of
from sapo_analysis.tasks.card import Columns, TaskCard
from sapo_analysis.tasks.checking import Checker, Row
from sapo_analysis.tasks.data_card import MAX_ANSWERS
from sapo_analysis.tasks.mapping import as_text
from sapo_analysis.tasks.tables import Table

LOOKED_AT = 20_000
"""Rows that a proposal is made from; all of them are read when the task is added."""
TRIED = 500
"""Rows that are tried as examples before the task is added."""
_INPUTS = ("input", "text", "sentence", "question", "source", "document", "review", "content")
_TARGETS = ("target", "label", "answer", "output", "class", "summary", "translation", "completion")


@dataclass(frozen=True)
class Look:
    """A table at a glance.

    Attributes:
        columns: Its columns; those inside a column as `column.inner`.
        first: Its first rows, `TRIED` at most.
        n: Rows that were looked at.
        is_all: Whether those are all.
        values: Per column with few different values, how often each is there.
    """

    columns: tuple[str, ...]
    first: tuple[Row, ...]
    n: int
    is_all: bool
    values: Mapping[str, Counter[str]]


def look_at(table: Table) -> Look:
    """Read the first rows of a table.

    Raises:
        InputError: one of them cannot be read, or there is none.
    """
    columns: dict[str, None] = {}
    values: dict[str, Counter[str] | None] = {}
    first, n, is_all = [], 0, True
    for row in table.rows():
        if n == LOOKED_AT:
            is_all = False
            break
        n += 1
        if len(first) < TRIED:
            first.append(row)
        for name, value in _flat(row).items():
            columns[name] = None
            counts = values.setdefault(name, Counter())
            if counts is not None:
                counts[as_text(value).strip()] += 1
                if len(counts) > MAX_ANSWERS:
                    values[name] = None
    few = {name: counts for name, counts in values.items() if counts is not None}
    # Which complains of a table without rows.
    return Look(tuple(columns) or table.columns, tuple(first), n, is_all, few)


def _flat(row: Mapping[str, object]) -> dict[str, object]:
    """Columns with those inside them; lists are options, which a template names whole."""
    found: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            found[name] = value
    return found


def likely_columns(columns: Sequence[str]) -> tuple[str, str]:
    """Which columns hold input and answer, by their names; else the first and the last."""
    target = _named(columns, _TARGETS) or columns[-1]
    rest = [name for name in columns if name != target] or list(columns)
    return _named(rest, _INPUTS) or rest[0], target


def _named(columns: Sequence[str], words: Sequence[str]) -> str:
    for word in words:
        for name in columns:
            if name.casefold() == word:
                return name
    return next((n for w in words for n in columns if w in n.casefold()), "")


def likely_answers(look: Look, column: str) -> list[str]:
    """The values of a column as a closed set of answers; empty where they look like free text."""
    counts = look.values.get(column)
    if counts is None or not 2 <= len(counts) <= max(2, look.n // 3) or "" in counts:
        return []
    return sorted(counts)


def likely_name(file: str) -> str:
    """A task's name from a file's."""
    stem = file.rsplit("/", 1)[-1].partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-")[:40]


def tried(look: Look, columns: Columns, labels: Sequence[str]) -> list[Example]:
    """The first rows as examples.

    Raises:
        InputError: some of them give none; with their places.
    """
    checker = Checker(columns, labels)
    found = list(islice(checker.examples(look.first, "train"), TRIED))
    checker.refuse_if_wrong()
    return found


def card_of(
    *,
    name: str,
    title: str,
    original: str,
    suffix: str,
    columns: Columns,
    labels: Sequence[str],
    metric: str,
    max_new_tokens: int,
) -> TaskCard:
    """The card of a task as the form has it.

    Raises:
        InputError: it breaks a rule; every field that does is named.
    """
    return TaskCard.checked(
        {
            "name": name.strip(),
            "title": title.strip() or name.strip(),
            "suffix": suffix.strip(),
            "labels": labels,
            "metric": metric,
            "max_new_tokens": max_new_tokens,
            "columns": columns,
            "prompts": {"original": original.strip()},
        },
        "The task",
    )


def in_memory(card: TaskCard, examples: Sequence[Example]) -> Task:
    """A task of some examples that is not on the disk, to be looked at."""
    sizes: dict[Split, int] = {"train": len(examples), "dev": 0, "test": 0}
    return task_of(card, sizes, lambda split: list(examples) if split == "train" else [])
