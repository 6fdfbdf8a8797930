"""From a row of some table to an example: columns, templates, the words of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.card import Columns

_BRACES = re.compile(r"\{([^{}\n]+)\}")


class RowError(ValueError):
    """A row gives no example; who knows where the row stands adds the place."""


class NoColumn(RowError):
    """A column that is needed is not in the row."""


class Mapper:
    """Makes the example of a row as a card's columns say it."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        # Split at the columns: those are the odd pieces, the text around them the even ones.
        pieces = _BRACES.split(columns.input)
        self._pieces = pieces if len(pieces) > 1 else ["", columns.input, ""]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are needed, each once."""
        return tuple(dict.fromkeys([*self._pieces[1::2], self._columns.target]))

    def example(self, row: Mapping[str, Any]) -> Example:
        """The example of one row; white space around its target is dropped.

        Raises:
            RowError: a column is missing or of another form, all of the input's columns are empty,
                or the target is empty or none of the answers.
        """
        cells = [_shown(_value(row, name), name) for name in self._pieces[1::2]]
        if not any(cell.strip() for cell in cells):
            raise RowError("the input is empty")
        pieces = self._pieces.copy()
        pieces[1::2] = cells
        return Example("".join(pieces), self._target(row))

    def _target(self, row: Mapping[str, Any]) -> str:
        name, answers = self._columns.target, self._columns.answers
        value = _value(row, name)
        if isinstance(value, list | tuple | Mapping):
            raise RowError(f"column {name!r} holds {_form(value)}; a target is one value")
        _refuse_bytes(value, name)
        said = as_text(value)
        picked = self._columns.picked(said)
        if picked is None:
            raise RowError(f"column {name!r} has nothing that fits target_pattern: {short(said)}")
        picked = picked.strip()
        if answers and picked not in answers:
            known = ", ".join(map(repr, list(answers)[:12])) + ", …" * (len(answers) > 12)
            raise RowError(f"column {name!r} holds {short(picked)}, which is none of {known}")
        target = answers.get(picked, picked)
        if not target:
            raise RowError("the target is empty")
        return target


def as_text(value: Any) -> str:
    """A value as text: truth values and numbers as JSON writes them, nothing and NaN as ""."""
    if value is None or value != value:
        return ""
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)


def short(text: str) -> str:
    """A text for a message."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _value(row: Mapping[str, Any], name: str) -> Any:
    """The value of a column; a dot in its name leads into a column, or to a place of a list."""
    if name in row:
        return row[name]
    value: Any = row
    for step in name.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list | tuple) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            there = [repr(str(known)[:40]) for known in list(row)[:12]]
            listed = ", ".join(there) + ", …" * (len(row) > len(there))
            raise NoColumn(f"has no column {name!r}; there are {listed or 'none'}")
    return value


def _shown(value: Any, name: str) -> str:
    if isinstance(value, list | tuple):
        if not 1 <= len(value) <= len(ascii_uppercase):
            raise RowError(f"column {name!r} holds a list of {len(value)}, not of 1 to 26 options")
        lettered = zip(ascii_uppercase, value, strict=False)
        return "\n".join(f"{letter}. {_shown_option(option, name)}" for letter, option in lettered)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{name}.{key}" for key in list(value)[:12])
        raise RowError(f"column {name!r} holds columns; name one of {inside}")
    _refuse_bytes(value, name)
    return as_text(value)


def _shown_option(option: Any, name: str) -> str:
    if isinstance(option, list | tuple | Mapping):
        raise RowError(f"column {name!r} holds a list of lists or columns, not of options")
    _refuse_bytes(option, name)
    return as_text(option)


def _refuse_bytes(value: Any, name: str) -> None:
    # As text they would be Python's notation: b'yes'.
    if isinstance(value, bytes):
        raise RowError(f"column {name!r} holds bytes, not text; write it as text (UTF-8)")


def _form(value: Any) -> str:
    return "columns" if isinstance(value, Mapping) else f"a list of {len(value)}"
