"""What is wrong with a table of results, in words and by row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sapo_analysis.errors import InputError

SHOWN_ROWS = 20


def short(value: object) -> str:
    """A value as text, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]} …"


class Problems:
    """What is wrong with a table, gathered so that all of one kind is said at once."""

    def __init__(self, name: str):
        self._shown = repr(name) if name else "The table"
        self._found: list[str] = []

    def add(self, what: str, rows: pd.Series[bool] | None = None) -> None:
        """A problem, and which rows have it: one that no row has is none.

        Args:
            what: A sentence without its full stop.
            rows: True in the rows that have it; None where it is not about rows.
        """
        if rows is None:
            self._found.append(what)
        elif rows.any():
            self._found.append(f"{what}: {_in_rows(rows)}")

    def refuse(self) -> None:
        """Raise what was found, if anything was."""
        if self._found:
            listed = "\n".join(f"  - {problem}." for problem in self._found)
            raise InputError(f"{self._shown} is not imported, nothing was written.\n{listed}")


def _in_rows(rows: pd.Series[bool]) -> str:
    """Row numbers as a spreadsheet has them: the header is row 1."""
    numbers = [str(i + 2) for i in np.flatnonzero(rows.to_numpy())]
    listed = ", ".join(numbers[:SHOWN_ROWS])
    if len(numbers) == 1:
        return f"row {listed}"
    more = f" and {len(numbers) - SHOWN_ROWS:,} more" if len(numbers) > SHOWN_ROWS else ""
    return f"{len(numbers):,} rows, {listed}{more}"
