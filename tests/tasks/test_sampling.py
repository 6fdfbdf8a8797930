"""Which rows are kept of many: the same whatever their order, uniform, equal inputs together."""

import random

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import Example
from sapo_analysis.tasks.sampling import KEEP, Sample, gathered, keep_for

SMALL = {"train": 50, "dev": 5, "test": 10}


def sample(rows, size):
    found = Sample(size)
    for row in rows:
        found.offer(row)
    return found


def examples(n):
    return [Example(f"input {i}", f"{i % 3}") for i in range(n)]


def test_the_order_of_the_file_has_no_say():
    rows = examples(500)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert sample(rows, 40).rows == sample(shuffled, 40).rows
    assert sample(rows, 500).rows[:40] == sample(rows, 40).rows


def test_sorted_labels_come_out_mixed():
    rows = [Example(f"input {i}", "a" if i < 5_000 else "b") for i in range(10_000)]
    first = sample(rows, 1_000).rows[:250]
    share = sum(row.target == "a" for row in first) / 250
    assert 0.4 < share < 0.6  # three standard errors of a fair draw


def test_a_row_said_again_is_counted_once_kept_and_not_when_it_is_gone():
    rows = examples(100)
    first, last = sample(rows, 100).rows[0], sample(rows, 100).rows[-1]
    found = sample([*rows, first, first, last], 100)
    assert (found.repeated, found.offered, len(found.rows)) == (3, 103, 100)
    assert sample([last, last, *rows], 50).repeated == 0
    assert sample([first, first, *rows], 50).repeated == 2


def test_an_input_with_two_answers_stays_two_rows():
    assert len(sample([Example("x", "a"), Example("x", "b"), Example("x", "a")], 9).rows) == 2


def test_held_out_splits_share_no_input_and_no_row_is_lost():
    rows = [Example(f"input {i // 2}", str(i % 2)) for i in range(60)]
    found = gathered({"train": sample(rows, 65)}, SMALL)
    inputs = {split: {row.input for row in own} for split, own in found.rows.items()}
    assert not inputs["train"] & inputs["dev"] and not inputs["train"] & inputs["test"]
    assert not inputs["dev"] & inputs["test"]
    assert sorted(found.rows) == ["dev", "test", "train"]
    assert found.kept == 60 and found.left_out == 0 and found.held_out == ("dev", "test")
    # 30 inputs in the proportions 50 : 5 : 10.
    assert [len(inputs[split]) for split in ("train", "dev", "test")] == [23, 2, 5]


def test_of_many_rows_each_split_is_full():
    found = gathered({"train": sample(examples(1_000), 65)}, SMALL)
    assert {split: len(own) for split, own in found.rows.items()} == SMALL
    assert (found.read, found.kept, found.left_out) == (1_000, 65, 935)


def test_given_splits_stay_and_shared_inputs_are_told():
    rows = examples(30)
    found = gathered({"train": sample(rows, 55), "test": sample(rows[:4], 10)}, SMALL)
    assert found.held_out == ("dev",) and len(found.rows["test"]) == 4
    assert any(note.endswith("kept test inputs stand in train") for note in found.notes)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_inputs_to_part(n):
    rows = [Example(f"{i}", str(j)) for i in range(n) for j in range(3)]
    with pytest.raises(InputError, match=f"train has {n} different input"):
        gathered({"train": sample(rows, 9)}, SMALL)


def test_three_inputs_are_enough():
    found = gathered({"train": sample(examples(3), 9)}, SMALL)
    assert [len(own) for own in found.rows.values()] == [1, 1, 1]


def test_a_given_split_without_rows_is_refused():
    with pytest.raises(InputError, match="dev: no rows"):
        gathered({"train": sample(examples(9), 9), "dev": Sample(5)}, SMALL)


def test_limits_by_the_one_for_train():
    assert keep_for(5_000) == KEEP
    assert keep_for(100) == {"train": 100, "dev": 10, "test": 20}
    assert keep_for(1) == {"train": 1, "dev": 1, "test": 1}
