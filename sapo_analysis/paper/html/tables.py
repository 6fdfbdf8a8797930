"""The tables of a paper as the page shows them: the same cells, to be sorted and searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from sapo_analysis.paper.captions import draft
from sapo_analysis.paper.html.figures import in_words
from sapo_analysis.paper.html.table import MISSING, Cell, Column, Table, table
from sapo_analysis.paper.tables import MadeTable
from sapo_analysis.paper.tables.cells import Cell as Printed
from sapo_analysis.paper.tables.cells import blocks, cells
from sapo_analysis.paper.tables.spec import Column as Wanted
from sapo_analysis.paper.tables.spec import TableSpec

_SHOWN_ELSEWHERE = ("claims", "prompts")
"""Kinds that the page has in sections of their own."""


def tables(made: Iterable[MadeTable]) -> list[Table]:
    """Every table but those that have a section of their own."""
    return [
        of_spec(one.spec, one.name, _title(one))
        for one in made
        if one.spec is not None and one.kind.name not in _SHOWN_ELSEWHERE
    ]


def prompts(made: Iterable[MadeTable]) -> Table | None:
    """The table of all prompts, which can be searched; None where the runs have none."""
    for one in made:
        if one.kind.name == "prompts" and one.spec is not None:
            return of_spec(one.spec, one.name, "Every prompt", is_searched=True)
    return None


def of_spec(spec: TableSpec, name: str, title: str, is_searched: bool = False) -> Table:
    """One table; headings of blocks become a first column, as sorted rows leave their block."""
    headings = [heading for heading, rows in blocks(spec) for _ in rows]
    block = any(headings)
    columns = [Column(_label(column), "", column.kind != "text") for column in spec.columns]
    rows = [
        [
            *([Cell(heading)] if block else []),
            *(_cell(cell, column, row) for cell, column in zip(own, spec.columns, strict=True)),
        ]
        for heading, own, row in zip(
            headings, cells(spec), spec.rows.to_dict("records"), strict=True
        )
    ]
    if block:
        columns.insert(
            0, Column("group" if spec.blocks == "block" else spec.blocks.replace("_", " "))
        )
    said = " ".join((draft(replace(spec.caption, terms=())), *spec.all_notes))
    return table(name, title, columns, rows, said, is_searched=is_searched)


def _title(made: MadeTable) -> str:
    asked = in_words(made.kind, made.options)
    return f"{made.kind.title}: {asked}" if asked else made.kind.title


def _label(column: Wanted) -> str:
    return ": ".join(part for part in (column.group, column.head) if part)


def _cell(cell: Printed, column: Wanted, row: Mapping[Any, Any]) -> Cell:
    ends = f"± {cell.ends[0]}" if len(cell.ends) == 1 else f"[{', '.join(cell.ends)}]"
    parts = [cell.text + cell.mark if cell.text else "", ends if cell.ends else ""]
    text = " ".join(part for part in parts if part) or MISSING
    value = row.get(f"{column.key}_lower" if column.kind == "interval" else column.key)
    if column.kind == "text" or not isinstance(value, int | float) or pd.isna(value):
        return Cell(text, is_best=cell.bold)
    return Cell(text, float(value), cell.bold)
