"""The cells of a table of results, one by one: text, whole numbers and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sapo_analysis.analysis.importing.columns import FORMS, NUMBERS, REQUIRED, WHOLE, WORDING
from sapo_analysis.analysis.importing.problems import Problems, short
from sapo_analysis.analysis.selection import LARGEST, SMALLEST

ROLES = ("current", "past", "unseen", "retained")
PURPOSES = ("main", "noise")
MAX_NAME = 200
"""Length of a name (characters)."""

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NO_VALUE = ("", "nan", "na", "n/a", "null", "none", "<na>")


def numeric_columns(table: pa.Table) -> set[str]:
    """Columns that hold numbers alone, beside cells without a value."""
    found = set()
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_string(kind):
            texts = _texts(column)
            if (texts.str.fullmatch(_NUMBER) | _is_blank(texts)).all():
                found.add(name)
        elif _is_number(kind):
            found.add(name)
    return found


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _texts(column: pa.ChunkedArray) -> pd.Series[str]:
    return pd.Series(column.to_pandas(), dtype="str").fillna("").str.strip()


def _is_blank(texts: pd.Series[str]) -> pd.Series[bool]:
    return texts.str.lower().isin(_NO_VALUE)


def values_of(table: pa.Table, further: Iterable[str], problems: Problems) -> pd.DataFrame:
    """The columns as text, whole numbers and numbers; NaN where there is no value."""
    columns: dict[str, pd.Series[Any]] = {}
    for name in table.column_names:
        column = table.column(name)
        if name in WHOLE:
            columns[name] = _as_whole(name, column, problems)
        elif name in NUMBERS or name in further:
            columns[name] = _as_numbers(name, column, problems)
        else:
            columns[name] = _as_text(name, column, problems)
    return pd.DataFrame(columns)


def _as_numbers(name: str, column: pa.ChunkedArray, problems: Problems) -> pd.Series[float]:
    if _is_number(column.type):
        numbers = pd.Series(column.to_pandas()).astype("float64")
    elif pa.types.is_string(column.type):
        texts = _texts(column)
        is_number = texts.str.fullmatch(_NUMBER)
        wrong = ~(is_number | _is_blank(texts))
        if wrong.any():
            value = texts[wrong].iloc[0]
            comma = ". Write decimals with a point" if re.fullmatch(r"[+-]?\d+,\d+", value) else ""
            problems.add(f"Column {name} holds {short(value)}, which is no number{comma}", wrong)
        texts = texts.str.removeprefix("+").where(is_number)
        exact = pa.array(texts, pa.string(), from_pandas=True).cast(pa.float64())
        numbers = pd.Series(exact.to_pandas(), index=texts.index)
    else:
        problems.add(f"Column {name} holds {column.type}, not numbers")
        return pd.Series(np.nan, index=range(len(column)))
    size = numbers.abs()
    problems.add(f"Column {name} holds an infinite number", size == np.inf)
    odd = size.between(LARGEST, np.inf, "neither") | size.between(0, SMALLEST, "neither")
    if odd.any():
        value = f"{numbers[odd].iloc[0]:.3g}"
        problems.add(f"Column {name} holds {value}, too large or too small to be squared", odd)
    return numbers


def _as_whole(name: str, column: pa.ChunkedArray, problems: Problems) -> pd.Series[int]:
    numbers = _as_numbers(name, column, problems)
    known = numbers.where(np.isfinite(numbers))
    odd = known.notna() & ~((known >= 0) & (known < 2**53) & (known == np.floor(known)))
    if odd.any():
        problems.add(f"Column {name} holds {known[odd].iloc[0]:g}, not a whole number from 0", odd)
    return known.where(~odd).astype("Int64")


def _as_text(name: str, column: pa.ChunkedArray, problems: Problems) -> pd.Series[str]:
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_string(column.type):
        if column.null_count < len(column):
            problems.add(f"Column {name} holds {column.type}, not text")
        return pd.Series([None] * len(column), dtype="str")
    texts = pd.Series(column.to_pandas(), dtype="str")
    texts = texts.where(texts != "")
    if name in WORDING:
        return texts
    long = texts.str.len() > MAX_NAME
    problems.add(f"Column {name} holds a name of more than {MAX_NAME} characters", long)
    # A link to a point parts task and prompt by |; control characters have no place in a name.
    odd = texts.str.contains(r"[\x00-\x1f\x7f|]").fillna(False).astype(bool)
    problems.add(f"Column {name} holds a line break, a control character or |", odd)
    return texts


def _of_what(row: pd.Series[Any]) -> str:
    where = [row[name] for name in ("current_task", "prompt_id", "seed", "eval_task")]
    if pd.isna(where).any():
        return ""
    return " (the first: {}, {}, seed {}, on {})".format(*where)


def check_values(given: pd.DataFrame, problems: Problems) -> None:
    """What every row has to hold, and the few words that are allowed."""
    for name in REQUIRED:
        problems.add(f"Column {name} has no value", given[name].isna())
    for form, ends in FORMS.items():
        needed = [end for end in ends if set(ends) <= set(given)] or [f"{form}_change"]
        for name in needed:
            absent = given[name].isna()
            if absent.any():
                problems.add(
                    f"Column {name} has no value, and a missing {form} never becomes a zero"
                    f"{_of_what(given[absent].iloc[0])}",
                    absent,
                )
    for name, allowed in (("role", ROLES), ("purpose", PURPOSES)):
        if name in given:
            wrong = given[name].notna() & ~given[name].isin(allowed)
            if wrong.any():
                value = short(given.loc[wrong, name].iloc[0])
                problems.add(f"Column {name} holds {value}, not {' or '.join(allowed)}", wrong)
    for name in ("trial_id", "state_id", "purpose", "metric", "test_prompt"):
        if name in given:
            absent = given[name].isna()
            if not absent.all():
                problems.add(f"Column {name} has a value in other rows alone", absent)
    if "source" in given:
        alone = given["source"].notna() & given["prompt_text"].isna()
        problems.add("Column source has a value where prompt_text has none", alone)
