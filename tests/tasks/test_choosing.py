"""The rule that chooses a metric, on answers of every kind."""

import pytest

from sapo_analysis.tasks import Example
from sapo_analysis.tasks.choosing import metric_for, new_tokens_for

TEXT = "the quick brown fox jumps over it"


@pytest.mark.parametrize(
    ("targets", "metric"),
    [
        (["1", "-2.5", "1,200", "$3.50", "40 %"], "numeric_match"),
        (["1", "two"], "exact_match"),
        (["1,2", "3"], "exact_match"),  # a list, of which the last number alone would count
        (["winch", "steam roller", TEXT], "exact_match"),
        (["", "", TEXT], "exact_match"),
        ([TEXT, TEXT, "short"], "rouge_l"),
        (["Быстрая лиса прыгает через собаку"], "chrf"),
        (["今天天气很好我们去公园散步"], "chrf"),
        (["今天", "天气"], "exact_match"),
    ],
)
def test_metric_of_answers(targets, metric):
    assert metric_for((), [Example("question", target) for target in targets]) == metric


def test_labels_come_first():
    assert metric_for(("1", "2"), [Example("x", "1")]) == "label_accuracy"


def test_lists_read_off_the_input_are_exact():
    rows = [Example("['k', '80', 'u', 'I', 'x', 'y']", "k, u, I, x, y, k, u, I")] * 19
    assert metric_for((), [*rows, Example("x", TEXT)]) == "exact_match"  # 95 %
    assert metric_for((), [*rows[1:], Example("x", TEXT)]) == "rouge_l"


def test_tokens_that_hold_every_answer():
    assert new_tokens_for(["no", "ja", "да"]) == 5  # four bytes and the end
    assert new_tokens_for(["x" * 500]) == 128
    assert new_tokens_for([]) == 1
