"""Pasted replies: what is printed comes back, chatter is refused, nothing vanishes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.paste import MAX_CANDIDATES, Candidate, parse_text, to_text
from sapo_analysis.tasks import list_tasks

ALL = [[p.text for p in get_prompts(task.name)] for task in list_tasks()]
# Letters of several scripts, digits and marks that occur inside sentences.
WORD = st.text("abcXYZäß日д019'", min_size=1, max_size=8).filter(lambda word: word[0].isalpha())
SENTENCE = st.builds(
    lambda words, end: " ".join(["Zeige", *words]) + end,
    st.lists(WORD, min_size=1, max_size=8),
    st.sampled_from(["", ".", "?", ", {x} %s (1) <b>", " - a = b"]),
)
SENTENCES = st.lists(SENTENCE, min_size=2, max_size=8)


def kept(text: str) -> list[str]:
    return [c.text for c in parse_text(text) if not c.refusal]


def refused(text: str) -> dict[str, str]:
    return {c.text: c.refusal for c in parse_text(text) if c.refusal}


DRESSES = {
    "plain": "\n".join,
    "windows": "\r\n".join,
    "spaced": "\n\n".join,
    "bullets": lambda texts: "".join(f"- {t}\n" for t in texts),
    "stars": lambda texts: "".join(f"  * {t}\n" for t in texts),
    "dots": lambda texts: "".join(f"\u2022 {t}\n" for t in texts),
    "numbers": lambda texts: "".join(f"{i}. {t}\n" for i, t in enumerate(texts, 1)),
    "brackets": lambda texts: "".join(f"({i}) {t}\n" for i, t in enumerate(texts, 9)),
    "bold": lambda texts: "".join(f"**{i}.** **{t}**\n" for i, t in enumerate(texts, 1)),
    "labels": lambda texts: "".join(f"Paraphrase {i}: {t}\n" for i, t in enumerate(texts, 1)),
    "quotes": lambda texts: "".join(f'{i}) "{t}",\n' for i, t in enumerate(texts, 1)),
    "curly": lambda texts: "".join(f"\u201c{t}\u201d\n" for t in texts),
    "fence": lambda texts: "```text\n" + "\n".join(texts) + "\n```",
    "blocks": "\n---\n".join,
    "rules": lambda texts: "---\n" + "".join(f"1. {t}\n" for t in texts) + "---\n",
    "json": json.dumps,
    "fenced json": lambda texts: f"```json\n{json.dumps(texts)}\n```\n",
    "tags": lambda texts: "".join(f"{i}. <START>{t}</START>\n" for i, t in enumerate(texts, 1)),
    "one tag": lambda texts: "<paraphrase>\n" + "\n".join(texts) + "\n</PARAPHRASE>",
    "other end": lambda texts: "".join(f'<start> "{t}" <END>\n' for t in texts),
    "objects": lambda texts: json.dumps({"Paraphrases": [{"Text": t} for t in texts]}),
}


@pytest.mark.parametrize("dress", DRESSES)
@given(texts=SENTENCES)
def test_however_it_is_dressed_the_same_texts_come_back(dress: str, texts: list[str]) -> None:
    assert kept(DRESSES[dress](texts)) == texts


@given(texts=SENTENCES)
def test_what_is_printed_comes_back_and_reads_the_same_again(texts: list[str]) -> None:
    assert kept(to_text(texts)) == texts
    several = [*texts, "One line\nand another\n\n- a list"]
    assert kept(to_text(several)) == several


@given(text=st.text(max_size=300))
def test_any_text_is_read_or_refused_with_a_message(text: str) -> None:
    try:
        found = parse_text(text)
    except InputError as error:
        assert "holds no prompt" in str(error)
        return
    for candidate in found:
        assert candidate.place
        assert candidate.refusal or candidate.text == candidate.text.strip()
        candidate.text.encode("utf-8")


@pytest.mark.parametrize("texts", ALL, ids=[task.name for task in list_tasks()])
@pytest.mark.parametrize("dress", ["plain", "numbers", "quotes"])
def test_every_prompt_of_the_bank_is_taken_for_one(texts: list[str], dress: str) -> None:
    assert kept(DRESSES[dress](texts)) == texts


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Sure, here are ten:", "introduces"),
        ("Certainly!", "introduces"),
        ("Sure! Here are 12 paraphrases of your prompt.", "introduces"),
        ("Here you go:", "introduces"),
        ("Here\u2019s a list of rewordings:", "introduces"),
        ("Below are 10 different versions of the instruction:", "introduces"),
        ("Paraphrases of the instruction:", "introduces"),
        ("### Formal versions", "heading"),
        ("**Short prompts**", "heading"),
        ("Let me know if you would like more!", "remark"),
        ("I hope these help.", "remark"),
        ("Would you like me to vary the tone?", "remark"),
        ("<think>The user wants ten.</think>", "thinking"),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "numbers"])
def test_a_chatbots_own_words_are_refused_and_stay_visible(said: str, why: str, kind: str) -> None:
    texts = ["Judge the tone of it.", "Which tone does it have?"]
    found = parse_text(f"{said}\n\n{DRESSES[kind](texts)}")
    assert found[0].text == said and why in found[0].refusal and found[0].place == "line 1"
    assert [c.text for c in found[1:]] == texts and not any(c.refusal for c in found[1:])


@pytest.mark.parametrize(
    "text",
    [
        "Choose one of the two options:",
        "Here are two options, positive and negative: which one fits?",
        "The following text is positive or negative. Which?",
        "Say whether the note: is good",
        "1990 was a good year. Was this one?",
        "'Tis positive or negative?",
        '"Good" or "bad"?',
        "- 3 or + 3?",
        "[Sentiment] positive or negative?",
        "{text} is what?",
    ],
)
def test_prompts_that_look_a_little_like_chatter_are_kept(text: str) -> None:
    assert kept(f"Name the tone.\n{text}") == ["Name the tone.", text]


def test_lines_beside_a_list_or_a_code_block_are_refused() -> None:
    assert refused("1. Judge it.\nin one word\n2. Name it.") == {
        "in one word": "stands beside the list: mark every line, or none; if it continues an"
        " entry, put both on one line"
    }
    assert refused("As you wished\n```\nJudge it.\n```\nBye") == dict.fromkeys(
        ["As you wished", "Bye"], "stands outside the reply's code block"
    )


def test_thinking_over_several_lines_is_refused_line_by_line() -> None:
    text = "<think>\nTen?\n</think>\nJudge it.\nName it."
    assert kept(text) == ["Judge it.", "Name it."]
    assert list(refused(text)) == ["<think>", "Ten?", "</think>"]


def test_places_count_the_lines_that_were_pasted() -> None:
    found = parse_text("\n\nJudge it.\n\nName it.\n---\nOne\ntwo\n---\nThree.")
    assert [c.place for c in found] == ["lines 3 to 5", "lines 7 to 8", "line 10"]


def test_json_entries_that_are_no_text_are_refused_one_by_one() -> None:
    found = parse_text('["Judge it.", 3, null, {"note": "x"}, ["a"], {"prompt": "Name it."}]')
    assert [c.text for c in found if not c.refusal] == ["Judge it.", "Name it."]
    reasons = {c.place: c.refusal for c in found if c.refusal}
    assert reasons["entry 2"] == "is no text, but a JSON number"
    assert "true, false or null" in reasons["entry 3"] and "list" in reasons["entry 5"]
    assert reasons["entry 4"] == "has no text under text, prompt, paraphrase, instruction"


def test_half_a_surrogate_pair_is_refused_in_a_form_that_can_be_shown() -> None:
    (found,) = parse_text('["a \\ud800 b"]')
    assert found == Candidate(
        "entry 1", "a \\ud800 b", "holds half of a surrogate pair, which is no character"
    )


@pytest.mark.parametrize("text", ["", " \n\t\r\n", "---\n---", "```\n```", "\ufeff"])
def test_nothing_is_an_error_that_says_what_to_give(text: str) -> None:
    with pytest.raises(InputError, match="holds no prompt. Give one per line"):
        parse_text(text)


def test_too_much_at_once_is_refused() -> None:
    with pytest.raises(InputError, match=r"1,000,001 characters; at most 1,000,000"):
        parse_text("x" * 1_000_001)
    with pytest.raises(InputError, match=rf"501 lines or entries; at most {MAX_CANDIDATES}"):
        parse_text("a\n" * 501)


def test_json_too_deep_to_read_is_a_line_like_any_other() -> None:
    assert kept("[" * 100_000) == ["[" * 100_000]


def test_what_stands_outside_the_marks_is_refused_and_a_marked_text_may_have_several_lines():
    said = "Sure, here goes.\n\n<START>One\nand more</START>\n\n<START>Two</START> Enjoy!"
    found = parse_text(said)
    assert [(c.place, c.text, bool(c.refusal)) for c in found] == [
        ("line 1", "Sure, here goes.", True),
        ("line 3", "One\nand more", False),
        ("line 6", "Two", False),
        ("line 6", "Enjoy!", True),
    ]
    assert found[0].refusal == "stands outside the reply's marks"


@pytest.mark.parametrize(
    "line",
    [
        "I'm sorry, but I can't help with that.",
        "Sorry, I cannot do this.",
        "As an AI language model, I have no opinion.",
        "Unfortunately, I am not able to provide paraphrases.",
        "I can\u2019t assist with that request.",
    ],
)
def test_a_chatbot_that_refuses_has_written_no_prompt(line: str) -> None:
    assert kept(f"{line}\nIs it good?") == ["Is it good?"]
    assert "is a chatbot's refusal" in refused(f"{line}\nIs it good?")[line]
