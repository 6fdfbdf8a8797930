"""What no row may hold, and the one message about all wrong rows."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.card import Columns
from sapo_analysis.tasks.checking import MAX_INPUT, MAX_PLACES, MAX_TARGET, Checker, Row


def refusal(rows, labels=()):
    checker = Checker(Columns(input="q", target="a"), labels)
    kept = list(checker.examples(rows, "train"))
    with pytest.raises(InputError) as error:
        checker.refuse_if_wrong()
    assert checker.wrong == len(rows) - len(kept)
    return str(error.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"q": "x" * (MAX_INPUT + 1), "a": "y"},
            "the input has 50,001 characters, more than 50,000",
        ),
        ({"q": "x", "a": "y" * (MAX_TARGET + 1)}, "the target has 10,001 characters"),
        ({"q": "x\0", "a": "y"}, "the input has a NUL character"),
        ({"q": "x", "a": "y\0z"}, "the target has a NUL character"),
        ({"q": "x\ud83d", "a": "y"}, "the input has half of a character"),
        ({"q": "x", "a": "maybe"}, "the target 'maybe' is none of the labels 'no', 'yes'"),
    ],
)
def test_what_a_row_is_refused_for(row, words):
    labels = ("no", "yes") if row["a"] == "maybe" else ()
    assert f"- row 1 of train: {words}" in refusal([row], labels)


def test_rows_at_the_limits_are_taken():
    checker = Checker(Columns(input="q", target="a"))
    rows = [{"q": "x" * MAX_INPUT, "a": "y" * MAX_TARGET}]
    assert len(list(checker.examples(rows, "train"))) == 1
    checker.refuse_if_wrong()


def test_a_message_names_the_first_places_and_counts_the_others():
    rows = [{"q": "x", "a": "y" if i % 2 else ""} for i in range(2_000)]
    said = refusal(rows)
    assert said.startswith("1,000 rows are no example; no task was made.")
    assert said.count("- row") == MAX_PLACES and "- row 9 of train" in said
    assert "- and 995 more" in said


def test_a_row_that_knows_its_place_says_it():
    assert "- line 7 of 'a.csv': the target" in refusal(
        [Row({"q": "x", "a": ""}, "line 7 of 'a.csv'")]
    )


def test_a_column_that_no_row_has_is_said_once():
    said = refusal([{"q": "x", "answer": "y"}] * 300)
    assert said == (
        "Each of the 300 rows has no column 'a'; there are 'q', 'answer'. No task was made. Name a"
        " column that is there."
    )
    some = refusal([{"q": "x"}, {"q": "x", "a": "y"}, {"q": "x"}])
    assert "2 rows are no example" in some and "- row 3 of train: has no column 'a'" in some
