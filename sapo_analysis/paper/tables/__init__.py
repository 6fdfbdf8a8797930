r"""Which tables runs have, and how each is made.

numbers = numbers_of([open_run(...)])
for kind in table_kinds_of(numbers): ...
table("strategies", numbers).to_latex()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sapo_analysis.paper.kinds import Kinds, MadeOf
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.kind import TableKind
from sapo_analysis.paper.tables.methods import METHOD_TABLES
from sapo_analysis.paper.tables.paraphrase import PARAPHRASE_TABLES
from sapo_analysis.paper.tables.sequence import SEQUENCE_TABLES
from sapo_analysis.paper.tables.spec import Column, TableSpec

__all__ = [
    "TABLES",
    "TABLE_KINDS",
    "Column",
    "MadeTable",
    "TableKind",
    "TableSpec",
    "every_table",
    "table",
    "table_kinds_of",
]

TABLES = {kind.name: kind for kind in (*PARAPHRASE_TABLES, *SEQUENCE_TABLES, *METHOD_TABLES)}
MadeTable = MadeOf[TableSpec]
"""A table of some runs, or why there is none."""
TABLE_KINDS = Kinds("table", TABLES)


def table_kinds_of(numbers: Numbers) -> list[TableKind]:
    """The kinds of tables that such runs can have."""
    return TABLE_KINDS.of(numbers)


def table(name: str, numbers: Numbers, options: Options | None = None) -> TableSpec:
    """One table.

    Raises:
        InputError: no table of that name for such runs, or they have no data for it.
    """
    return TABLE_KINDS.one(name, numbers, options)


def every_table(
    numbers: Numbers, names: Iterable[str] = (), asked: Mapping[str, Any] | None = None
) -> Iterator[MadeTable]:
    """All tables that runs have, or all of some kinds; where there is none, why.

    Args:
        numbers: of the runs.
        names: kinds of tables; none: all that such runs can have.
        asked: fields of `Options` by name, as for figures.

    Raises:
        InputError: no table has such a name for such runs, or no option.
    """
    return TABLE_KINDS.every(numbers, names, asked)
