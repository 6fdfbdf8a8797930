"""Counts of a card against small data counted by hand, and the promises of the shipped tasks."""

import math

import pytest

from sapo_analysis.tasks import SPLITS, Example, Task, list_tasks
from sapo_analysis.tasks.data_card import data_card
from sapo_analysis.tasks.metrics import DEFINITIONS, METRICS

ROWS = {
    "train": [("a b", "x"), ("a b", "x"), ("c", "y"), ("dd  ee ff", "x")],
    "dev": [("c", "y")],
    "test": [("new one", "z"), ("c", "y")],
}


def small(labels=(), rows=ROWS):
    return Task(
        name="small",
        title="Small",
        family="none",
        suite="test",
        labels=labels,
        metric="exact_match",
        suffix="",
        max_new_tokens=2,
        role="unseen",
        sizes={split: len(rows[split]) for split in SPLITS},
        load=lambda split: [Example(*row) for row in rows[split]],
    )


def test_a_card_counts_what_was_counted_by_hand():
    train, dev, test = data_card(small()).splits
    assert (train.rows, train.repeated, train.shared) == (4, 1, 1)
    assert (dev.rows, dev.repeated, dev.shared) == (1, 0, 1)
    assert (test.rows, test.repeated, test.shared) == (2, 0, 1)
    assert train.characters.in_words == "3 (1 to 9)" and train.words.in_words == "2 (1 to 3)"
    assert train.most_common == ("x", 0.75)
    assert data_card(small()).answers == ("x", "y", "z")


def test_labels_stand_in_their_order_even_where_none_has_the_answer():
    assert data_card(small(labels=("y", "x", "never"))).answers == ("y", "x", "never")


def test_lengths_of_targets_and_answers_outside_the_labels():
    rows = {**ROWS, "dev": [("c", "")]}
    train, dev, test = data_card(small(labels=("x", "y"), rows=rows)).splits
    assert train.targets.in_words == "1 (1 to 1)" and dev.targets.in_words == "0 (0 to 0)"
    assert [split.outside for split in (train, dev, test)] == [0, 1, 1]
    assert [split.outside for split in data_card(small(rows=rows)).splits] == [0, 0, 0]


def test_a_split_without_rows_has_no_numbers():
    _, dev, _ = data_card(small(rows={**ROWS, "dev": []})).splits
    assert (dev.rows, dev.repeated, dev.shared, dev.outside) == (0, 0, 0, 0)
    assert dev.characters.in_words == dev.targets.in_words == "–"
    assert dev.most_common[0] == "" and math.isnan(dev.most_common[1])


def test_many_answers_are_not_listed():
    rows = {split: [(f"{split} {i}", str(i)) for i in range(13)] for split in SPLITS}
    assert data_card(small(rows=rows)).answers == ()


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.name)
def test_no_input_of_a_shipped_task_stands_twice(task):
    card = data_card(task)
    assert [split.rows for split in card.splits] == [task.sizes[split] for split in SPLITS]
    assert not any(split.repeated or split.shared for split in card.splits)
    assert all(split.characters.least > 0 for split in card.splits)


def test_every_metric_says_what_it_counts():
    assert set(DEFINITIONS) == set(METRICS)
