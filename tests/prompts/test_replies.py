"""Replies of models to candidates: thinking and what was cut off are refused, nothing vanishes."""

from __future__ import annotations

import pytest

from sapo_analysis.prompts.paste import MAX_CANDIDATES
from sapo_analysis.prompts.render import user_message
from sapo_analysis.prompts.replies import CUT_OFF, candidates_of


def read(text: str, cut_off: bool = False) -> list[tuple[str, str, str]]:
    found = candidates_of({"reply 3": (text, cut_off)})
    return [(c.place, c.text, c.refusal) for c in found]


def test_each_line_says_which_reply_it_is_from() -> None:
    assert read("1. One\n2. Two") == [
        ("reply 3, line 1", "One", ""),
        ("reply 3, line 2", "Two", ""),
    ]
    assert read('"One alone"') == [("reply 3", "One alone", "")]


@pytest.mark.parametrize(
    "thinking", ["<think>\nA list:\n1. no\n</think>", "A list:\n1. no\n</think>"]
)
def test_thinking_is_refused_with_or_without_its_opening_tag(thinking: str) -> None:
    (first, second) = read(f"{thinking}\nOne")
    assert first[2] == "is a chatbot's thinking" and second[1:] == ("One", "")


def test_a_reply_that_never_stopped_thinking_holds_nothing() -> None:
    ((_, text, reason),) = read("<think>\nHm, " + "hm " * 500, cut_off=True)
    assert reason == "is a chatbot's thinking" and len(text) < 310


def test_of_a_reply_that_was_cut_off_only_the_last_line_is_refused() -> None:
    assert [c[2] for c in read("One\nTwo\nThr", cut_off=True)] == ["", "", CUT_OFF]


@pytest.mark.parametrize("text", ["", " \n", "line\n" * (MAX_CANDIDATES + 1), "\x00" * 1_000_001])
def test_what_cannot_be_read_is_one_refused_candidate(text: str) -> None:
    ((place, shown, reason),) = read(text)
    assert place == "reply 3" and "cannot be read: " in reason and len(shown) < 310


def test_braces_and_percent_signs_reach_the_message_as_they_are() -> None:
    odd = "Put {0} and {{1}} or {text:>3} at 100 %s of %(x)d, $y ${z}"
    ((_, text, refusal),) = read(odd)
    assert (text, refusal) == (odd, "")
    assert user_message(text, "in {0}", "end %s") == f"{odd}\n\nText:\nin {{0}}\n\nend %s"
