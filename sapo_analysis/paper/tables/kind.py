"""One kind of table: what it shows, what can be asked of it, and how it is made."""

from __future__ import annotations

from sapo_analysis.paper.kinds import Kind, once
from sapo_analysis.paper.tables.spec import TableSpec

TableKind = Kind[TableSpec]
"""A table that runs of one kind of study can have."""

__all__ = ["TableKind", "once"]
