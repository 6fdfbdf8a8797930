"""Task metrics on outputs judged by hand."""

from __future__ import annotations

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import correct, get_task, score

LABELLED = get_task("sentiment")
FREE = get_task("translate")


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("positive", True),
        (" Positive.\n", True),
        ("**POSITIVE**", True),
        ("negative", False),
        ("", False),
        (" . ", False),
        ("positive negative", False),
        ("good", False),
    ],
)
def test_label_accuracy_folds_case_and_edges(output: str, right: bool) -> None:
    assert correct(LABELLED, output, "positive") is right


def test_answer_outside_the_label_set_is_wrong_even_if_it_equals_the_target() -> None:
    assert not correct(LABELLED, "splendid", "splendid")


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("otter lemon", True),
        ("  otter   lemon\n", True),
        ("Otter lemon", False),
        ("otter lemon.", False),
        ("otter", False),
        ("", False),
    ],
)
def test_exact_match_folds_white_space_only(output: str, right: bool) -> None:
    assert correct(FREE, output, "otter lemon") is right


def test_empty_output_is_wrong_even_for_an_empty_target() -> None:
    assert not correct(FREE, "", "")


def test_score_is_the_percentage_of_right_answers() -> None:
    assert score(FREE, ["a b", "a", "", "c"], ["a b", "a b", "x", "c"]) == 50.0


def test_score_of_nothing_or_of_unequal_lists_is_refused() -> None:
    with pytest.raises(InputError, match="translate"):
        score(FREE, [], [])
    with pytest.raises(InputError, match="2 outputs for 1"):
        score(FREE, ["a", "b"], ["a"])
