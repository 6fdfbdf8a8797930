"""Rows to examples: columns, templates, nested columns, answers; and what a row is refused for."""

from datetime import date
from decimal import Decimal

import pytest

from sapo_analysis.tasks import Example
from sapo_analysis.tasks.card import Columns
from sapo_analysis.tasks.mapping import Mapper, RowError


def example(row, input="q", target="a", **more):
    return Mapper(Columns(input=input, target=target, **more)).example(row)


def test_a_column_each():
    assert example({"q": " is it? ", "a": " yes \n", "id": 3}) == Example(" is it? ", "yes")


def test_a_template_takes_columns_and_keeps_the_text_around_them():
    found = example(
        {"p": "It rains {x}.", "h": "It is wet.", "a": 1}, "Premise: {p}\nThen: {h} {p}"
    )
    assert found == Example("Premise: It rains {x}.\nThen: It is wet. It rains {x}.", "1")


def test_one_empty_column_of_several_is_no_empty_input():
    assert example({"p": None, "h": "Wet.", "a": "1"}, "{p}/{h}").input == "/Wet."


def test_nested_columns_and_places_of_lists():
    row = {"t": {"de": "Haus", "en": "house"}, "all": ["x", {"y": 2}], "t.de": "flat"}
    assert example(row, "{t.de} {all.1.y}", "t.en") == Example("flat 2", "house")


def test_a_list_in_a_template_stands_as_lettered_lines():
    row = {"q": "Colour?", "choices": {"text": ["red", "blue", 3]}, "a": "B"}
    assert example(row, "{q}\n{choices.text}").input == "Colour?\nA. red\nB. blue\nC. 3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (12, "12"),
        (12.5, "12.5"),
        ("012", "012"),
        (1e20, "1e+20"),
        (Decimal("1.50"), "1.50"),
        (date(2024, 5, 1), "2024-05-01"),
    ],
)
def test_values_read_as_json_writes_them(value, text):
    assert example({"q": "x", "a": value}).target == text


def test_answers_give_the_words():
    words = {"0": "no", "true": "yes"}
    assert example({"q": "x", "a": 0}, answers=words).target == "no"
    assert example({"q": "x", "a": True}, answers=words).target == "yes"


def test_the_last_place_of_a_pattern_is_the_target():
    pattern = r"#### (.+)"
    row = {"q": "x", "a": "#### 1\nso\n#### 1,234 "}
    assert example(row, target_pattern=pattern).target == "1,234"


@pytest.mark.parametrize(
    ("row", "columns", "words"),
    [
        ({"Q": "x", "a": "y"}, {}, "no column 'q'; there are 'Q', 'a'"),
        ({}, {}, "no column 'q'; there are none"),
        ({"q": "x"}, {}, "no column 'a'"),
        ({"q": {"x": 1}, "a": "y"}, {"input": "q.y"}, "no column 'q.y'"),
        ({"q": ["x"], "a": "y"}, {"input": "q.7"}, "no column 'q.7'"),
        ({"q": " ", "a": "y"}, {}, "the input is empty"),
        ({"q": None, "p": "", "a": "y"}, {"input": "P: {q}{p}"}, "the input is empty"),
        ({"q": "x", "a": None}, {}, "the target is empty"),
        ({"q": "x", "a": " "}, {}, "the target is empty"),
        ({"q": "x", "a": float("nan")}, {}, "the target is empty"),
        ({"q": "x", "a": ["y"]}, {}, "'a' holds a list of 1; a target is one value"),
        ({"q": "x", "a": {"y": 1}}, {}, "'a' holds columns"),
        ({"q": {"x": 1}, "a": "y"}, {}, "name one of q.x"),
        ({"q": [], "a": "y"}, {}, "list of 0, not of 1 to 26 options"),
        ({"q": ["x"] * 27, "a": "y"}, {}, "list of 27"),
        ({"q": [["x"]], "a": "y"}, {}, "a list of lists"),
        ({"q": b"x", "a": "y"}, {}, "'q' holds bytes, not text"),
        ({"q": [b"x"], "a": "y"}, {}, "'q' holds bytes"),
        ({"q": "x", "a": b"y"}, {}, "'a' holds bytes"),
        ({"q": "x", "a": 2}, {"answers": {"0": "no"}}, "'a' holds '2', which is none of '0'"),
        ({"q": "x", "a": "none"}, {"target_pattern": "#(.)"}, "nothing that fits target_pattern"),
    ],
)
def test_a_row_that_gives_no_example_says_why(row, columns, words):
    with pytest.raises(RowError, match=words.replace("[", r"\[")):
        example(row, **columns)


def test_the_needed_columns_are_named_once():
    assert Mapper(Columns(input="{a} {b} {a}", target="b")).names == ("a", "b")
    assert Mapper(Columns(input="a", target="b")).names == ("a", "b")
