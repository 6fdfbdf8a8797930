"""Paths that hold tasks: told apart, read again when they change, refused with what they are."""

import json
import os
import shutil

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import Example, get_task, left_out_of, list_tasks, pocket_names, task_names
from sapo_analysis.tasks.added import FOLDER, read_task, write_task
from sapo_analysis.tasks.card import TaskCard
from sapo_analysis.tasks.sources import read_source


def add(folder, name, n=2):
    card = TaskCard(name=name, title=name, metric="exact_match", prompts={"original": "Do it."})
    rows = {
        split: [Example(f"{split} {i}", "y") for i in range(n)]
        for split in ("train", "dev", "test")
    }
    write_task(folder / name, card, rows)
    return folder / name


def test_one_added_task_or_a_folder_of_them(tmp_path):
    first, _ = add(tmp_path, "b"), add(tmp_path, "a")
    assert list(read_source(first).tasks) == ["b"]
    assert list(read_source(tmp_path).tasks) == ["a", "b"]
    assert task_names([str(tmp_path)]) == (*pocket_names(), "a", "b")
    assert [task.name for task in list_tasks(sources=[str(tmp_path)])][-2:] == ["a", "b"]


def test_what_is_half_written_is_not_listed(tmp_path):
    folder = tmp_path / FOLDER
    add(folder, "a").rename(folder / ".a-1234")
    (folder / "notes").mkdir()
    assert read_source(folder).tasks == {}


def test_a_folder_without_tasks_is_refused_and_the_folders_of_tasks_in_it_are_named(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError, match=r"holds no task.*Give a folder that has one of these"):
        read_source(tmp_path)
    add(tmp_path / "mine", "a")
    (tmp_path / "released").mkdir()
    (tmp_path / "released" / "instructions.json").write_text("{}")
    with pytest.raises(InputError, match=r"lie in it: give '[^,]*/mine', '[^,]*/released'\."):
        read_source(tmp_path)


def test_a_damaged_task_is_left_out_with_its_reason(tmp_path):
    add(tmp_path, "fine")
    (add(tmp_path, "bad") / "dev.parquet").write_bytes(b"PAR1")
    (add(tmp_path, "empty", n=0)).touch()
    add(tmp_path, "old").rename(tmp_path / "new")
    assert list(read_source(tmp_path).tasks) == ["fine"]
    reasons = left_out_of((str(tmp_path),))
    assert "dev rows of task 'bad' cannot be read" in reasons["bad"]
    assert "there are none" in reasons["empty"]
    assert "calls itself 'old'" in reasons["new"]
    with pytest.raises(InputError, match="Task 'bad' cannot be used"):
        get_task("bad", sources=[str(tmp_path)])
    with pytest.raises(InputError, match="No task of .*bad' can be used"):
        get_task("bad", sources=[str(tmp_path / "bad")])


def test_an_unchanged_task_is_read_once_and_a_changed_one_again(tmp_path):
    folder = add(tmp_path, "a")
    first = get_task("a", sources=[str(tmp_path)])
    assert first.examples("train") and get_task("a", sources=[str(tmp_path)]) is first
    other = add(tmp_path / "other", "a", n=5)
    shutil.copy(other / "train.parquet", folder / "train.parquet")
    os.utime(folder / "train.parquet", (1, 1))
    again = get_task("a", sources=[str(tmp_path)])
    assert again.sizes["train"] == len(again.examples("train")) == 5


def test_rows_with_holes_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = add(tmp_path, "a")
    pq.write_table(pa.table({"input": ["x", "y"], "target": ["1", None]}), folder / "test.parquet")
    with pytest.raises(InputError, match="a column is missing, or values in it"):
        read_task(folder).examples("test")


def test_names_are_unique(tmp_path):
    add(tmp_path / "one", "a")
    add(tmp_path / "two", "a")
    add(tmp_path / "three", "sentiment")
    with pytest.raises(InputError, match="'a' of .*two' has the name of a task of .*one'"):
        task_names([str(tmp_path / "one"), str(tmp_path / "two")])
    with pytest.raises(InputError, match="of the pocket suite"):
        task_names([str(tmp_path / "three")])
    assert "a" in task_names([str(tmp_path / "one")] * 2)


def test_what_is_no_source(tmp_path):
    (tmp_path / "rows.csv").write_text("q,a\n")
    (tmp_path / "x.json").write_text(json.dumps({"q": 1}))
    for path, words in [
        (tmp_path / "none", "there is no such file or folder"),
        (tmp_path / ("x" * 300), "there is no such file or folder"),
        (tmp_path / "rows.csv", "made a task by `sapo add-task`"),
        (tmp_path / "x.json", "has no 'Instances'"),
    ]:
        with pytest.raises(InputError, match=words):
            task_names([str(path)])


def test_more_examples_than_there_are(tmp_path):
    task = read_task(add(tmp_path, "a"))
    with pytest.raises(InputError, match="'a' has 2 dev examples, 3 were asked for"):
        task.examples("dev", 3)
