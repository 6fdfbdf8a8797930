"""The texts of a bundle on its data: what columns mean, and which packages drew the figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from importlib.metadata import version

import pandas as pd

from sapo_analysis.analysis.glossary import DIRECTIONS, TERMS

PACKAGES = (
    *("sapo-analysis", "matplotlib", "numpy", "pandas", "pydantic"),
    *("pillow", "fonttools", "kiwisolver", "contourpy"),
)
"""What decides the bytes of a figure."""


def columns(tables: Iterable[tuple[str, pd.DataFrame]]) -> str:
    """What the columns of tables mean, as CSV, one row per column: as far as the glossary knows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "column", "label", "unit", "direction", "meaning"])
    for file, table in tables:
        for name in map(str, table.columns):
            term = TERMS.get(name)
            told = term and (term.label, term.unit, DIRECTIONS[term.better], term.definition)
            writer.writerow([file, name, *(told or ("", "", "", ""))])
    return buffer.getvalue()


def requirements() -> str:
    """The packages that drew the figures, as pip reads them."""
    return "".join(f"{name}=={version(name)}\n" for name in PACKAGES)
