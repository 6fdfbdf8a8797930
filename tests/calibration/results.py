"""Finished cells: what was counted, in a CSV beside the benchmark."""

from __future__ import annotations

import csv
import math
import platform
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np

from tests.calibration.cells import Cell

PATH = Path(__file__).with_name("results.csv")
N_FIRST = 20


@dataclass(frozen=True)
class Count:
    """Of how many tables of a cell something was so.

    Attributes:
        part: The cell's question.
        cell: The cell.
        measure: What was so.
        count: Tables of which it was so.
        tables: All tables of the cell.
        first: Tables of which it was so among the first `N_FIRST`.
        value: Mean over the first `N_FIRST` of the number that decided, 6 decimals.
        made_on: Version of numpy, and the machine.
    """

    part: str
    cell: str
    measure: str
    count: int
    tables: int
    first: int
    value: float
    made_on: str

    @property
    def rate(self) -> float:
        """Share of tables, in %."""
        return 100 * self.count / self.tables

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the rate, in %."""
        return math.sqrt(self.rate * (100 - self.rate) / self.tables)

    def among(self, left_out: Count) -> Count:
        """Among the tables of which something else, that excludes this, was not so."""
        return replace(self, tables=self.tables - left_out.count)

    def __str__(self) -> str:
        return f"{self.rate:.1f} ± {self.error:.1f}"


Results = dict[tuple[str, str], dict[str, Count]]
"""By part and cell, then by measure."""


def run(cell: Cell, n_tables: int, made_on: str = "") -> list[Count]:
    """Simulate one cell."""
    said: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for i in range(n_tables):
        for measure, what in cell.measure(i).items():
            said[measure].append(what)
    return [
        Count(
            cell.part,
            cell.name,
            measure,
            sum(bool(so) for so, _ in all_said),
            n_tables,
            sum(bool(so) for so, _ in all_said[:N_FIRST]),
            round(float(np.mean([value for _, value in all_said[:N_FIRST]])), 6),
            made_on,
        )
        for measure, all_said in said.items()
    ]


def read(path: Path = PATH) -> Results:
    """The finished cells; none where there is no file yet."""
    found: Results = defaultdict(dict)
    if not path.exists():
        return found
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = {name: int(row[name]) for name in ("count", "tables", "first")}
            count = Count(**{**row, **numbers, "value": float(row["value"])})
            found[count.part, count.cell][count.measure] = count
    return found


def append(counts: Iterable[Count], path: Path = PATH) -> None:
    """Write a finished cell down, at once."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(field.name for field in fields(Count))
        writer.writerows(astuple(count) for count in counts)


def this_machine() -> str:
    """Version of numpy, operating system and processor."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor += f" ({models[0].split(':')[1].strip()})" if models else ""
    return f"numpy {np.__version__}; {platform.system()}; {processor}"
