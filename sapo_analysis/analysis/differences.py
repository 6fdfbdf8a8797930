"""How one table came out in two runs: column by column, row by row, by the table's own keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import plain
from sapo_analysis.records import Table
from sapo_analysis.same_loss import allowed_difference

Asked = Literal["equal", "rounding", "nothing"]
"""What is asked of a column: equal values; losses that differ by rounding at most; nothing, as it
is shown for information."""

ROWS = "rows"
"""Stands for a column where it is asked whether both runs have the same rows."""

_OTHER = "__again"


@dataclass(frozen=True)
class Difference:
    """How a column, or a part of its rows, came out in two runs.

    Attributes:
        table: Name of the table.
        column: Name of the column, or `rows`: which rows are there at all.
        part: Which rows; empty where it is all of them.
        asked: `equal`, `rounding` or `nothing`.
        n: Rows compared.
        n_differing: Rows that are not equal; of `rows`, those that are in one run alone or twice.
        n_failing: Rows that are not as asked.
        largest: Largest absolute difference, in the unit of the column; nan for text, and where no
            row was compared; infinite where a number stands against none.
        relative: Largest difference ÷ the larger of the two magnitudes; nan as `largest`.
        where: Keys of the row that differs most, of those that are not as asked if there are any;
            empty where none differs.
    """

    table: str
    column: str
    part: str
    asked: Asked
    n: int
    n_differing: int
    n_failing: int
    largest: float
    relative: float
    where: str

    @property
    def holds(self) -> bool:
        """Whether the column is as asked."""
        return self.n_failing == 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        return {**{key: plain(value) for key, value in asdict(self).items()}, "holds": self.holds}


class TablePair:
    """One table of two runs, matched row by row."""

    def __init__(self, table: Table, one: pd.DataFrame, other: pd.DataFrame):
        self.table = table
        self._keys = list(table.keys)
        once = [frame.drop_duplicates(self._keys) for frame in (one, other)]
        if all(frame.empty for frame in once):
            # pandas 3 cannot merge columns of text that hold nothing, as read from an empty table.
            once = [frame.astype(object) for frame in once]
        self._n_twice = len(one) + len(other) - sum(map(len, once))
        self._all = once[0].merge(
            once[1], on=self._keys, how="outer", suffixes=("", _OTHER), indicator="_side"
        )
        self.both = self._all[self._all["_side"] == "both"].reset_index(drop=True)
        """The rows that both runs have: the keys, and the first run's columns by their names."""

    @property
    def columns(self) -> list[str]:
        """The columns beyond the keys."""
        return [name for name in self.table.schema.names if name not in self._keys]

    def rows(self) -> Difference:
        """Whether both runs have the same rows, each once."""
        alone = self._all[self._all["_side"] != "both"]
        n = len(alone) + self._n_twice
        where = ""
        if len(alone):
            side = "first" if alone["_side"].iloc[0] == "left_only" else "second"
            where = f"in the {side} run alone: {self._name(alone.iloc[0])}"
        elif n:
            where = f"{self._n_twice} rows are there twice"
        nan = float("nan")
        return Difference(self.table.name, ROWS, "", "equal", len(self._all), n, n, nan, nan, where)

    def column(
        self, name: str, asked: Asked, rows: pd.Series[bool] | None = None, part: str = ""
    ) -> Difference:
        """How one column came out; of `rows` alone where they are given."""
        both = self.both if rows is None else self.both[rows]
        one, other = both[name], both[name + _OTHER]
        differing = np.array(
            [not _equal(a, b) for a, b in zip(one, other, strict=True)], dtype=bool
        )
        failing = np.zeros_like(differing) if asked == "nothing" else differing
        gaps, largest, relative = differing.astype(float), float("nan"), float("nan")
        if len(both) and _is_number(one):
            a, b = one.to_numpy(float), other.to_numpy(float)
            gaps = np.where(differing, np.abs(a - b), 0.0)
            gaps = np.where(np.isnan(gaps), np.inf, gaps)  # a number against none
            larger = np.fmax(np.abs(a), np.abs(b))
            shares = np.divide(gaps, larger, out=np.zeros_like(gaps), where=gaps > 0)
            largest, relative = float(gaps.max()), float(shares.max())
            if asked == "rounding":
                failing = gaps > np.nan_to_num(allowed_difference(a, b))
        shown = failing if failing.any() else differing
        worst = int(np.argmax(np.where(shown, gaps, -1.0))) if shown.any() else None
        return Difference(
            self.table.name,
            name,
            part,
            asked,
            len(both),
            int(differing.sum()),
            int(failing.sum()),
            largest,
            relative,
            "" if worst is None else self._name(both.iloc[worst]),
        )

    def _name(self, row: pd.Series[Any]) -> str:
        named = {key: row[key] for key in self._keys}
        return ", ".join(f"{key} {value}" for key, value in named.items() if not _missing(value))


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Sequence | np.ndarray) and isinstance(other, Sequence | np.ndarray):
        return list(one) == list(other)
    return (_missing(one) and _missing(other)) or bool(one == other)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
