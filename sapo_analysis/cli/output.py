"""What the terminal shows: escaped text, tables, JSON, durations.

Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sapo_analysis.analysis.wording import duration as duration
from sapo_analysis.analysis.wording import size as size

MISSING = "–"


def clean(text: str) -> str:
    """Text made harmless for a terminal: control and direction characters show as escapes."""
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
        else character.encode("unicode_escape").decode()
        for character in text
    )


def say(text: str) -> None:
    """A plain line on standard error: progress, hints, errors."""
    print(clean(text), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """A plain line on standard output."""
    print(clean(text), flush=True)


def show_json(data: Any) -> None:
    """One JSON document on standard output; a value that does not exist is `null`."""
    print(json.dumps(_finite(data), indent=2, allow_nan=False))


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    note: str = "",
    whole: Collection[str] = (),
) -> None:
    """A table on standard output; columns whose cells are all numbers are set flush right.

    Cells are plain text: markup in them is shown, not obeyed. In a pipe nothing is cut off.
    On a narrow terminal other columns are broken before those in `whole`.
    """
    table = Table(
        title=Text(clean(title)),
        title_justify="left",
        caption_justify="left",
        caption=clean(note) or None,
    )
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        table.add_column(
            Text(column),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=column in whole,
        )
    for row in rows:
        table.add_row(*(Text(clean(_cell(value))) for value in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=1000)
    console.print(table)


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number with fixed digits, zero without a sign, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    return text.lstrip("+-") if set(text) <= set("+-0.") else text


def _cell(value: object) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value, 3)
    return str(value)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
