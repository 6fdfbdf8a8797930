"""Task metrics on outputs judged by hand, and against numbers from the libraries' own pages."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import Example, Task, correct, get_task, score
from sapo_analysis.tasks.metrics import FULLY_RIGHT, METRICS, rouge
from sapo_analysis.tasks.metrics.numeric import numbers

LABELLED = get_task("sentiment")
FREE = get_task("translate")


def judged_by(metric: str, labels: tuple[str, ...] = ()) -> Task:
    return replace(FREE, metric=metric, labels=labels)


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("positive", True),
        (" Positive.\n", True),
        ("**POSITIVE**", True),
        ("“positive”。", True),
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
    ("labels", "output", "target", "right"),
    [
        (("-1", "0", "1"), "1", "-1", False),
        (("-1", "0", "1"), " -1 ", "-1", True),
        (("US", "us"), "us", "US", False),
        (("US", "us"), "US", "US", True),
        (("+", "-"), "+", "-", False),
        (("+", "-"), "-", "-", True),
        (("?", "yes"), ".", "?", False),
        (("?", "yes"), "?", "?", True),
        (("支持", "反对"), "支持。", "支持", True),
        (("cafe\u0301", "tea"), "Café", "cafe\u0301", True),
    ],
)
def test_labels_that_differ_in_little_are_told_apart(
    labels: tuple[str, ...], output: str, target: str, right: bool
) -> None:
    assert correct(judged_by("label_accuracy", labels), output, target) is right


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


def test_an_accent_is_the_same_as_one_character_or_as_two() -> None:
    assert correct(FREE, "caf\u00e9", "cafe\u0301")
    assert correct(FREE, "cafe\u0301", "caf\u00e9")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12", [12]),
        ("12.0", [12]),
        ("+12.", [12]),
        ("The answer is 1,234.50 km", [1234.5]),
        ("1’000’000", [1_000_000]),
        ("12\u202f345", [12_345]),
        ("1,0000", [1, 0]),
        ("3,5", [3, 5]),
        ("-5 and \u22125 and -$5 and $-5", [-5, -5, -5, -5]),
        ("5-3, 5 - 3, GPT-4", [5, 3, 5, 3, 4]),
        ("(4)-3 but 4 - -3", [4, 3, 4, -3]),
        (".5 or 1/2 or 0.50", [0.5, 0.5, 0.5]),
        ("-1 1/2", [-1.5]),
        ("1/0", []),
        ("1.5e3, 2E-1", [1500, 0.2]),
        ("1e999999999999", []),
        ("9" * 401, []),
        ("50 %", [50]),
        ("共１２个", [12]),
        ("twelve", []),
        ("", []),
    ],
)
def test_numbers_are_read_as_they_are_written(text: str, found: list[float]) -> None:
    assert [float(value) for value in numbers(text)] == found


@pytest.mark.parametrize(
    ("output", "target", "right"),
    [
        ("12", "12.0", True),
        ("It has 3 + 4 = 7 sides.", "7", True),
        ("7 of 8", "7", False),
        ("0.33", "1/3", False),
        ("-7", "7", False),
        ("seven", "7", False),
        ("seven", "seven", False),
        ("", "7", False),
    ],
)
def test_numeric_match_compares_the_last_numbers_exactly(
    output: str, target: str, right: bool
) -> None:
    assert correct(judged_by("numeric_match"), output, target) is right


ROUGE = judged_by("rouge_l")


@pytest.mark.parametrize(
    ("output", "target", "value"),
    [
        ("1 star", "5 stars", 50.0),
        ("Positive Review", "Negative Review", 50.0),
        ("12.0", "12", 200 / 3),
        ("支持", "支持", 0.0),
        ("", "5 stars", 0.0),
        ("5 star", "5 stars", 100.0),
        # rouge-score's own example: 5 words in common, of 8 and of 9.
        (
            "The quick brown dog jumps on the log.",
            "The quick brown fox jumps over the lazy dog",
            100 * 2 * (5 / 8) * (5 / 9) / (5 / 8 + 5 / 9),
        ),
    ],
)
def test_rouge_l_is_that_of_the_released_code(output: str, target: str, value: float) -> None:
    assert score(ROUGE, [output], [target]) == pytest.approx(value)
    assert correct(ROUGE, output, target) is (value == 100.0)


def test_rouge_l_of_a_task_is_the_mean_of_its_examples() -> None:
    assert score(ROUGE, ["1 star", "5 stars", "", "x"], ["5 stars"] * 4) == 37.5


DOG = ["The dog bit the man.", "It was not unexpected.", "The man bit him first."]
SAID = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]


def test_bleu_counts_over_the_corpus() -> None:
    outputs, targets = ["a b c d", "a b c x"], ["a b c d", "a b c d"]
    by_hand = 100 * (7 / 8 * 5 / 6 * 3 / 4 * 1 / 2) ** 0.25
    assert score(judged_by("bleu"), outputs, targets) == pytest.approx(by_hand)
    assert score(judged_by("bleu"), ["a b c D"], ["a b c d"]) < 100
    short = 100 * math.exp(1 - 7 / 6)  # every word right, one left out: the brevity penalty
    assert score(judged_by("bleu"), ["a b c d e f"], ["a b c d e f g"]) == pytest.approx(short)


def test_chrf_counts_over_the_corpus() -> None:
    by_hand = 100 * (2 / 3 + 1 / 2 + 0) / 3  # runs of one, two and three characters
    assert score(judged_by("chrf"), ["abc"], ["abd"]) == pytest.approx(by_hand)
    mean = sum(score(judged_by("chrf"), [o], [t]) for o, t in zip(SAID, DOG, strict=True)) / 3
    assert abs(score(judged_by("chrf"), SAID, DOG) - mean) > 1
    assert score(judged_by("chrf"), ["支持"], ["支持"]) == 100.0


def test_a_published_example_of_sacrebleu() -> None:
    """Its page gives 48.53 and 59.73 with two references; the library is the one we call."""
    from sacrebleu import corpus_bleu, corpus_chrf

    others = ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."]
    assert round(corpus_bleu(SAID, [DOG, others]).score, 2) == 48.53
    assert round(corpus_chrf(SAID, [DOG, others]).score, 2) == 59.73
    assert score(judged_by("bleu"), SAID, DOG) == pytest.approx(corpus_bleu(SAID, [DOG]).score)
    assert score(judged_by("chrf"), SAID, DOG) == pytest.approx(corpus_chrf(SAID, [DOG]).score)


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_of_a_corpus_metric_an_output_is_right_if_it_is_the_target(metric: str) -> None:
    task = judged_by(metric)
    assert correct(task, " The dog  bit the man.", DOG[0])
    assert not correct(task, "the dog bit the man.", DOG[0])
    assert score(task, DOG, DOG) == 100.0


def with_labels(metric: str) -> Task:
    return judged_by(metric, ("5 stars", "1 star"))


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_output_is_right_for_an_empty_target_alone(metric: str) -> None:
    task = with_labels(metric)
    assert correct(task, "", "") and correct(task, " \n", "")
    assert not correct(task, "5", "") and not correct(task, "", "5 stars")
    assert score(task, ["", "5"], ["", ""]) == 50.0
    assert score(task, ["", ""], ["5 stars", "1 star"]) == 0.0


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_empty_targets_enter_a_corpus_metric_by_their_number(metric: str) -> None:
    task = judged_by(metric)
    value = score(task, SAID, DOG)
    assert score(task, [*SAID, ""], [*DOG, ""]) == pytest.approx((3 * value + 100) / 4)
    assert score(task, [*SAID, "x"], [*DOG, ""]) == pytest.approx(3 * value / 4)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_highest_for_the_targets_themselves(metric: str) -> None:
    texts = ["5 stars", "1 star", "5 stars of the 5 stars"]
    task = judged_by(metric, tuple(texts))
    assert score(task, texts, texts) == pytest.approx(100.0)
    assert 0 <= score(task, [*texts[1:], texts[0]], texts) < 100
    assert FULLY_RIGHT[metric]


def test_score_is_the_percentage_of_right_answers() -> None:
    assert score(FREE, ["a b", "a", "", "c"], ["a b", "a b", "x", "c"]) == 50.0


def test_score_of_nothing_or_of_unequal_lists_is_refused() -> None:
    with pytest.raises(InputError, match="translate"):
        score(FREE, [], [])
    with pytest.raises(InputError, match="2 outputs for 1"):
        score(FREE, ["a", "b"], ["a"])


def test_an_unknown_metric_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'rouge'.*rouge_l.*'translate' names it"):
        score(judged_by("rouge"), ["a"], ["a"])


def test_an_evaluation_over_some_examples_is_scored_as_a_corpus() -> None:
    from sapo_analysis.learning.evaluation import of_first, summarise
    from sapo_analysis.learning.scoring import ExampleLoss
    from sapo_analysis.models.encoding import Encoded

    task = judged_by("bleu")
    examples = [Example("", target) for target in DOG]
    rows = [Encoded([1, 2, 3], 1, 2)] * 3
    found = summarise(task, examples, SAID, [ExampleLoss(1.0, 2, 0.5, 1)] * 3, 0, 0)
    assert found.value == score(task, SAID, DOG)
    assert found.correct == [True, False, False]
    value, loss = of_first(found, task, examples, rows, 2)
    assert value == score(task, SAID[:2], DOG[:2]) and loss == 0.5


@pytest.mark.parametrize(
    ("metric", "package"),
    [("rouge_l", "rouge_score.rouge_scorer"), ("bleu", "sacrebleu"), ("chrf", "sacrebleu")],
)
def test_a_package_that_is_not_here_is_named(
    monkeypatch: pytest.MonkeyPatch, metric: str, package: str
) -> None:
    rouge._scorer.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"'{metric}' needs {package}.*sapo-analysis\[train\]"):
        score(judged_by(metric), ["a b"], ["a b"])
