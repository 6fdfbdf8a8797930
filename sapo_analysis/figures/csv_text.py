"""Tables as CSV that a spreadsheet reads as data, never as formulas."""

from __future__ import annotations

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV; a text that a spreadsheet would run as a formula gets a quote before it.

    Numbers are whole: as many digits as tell them apart. A number that is not there is empty.
    """
    safe = table.rename(columns=inert)
    for i in range(table.shape[1]):
        column = table.iloc[:, i]
        if not pd.api.types.is_numeric_dtype(column):
            safe.isetitem(i, list(column.map(inert)))
    return safe.to_csv(index=False, lineterminator="\n")


def inert(value: object) -> object:
    """The value; a text that begins as a formula does with a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
