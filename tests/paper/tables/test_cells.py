"""What a table prints: rounding, bold, stars, ±, on numbers made by hand."""

import math

import pandas as pd
import pytest

from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.tables import Column, TableSpec
from sapo_analysis.paper.tables.cells import Cell, cells, number, p_text

NAN = math.nan


def table(rows, *columns, **settings):
    return TableSpec("t", columns, pd.DataFrame(rows), Caption("Made by hand"), **settings)


def column_of(values, **column):
    made = table(
        {"x": values, **column.pop("beside", {})}, Column("x", "x", kind="number", **column)
    )
    return [row[0] for row in cells(made)]


def bold(values, **column):
    return [cell.bold for cell in column_of(values, **column)]


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ([1.0, 3.0, 2.0], "high", [False, True, False]),
        ([1.0, 3.0, 2.0], "low", [True, False, False]),
        ([3.0, 3.0, 2.0], "high", [True, True, False]),  # ties are all bold
        ([3.001, 3.002, 2.0], "high", [True, True, False]),  # what looks the same is the same
        ([-1.0, -3.0], "high", [True, False]),
        ([1200.0, 30.0], "high", [True, False]),  # also with thousands parted
        ([NAN, 1.0, 2.0], "high", [False, False, True]),
        ([1.0], "high", [False]),  # nothing to be better than
        ([NAN, 1.0], "high", [False, False]),
        ([2.0, 2.0], "high", [False, False]),  # none is better
        ([1.0, 3.0], "", [False, False]),  # neither way is good
    ],
)
def test_the_best_of_a_column_is_bold(values, better, expected):
    assert bold(values, better=better) == expected


def test_each_block_has_its_best_and_what_is_outside_is_none():
    made = table(
        {"b": ["one", "one", "two", "two", "two"], "x": [1.0, 2.0, 9.0, 8.0, 7.0],
         "out": [False, False, True, False, False]},
        Column("x", "x", kind="number", better="high"),
        blocks="b",
        outside="out",
    )  # fmt: skip
    assert [row[0].bold for row in cells(made)] == [False, True, False, True, False]


def test_the_star_stands_where_the_rows_say_so_and_only_there():
    made = table(
        {"x": [1.0, 2.0, NAN, 4.0], "s": [True, False, True, None]},
        Column("x", "x", kind="number", mark="*", marked="s"),
    )
    assert [row[0].mark for row in cells(made)] == ["*", "", "", ""]


def test_plus_minus_is_half_of_the_interval():
    rows = {"x": [60.28, 1.0], "x_lower": [54.632671, NAN], "x_upper": [65.927329, NAN]}
    column = Column("x", "x", kind="estimate", decimals=1, interval="plus-minus")
    first, second = (row[0] for row in cells(table(rows, column)))
    assert (first.text, first.ends) == ("60.3", ("5.6",))  # (65.927329 − 54.632671) / 2 = 5.647
    assert (second.text, second.ends) == ("1.0", ())


def test_brackets_hold_both_ends():
    rows = {"x": [-0.6], "x_lower": [-0.865], "x_upper": [0.07]}
    made = table(rows, Column("x", "x", kind="estimate", signed=True))
    assert cells(made)[0][0] == Cell("−0.60", ("−0.86", "+0.07"))


@pytest.mark.parametrize(
    ("value", "decimals", "plus", "text"),
    [
        (-0.001, 2, True, "0.00"),
        (0.005, 1, True, "0.0"),
        (-1.25, 1, False, "−1.2"),
        (16250, 0, False, "16,250"),
        (0.3, 2, True, "+0.30"),
        (None, 2, True, ""),
        (NAN, 2, True, ""),
    ],
)
def test_numbers_in_words(value, decimals, plus, text):
    assert number(value, decimals, plus) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0001, "<0.001"), (0.00051, "0.001"), (0.0335, "0.034"), (1.0, "1.000"), (NAN, "")],
)
def test_p_in_words(p, text):
    assert p_text(p) == text
