"""Which solved examples stand before a row."""

import subprocess
import sys
from dataclasses import replace

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.demonstrations import POOL, demonstrations, pool_of

TASK = get_task("sentiment")


def task_of(train, test=()):
    rows = {"train": train, "dev": [], "test": list(test)}
    return replace(TASK, name="made", load=lambda split: rows[split])


def test_the_draw_is_what_it_was():
    # By hand: the lowest hash among the pool's, the second lowest after it.
    from hashlib import blake2b

    order = sorted(
        range(POOL),
        key=lambda i: blake2b(f"sentiment test 3 {i}".encode(), digest_size=8).hexdigest(),
    )
    train = TASK.examples("train")
    found = demonstrations(TASK, "test", 3, 2)
    assert found == [train[order[0]], train[order[1]]]
    assert demonstrations(TASK, "test", 3, 1) == found[:1]
    assert demonstrations(TASK, "test", 3, 0) == []


def test_another_process_draws_the_same():
    code = (
        "from sapo_analysis.tasks import get_task\n"
        "from sapo_analysis.tasks.demonstrations import demonstrations\n"
        "print([demonstrations(get_task('sentiment'), 'train', i, 2)[1].input for i in range(3)])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(
        [demonstrations(TASK, "train", i, 2)[1].input for i in range(3)]
    )


def test_rows_splits_and_tasks_are_shown_different_ones():
    def shown(task, split):
        return [demonstrations(task, split, i, 1)[0].input for i in range(20)]

    lists = [shown(TASK, "train"), shown(TASK, "test"), shown(replace(TASK, name="b"), "test")]
    assert len({tuple(own) for own in lists}) == 3
    assert all(len(set(own)) > 10 for own in lists)


def test_neither_the_row_nor_its_input_nor_an_input_twice_is_shown():
    rows = [Example(f"i{k % 5}", f"t{k}") for k in range(15)]
    task = task_of(rows, [Example("i2", "other"), Example("new", "y")])
    for split, row, own in [("train", k, f"i{k % 5}") for k in range(15)] + [("test", 0, "i2")]:
        found = demonstrations(task, split, row, 4)
        assert sorted(x.input for x in found) == sorted({f"i{k}" for k in range(5)} - {own})
    assert len({x.input for x in demonstrations(task, "test", 1, 5)}) == 5


def test_only_the_first_training_rows_are_shown_whatever_follows_them():
    train = TASK.examples("train")
    assert len(train) > POOL == pool_of(TASK) and pool_of(task_of(train[:9])) == 9
    longer = replace(TASK, load=lambda split: train[:POOL] if split == "train" else train)
    for row in range(30):
        found = demonstrations(TASK, "train", row, 8)
        assert all(x in train[:POOL] for x in found)
        assert found == demonstrations(longer, "train", row, 8)


def test_too_few_rows_are_refused_with_what_there_is():
    task = task_of([Example("a", "x"), Example("a", "y"), Example("b", "x")], [Example("b", "x")])
    assert [x.input for x in demonstrations(task, "test", 0, 1)] == ["a"]
    said = r"'made' has 1 different inputs .* test row 0, 2 are to be shown .*at most 1 \(eval"
    with pytest.raises(InputError, match=said):
        demonstrations(task, "test", 0, 2)
    with pytest.raises(InputError, match="has 0 different inputs"):
        demonstrations(task_of([], [Example("b", "x")]), "test", 0, 1)
