"""What is printed in each cell: rounded numbers in words, the best of a column, marks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from sapo_analysis.paper.tables.spec import Column, TableSpec

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One printed cell.

    Attributes:
        text: text or number, true minus; "" where nothing is known.
        ends: the interval: half its width, or its two ends; none where there is none.
        is_number: whether it stands by its decimal point.
        bold: the best of its column.
        mark: the sign after it.
    """

    text: str
    ends: tuple[str, ...] = ()
    is_number: bool = True
    bold: bool = False
    mark: str = ""


def cells(table: TableSpec) -> list[list[Cell]]:
    """The cells of every row."""
    columns = [_column(table, column) for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def blocks(table: TableSpec) -> list[tuple[str, range]]:
    """Headings and the rows below each, in order; one without a heading where there are none."""
    n = len(table.rows)
    if not table.blocks:
        return [("", range(n))]
    names = ["" if pd.isna(name) else str(name) for name in table.rows[table.blocks]]
    starts = [i for i in range(n) if i == 0 or names[i] != names[i - 1]]
    return [(names[a], range(a, b)) for a, b in zip(starts, [*starts[1:], n], strict=True)]


def number(value: Any, decimals: int, with_plus: bool = False) -> str:
    """A number with its thousands parted and a true minus, never a negative zero; "" for nan."""
    if value is None or pd.isna(value):
        return ""
    text = f"{abs(value):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text
    sign = MINUS if value < 0 else "+" if with_plus else ""
    return sign + text


def p_text(p: Any) -> str:
    """A p of three decimals; `<0.001` below."""
    if p is None or pd.isna(p):
        return ""
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _column(table: TableSpec, column: Column) -> list[Cell]:
    own = [_cell(row, column) for row in table.rows.to_dict("records")]
    if column.better or column.better_in:
        for best in _best(table, column, own):
            own[best] = replace(own[best], bold=True)
    return own


def _cell(row: Mapping[Any, Any], column: Column) -> Cell:
    mark = column.mark if column.marked and _is_true(row[column.marked]) else ""
    if column.kind == "text":
        value = row[column.key]
        text = "" if value is None or pd.isna(value) else str(value)
        return Cell(text, is_number=False, mark=mark if text else "")
    if column.kind == "p":
        return Cell(p_text(row[column.key]), mark=mark)
    decimals = 0 if column.kind == "integer" else column.decimals
    if column.kind in ("integer", "number"):
        text = number(row[column.key], decimals, column.signed)
        return Cell(text, mark=mark if text else "")
    lower, upper = row[f"{column.key}_lower"], row[f"{column.key}_upper"]
    known = not (pd.isna(lower) or pd.isna(upper))
    if column.kind == "interval":
        ends = tuple(number(end, decimals, column.signed) for end in (lower, upper))
        return Cell("", ends if known else (), mark=mark if known else "")
    text = number(row[column.key], decimals, column.signed)
    if not text or not known:
        return Cell(text, mark=mark if text else "")
    if column.interval == "plus-minus":
        return Cell(text, (number((upper - lower) / 2, decimals),), mark=mark)
    ends = tuple(number(end, decimals, column.signed) for end in (lower, upper))
    return Cell(text, ends, mark=mark)


def _is_true(value: Any) -> bool:
    """A mark that is not known, as of a row that others were joined to, is none."""
    return not pd.isna(value) and bool(value)


def _best(table: TableSpec, column: Column, own: Sequence[Cell]) -> list[int]:
    """The best rows of each block as they are printed: equal to the eye is equal."""
    outside = list(table.rows[table.outside]) if table.outside else [False] * len(own)
    found: list[int] = []
    for _, rows in blocks(table):
        values = {i: _read(own[i].text) for i in rows if own[i].text and not _is_true(outside[i])}
        if len(set(values.values())) > 1:
            own_way = table.rows[column.better_in].iloc[rows[0]] if column.better_in else ""
            best = (max if (own_way or column.better) == "high" else min)(values.values())
            found += [i for i, value in values.items() if math.isclose(value, best)]
    return found


def _read(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))
