"""Which metric does not suit which targets, and how many of them."""

from __future__ import annotations

import pytest

from sapo_analysis.tasks import SPLITS, Example, Task, list_tasks
from sapo_analysis.tasks.metrics import pairing_warnings

LONG = "a sentence that nobody would ever write again in just these eleven words"


def warnings_of(metric: str, targets: list[str], labels: tuple[str, ...] = ()) -> str:
    """What is said of these targets, all of them in the test split."""
    rows = {"train": [], "dev": [], "test": [Example("x", target) for target in targets]}
    task = Task(
        name="small",
        title="Small",
        family="none",
        suite="test",
        labels=labels,
        metric=metric,
        suffix="",
        max_new_tokens=2,
        role="",
        sizes={split: len(rows[split]) for split in SPLITS},
        load=lambda split: rows[split],
    )
    return " | ".join(pairing_warnings(task))


@pytest.mark.parametrize(
    ("metric", "targets", "labels", "said"),
    [
        ("exact_match", [LONG, "b"], (), "50 % of the targets (1 of 2) have more than 10 words"),
        ("label_accuracy", ["a", "b", "c", ""], ("a", "b"), "33.3 % of the targets (1 of 3)"),
        ("label_accuracy", ["a"], ("a", " a"), "white space at their ends alone"),
        ("label_accuracy", ["1"], ("1", "-1"), "surrounding punctuation alone"),
        ("numeric_match", ["12", "twelve"], (), "50 % of the targets (1 of 2) hold no number"),
        ("numeric_match", ["1, 2"], (), "100 % of the targets (1 of 1) hold several numbers"),
        ("rouge_l", ["a b"], ("a b",), "ROUGE-L on a task with labels"),
        ("bleu", ["a b"], ("a b",), "BLEU on a task with labels"),
        ("chrf", ["a b"], ("a b",), "chrF on a task with labels"),
        ("rouge_l", ["yes", "a b"], (), "rouge_l on single words: 50 % of the targets (1 of 2)"),
        ("chrf", ["yes", "a b"], (), "chrf on single words: 50 % of the targets (1 of 2)"),
        ("rouge_l", ["这个句子", LONG], (), "50 % of the targets (1 of 2) hold none of these"),
        ("rouge_l", ["café au lait", "Привет x"], (), "of 100 % of the targets (2 of 2) some"),
        ("bleu", ["这个句子很长。", LONG], (), "50 % of the targets (1 of 2) are in a script"),
        ("bleu", ["one", LONG], (), "50 % of the targets (1 of 2) have fewer than four words"),
    ],
)
def test_a_wrong_pairing_is_warned_about_with_its_share(metric, targets, labels, said) -> None:
    assert said in warnings_of(metric, targets, labels)


@pytest.mark.parametrize(
    ("metric", "targets", "labels"),
    [
        ("exact_match", ["short answer", "", "这个句子"], ()),
        ("exact_match", [LONG], (LONG,)),
        ("label_accuracy", ["a", "b.", ""], ("a", "b")),
        ("numeric_match", ["12", "-3.5 km", ""], ()),
        ("rouge_l", [LONG, "a b"], ()),
        ("chrf", [LONG, "这个句子"], ()),
        ("bleu", [LONG], ()),
        ("rouge_l", [LONG] * 19 + ["yes"], ()),
        ("numeric_match", [""], ()),
    ],
)
def test_what_fits_is_not_warned_about(metric, targets, labels) -> None:
    assert warnings_of(metric, targets, labels) == ""


def test_a_long_list_read_off_the_input_has_one_right_answer() -> None:
    letters = ", ".join("abcdefghijklm")
    rows = [Example(f"7 {letters} 9", letters)]
    task = Task(
        name="letters",
        title="Letters",
        family="none",
        suite="test",
        labels=(),
        metric="exact_match",
        suffix="",
        max_new_tokens=64,
        role="",
        sizes=dict.fromkeys(SPLITS, 1),
        load=lambda split: rows,
    )
    assert pairing_warnings(task) == []


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.name)
def test_shipped_tasks_are_judged_by_a_metric_that_suits_them(task: Task) -> None:
    assert pairing_warnings(task) == []
