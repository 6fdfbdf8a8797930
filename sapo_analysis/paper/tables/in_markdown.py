"""A table in Markdown (GitHub's)."""

from __future__ import annotations

import re

from sapo_analysis.paper.tables.cells import Cell, blocks, cells
from sapo_analysis.paper.tables.spec import Column, TableSpec

MISSING = "–"
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$&])")


def plain(text: str) -> str:
    """Text that Markdown prints as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def in_markdown(table: TableSpec) -> str:
    """The table with its notes; the name of a column's group is part of its head."""
    printed = cells(table)
    lines = [
        [plain(_head(column)) for column in table.columns],
        ["---" if column.kind == "text" else "---:" for column in table.columns],
    ]
    for heading, rows in blocks(table):
        if heading:
            lines.append([f"*{plain(heading)}*", *[""] * (len(table.columns) - 1)])
        lines += [
            [_cell(cell, column) for cell, column in zip(printed[i], table.columns, strict=True)]
            for i in rows
        ]
    parts = ["\n".join(f"| {' | '.join(line)} |" for line in lines)]
    parts += [plain(note) for note in table.all_notes]
    return "\n\n".join(parts) + "\n"


def _head(column: Column) -> str:
    if not column.group:
        return column.head
    return f"{column.group}: {column.head}" if column.head else column.group


def _cell(cell: Cell, column: Column) -> str:
    mark = plain(cell.mark)
    text = plain(cell.text)
    text = f"**{text}**{mark}" if cell.bold else text + mark
    if not cell.ends:
        return text or MISSING
    if len(cell.ends) == 1:
        return f"{text} ± {cell.ends[0]}"
    brackets = rf"\[{', '.join(cell.ends)}\]"
    return brackets + mark if column.kind == "interval" else f"{text} {brackets}"
