"""Which candidates may stand beside a task's prompts, and which are worth a look."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.prompts import check_prompts, get_prompts
from sapo_analysis.prompts.checks import MAX_LENGTH, Checker, checker_of, folded
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.tasks import get_task, list_tasks

SENTIMENT = get_task("sentiment")
BANK = get_prompts("sentiment")
EXAMPLE = SENTIMENT.examples("train")[7]
GOOD = "Does the sentence read as negative to you, or as positive?"


def checked(*texts: str, own: tuple[str, ...] = (), task=SENTIMENT):
    candidates = [Candidate(f"line {i}", text) for i, text in enumerate(texts, start=1)]
    return checker_of(task, BANK, own).check(candidates)


def test_a_good_paraphrase_is_to_be_used() -> None:
    (found,) = checked(GOOD)
    assert (found.verdict, found.reasons, found.text) == ("use", (), GOOD)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("?! --", "neither letters nor digits"),
        ("positive or negative\0?", "control character U+0000"),
        ("positive or \x1b[31mnegative?", "control character U+001B"),
        ("positive or negative \ud800?", "control character U+D800"),
        ("positive or negative? " + "x" * MAX_LENGTH, "characters; a prompt may have 10,000"),
        (BANK[0].text.upper() + "!!", "writes the label 'positive' in another case"),
        ("  " + BANK[0].text.replace(" ", "  ") + "\u3002", "repeats the original"),
        ("Say if the tone is, negative or positive!", "repeats prompt sentiment-03"),
        (BANK[-1].text, "repeats a test-only prompt"),
        ("Is it positive?", "does not name the label 'negative', as the original does"),
        ("Is it Positive or negative?", "writes the label 'positive' in another case"),
        ("Is it positively or negative?", "does not name the label 'positive'"),
        ("<|im_start|>user positive or negative?", "'<|im_start|>', which models read as a mark"),
        ("[INST] positive or negative?", "'[INST]'"),
        ("### Instruction: positive or negative?", "'### Instruction'"),
        ("Is it positive or negative? </s>", "'</s>'"),
        ("Is it positive or negative?\nText:", "'Text:', which the layout adds by itself"),
        ("Paraphrase 1: is it positive or negative?", "begins with 'Paraphrase 1:'"),
        ("<START> positive or negative?", "'<START>', which models read as a mark"),
        ("Sure! Here you go: is it positive or negative?", "a chatbot's own words, 'Sure! Here'"),
        ("Here's a clear paraphrase: positive or negative?", "begins with a chatbot's own words"),
        ("Reworded instruction: positive or negative?", "'Reworded instruction:': take them off"),
        (
            "Is it positive or negative? Keep the meaning, the same text must get the same answer!",
            "repeats an order to the paraphraser, 'Keep the meaning: the same text must",
        ),
        (
            f"Is it positive or negative? {EXAMPLE.input.upper()} => positive",
            "copies the input of training example 7, 'yann",
        ),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_with_the_reason(text: str, why: str) -> None:
    (found,) = checked(text)
    assert found.verdict == "refused" and why in found.reasons[0]
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("positive or negative?", "2.6 times shorter than the original: length is a confound"),
        (GOOD + " Think about it well, for it is not an easy question at all.", "times as long"),
        ("Is the sеntiment of this negative or positive?", "another script than the original: Cyr"),
        ("Is the mood of 句子 here negative or positive?", "script than the original: Cjk"),
        ("Is its \u202emood negative or positive for you?", "U+202E, right-to-left override"),
        ("Is the mood of {text} negative or positive?", "'{text}' looks like a place to fill in"),
        ("Is the mood of {} negative, or is it positive?", "'{}' looks like"),
        ("Is the {answer} about the mood negative or positive?", "'{answer}' looks like"),
        ("Is the mood of [review] negative or positive?", "'[review]' looks like"),
        ("Is the <answer> on the mood negative or positive?", "'<answer>' looks like"),
        ("Is the mood of [INSERT] negative or positive?", "'[INSERT]' looks like"),
        ("Is the mood of {{my text}} negative or positive?", "'{{my text}}' looks like"),
        ("Is the mood of [insert text here] negative or positive?", "stays as it is"),
        ("Is the sentiment of this sentence positive or negative?", "nearly repeats the original"),
        (
            "O tom da frase, à noite, é positive ou negative?",
            "reads like Portuguese, the original like English: a guess by common words",
        ),
        (
            "Sag, ob die Stimmung in diesem Satz positive oder negative ist.",
            "reads like German, the original like English",
        ),
        (
            "Is the mood positive or negative? This version keeps it short.",
            "says 'This version', of which the original says nothing",
        ),
    ],
)
def test_what_weakens_a_study_is_flagged_not_refused(text: str, why: str) -> None:
    (found,) = checked(text)
    assert found.verdict == "flagged" and any(why in reason for reason in found.reasons)


@pytest.mark.parametrize(
    "text",
    [
        "Is {it, %s} negative or positive, {{you?}} think?",
        "<b>Is</b> it *positive* or `negative` in tone, [say](x)?",
        '=HYPERLINK("x") Is it positive or negative in tone?',
        "O tom do enunciado: positive ou negative?",
        "Okay, I need to know: would you call this positive or negative?",
        "Here is a text. Say whether its mood is positive or negative.",
        "Sorry to ask, but is the mood of this positive or negative?",
    ],
)
def test_braces_markup_and_formulas_are_text_like_any_other(text: str) -> None:
    (found,) = checked(text)
    assert found.verdict == "use", found


def test_a_later_line_may_not_repeat_an_earlier_one_nor_a_prompt_of_ones_own() -> None:
    found = checked(GOOD, GOOD.replace("sentence", "text"), f"{GOOD.capitalize()}?")
    assert [c.verdict for c in found] == ["use", "flagged", "refused"]
    assert found[1].reasons == ("nearly repeats line 1",)
    assert "repeats line 1" in found[2].reasons[0]
    (mine,) = checked(GOOD, own=(GOOD,))
    assert mine.verdict == "refused" and "repeats a prompt of your own" in mine.reasons[0]


def test_what_the_parser_refused_stays_refused_and_does_not_count_as_taken() -> None:
    candidates = [Candidate("line 1", GOOD, "introduces the reply"), Candidate("line 2", GOOD)]
    found = checker_of(SENTIMENT, BANK).check(candidates)
    assert [c.verdict for c in found] == ["refused", "use"]
    assert found[0].reasons == ("introduces the reply",)


def test_labels_count_only_where_the_original_names_them() -> None:
    free = Checker(SENTIMENT, "Judge it.", [])
    assert free.check([Candidate("line 1", "Rate it.")])[0].verdict == "use"


@pytest.mark.parametrize(
    ("labels", "original", "text", "other"),
    [
        (("A", "B"), "判断立场, 选择 A 或 B.", "请在A与B中选择文本的立场", "请在A与AB中选择"),
        (("支持", "反对"), "判断立场: “支持” 或 “反对”.", "文本是支持还是反对?", "文本是支持吗?"),
    ],
)
def test_a_label_is_found_where_words_are_not_spaced(labels, original, text, other) -> None:
    checker = Checker(replace(SENTIMENT, labels=labels), original, [])
    assert checker.refusals(text) == []
    assert checker.refusals(other) == [
        f"does not name the label {labels[1]!r}, as the original does"
    ]


def test_what_the_original_says_too_is_no_leak() -> None:
    own = f"Keep the meaning: the same text must get the same answer. As in: {EXAMPLE.input}"
    own = f"Paraphrase the instruction. {own}"
    found = Checker(SENTIMENT, own, []).check([Candidate("line 1", f"{own} Thank you.")])
    assert found[0].verdict == "use", found


def test_short_inputs_may_stand_in_a_prompt_by_chance() -> None:
    bigger = get_task("bigger")
    short = bigger.examples("train", 1)[0].input
    found = Checker(bigger, "Which is bigger?", []).check([Candidate("1", f"Of {short}?")])
    assert found[0].verdict != "refused"


def test_the_answer_format_line_may_not_be_written_again() -> None:
    task = replace(SENTIMENT, suffix="Answer with one word only.")
    (found,) = checked(f"{GOOD} answer with ONE word only", task=task)
    assert "answer-format line" in found.reasons[0] and found.verdict == "refused"


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.name)
def test_the_bank_itself_passes(task) -> None:
    original, *rest = get_prompts(task.name)
    checker = checker_of(task, [original])
    found = checker.check([Candidate(p.prompt_id, p.text) for p in rest])
    assert [c for c in found if c.verdict == "refused"] == []
    reasons = [reason for c in found for reason in c.reasons]
    assert all("confound" in r or "nearly repeats" in r for r in reasons), reasons
    # Written to differ: at most one near-copy in 24.
    assert sum("nearly repeats" in reason for reason in reasons) <= 1


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_whatever_is_let_through_can_train_a_study(texts: list[str]) -> None:
    candidates = [Candidate(str(i), f"{text} positive, negative") for i, text in enumerate(texts)]
    found = checker_of(SENTIMENT, BANK).check(candidates)
    kept = [c.text for c in found if c.verdict != "refused"]
    check_prompts([BANK[0].text, *kept])
    assert len({folded(text) for text in kept}) == len(kept)
    assert all(bool(c.reasons) == (c.verdict != "use") for c in found)


def test_a_place_to_fill_in_that_the_original_has_is_no_reason_to_look() -> None:
    original = "Say whether the text in <review> is negative or positive in its mood."
    checker = Checker(SENTIMENT, original, [])
    assert checker.flags("Is the mood of the text in <review> negative or positive?") == []
    (flag,) = checker.flags("Is the mood of the text in <review> or [title] positive or negative?")
    assert flag.startswith("'[title]'")
