"""Answer formats: what a task's own answers look like, and which outputs have that look."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.tasks import get_task, list_tasks
from sapo_analysis.tasks.formats import Format, shape
from sapo_analysis.tasks.metrics import correct

FREE = get_task("translate")
LABELLED = get_task("sentiment")
TEXTS = st.text(max_size=30)


def free_format(*targets):
    return Format.of(FREE, targets)


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_every_target_has_the_format_whatever_the_targets(targets):
    found = free_format(*targets)
    assert all(found.fits(target) for target in targets) and found.ratio(targets) == 1


@given(st.lists(TEXTS, min_size=1, max_size=4), TEXTS)
def test_more_targets_never_make_a_format_narrower(targets, output):
    narrow, wide = free_format(*targets[:1]), free_format(*targets)
    assert wide.fits(output) or not narrow.fits(output)


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.name)
def test_every_target_of_every_shipped_task_has_its_tasks_format(task):
    targets = [row.target for row in task.examples("train", 300)]
    found = Format.of(task, targets)
    assert found.ratio(targets) == 1
    assert found.labels == task.labels


def test_a_labelled_task_compares_as_its_metric_does():
    labels = ("True", "False")
    task = replace(LABELLED, labels=labels)
    found = Format.of(task, [])
    for output in ("true", " FALSE. ", "**True**", "False\n", '"true"'):
        assert found.fits(output)
        assert any(correct(task, output, label) for label in labels)
    for output in ("", "yes", "true false", "untrue", "True because"):
        assert not found.fits(output)


@given(TEXTS, st.sampled_from(["", " ", ".", "!", "\n"]))
def test_what_a_labelled_task_could_count_as_right_has_its_format(output, edge):
    found = Format.of(LABELLED, [])
    for said in (output, LABELLED.labels[0].upper() + edge):
        could_be_right = any(correct(LABELLED, said, label) for label in LABELLED.labels)
        assert found.fits(said) == could_be_right


def test_labels_that_differ_in_punctuation_alone_are_told_apart():
    found = Format.of(replace(LABELLED, labels=("1", "-1")), [])
    assert found.fits("-1") and not found.fits("(1)")


def test_of_free_answers_each_of_three_things_has_to_hold():
    found = free_format("12 apples", "7 ripe pears")
    assert found.fits("71 pears") and found.fits("2 ripe pears")
    assert not found.fits("2 ripe apples ripe pears")  # too many words
    assert not found.fits("7")  # too few
    assert not found.fits("93 pears")  # a 9 and a 3 are in no target
    assert not found.fits("pears 12")  # no target has this shape
    assert not found.fits("")


def test_a_shape_keeps_kinds_of_characters_and_not_how_many():
    assert shape("two red apples, 12 pears!!") == "a, 9 a!"
    assert shape("12 March 2020") == "9 a 9" and shape("3.5") == "9.9"
    assert shape("à  \t ê") == "a" and shape("e\u0301") == "a" and shape("苹果 ٣") == "a 9"
    assert shape("x1 y2 z3") == "a9 a9 a9" and shape("1 2 30") == "9"
    assert shape("a-b c d e") == "a-a" and shape("x y2") == "a a9"
    assert shape("") == ""


def test_a_ratio_counts_outputs_and_is_unknown_without_any():
    found = Format.of(LABELLED, [])
    right = LABELLED.labels[0]
    assert found.ratio([right, "", "nothing of it", right + "."]) == 0.5
    assert math.isnan(found.ratio([]))


def test_without_labels_and_targets_there_is_no_format():
    with pytest.raises(ValueError, match="'translate' has neither labels nor targets"):
        free_format()
