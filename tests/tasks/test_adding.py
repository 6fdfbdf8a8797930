"""A task is added whole or not at all, and its card says where its rows are from."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import SPLITS, get_task
from sapo_analysis.tasks.added import FOLDER
from sapo_analysis.tasks.adding import add_rows
from sapo_analysis.tasks.card import Columns, TaskCard, read_card

COLUMNS = {"input": "q", "target": "a"}
KEPT = {"train": 20, "dev": 2, "test": 4}


def card(name="mine", **changes):
    said = {"name": name, "title": name, "metric": "exact_match", "columns": COLUMNS}
    return TaskCard(**{**said, "prompts": {"original": "Do it."}, **changes})


def rows(n):
    return [{"q": f"input {i}", "a": str(i % 3)} for i in range(n)]


def test_what_lies_in_the_runs_folder_reads_back(tmp_path):
    found = add_rows(tmp_path, card(), {"train": iter(rows(100))}, {"files": "x.csv"}, KEPT)
    assert found.folder == tmp_path / FOLDER / "mine"
    task = get_task("mine", sources=[str(found.folder)])
    assert task.sizes == found.task.sizes == KEPT
    assert {split: task.examples(split) for split in SPLITS} == found.gathered.rows
    assert task.suite == "added" and task.notes == found.gathered.notes
    said = read_card(found.folder / "task.yaml")
    assert said.columns == Columns(**COLUMNS)
    notes = said.origin.pop("notes")
    assert len(notes) == 1 and notes[0].startswith("dev and test were held out of train")
    assert said.origin == {
        "files": "x.csv",
        "read": 100,
        "kept": 26,
        "repeated": 0,
        "left_out": 74,
        "held_out": ["dev", "test"],
    }


def test_paths_of_a_card_do_not_move_with_it(tmp_path):
    made = add_rows(tmp_path, card(data={"files": {"train": "x.csv"}}), {"train": rows(9)}, {})
    assert read_card(made.folder / "task.yaml").data is None


def test_splits_that_are_given_are_kept_as_such(tmp_path):
    tables = {"train": rows(9), "dev": rows(3), "test": rows(5)}
    found = add_rows(tmp_path, card(), tables, {})
    assert found.task.sizes == {"train": 9, "dev": 3, "test": 5}
    assert found.gathered.held_out == ()
    assert found.task.notes == (
        "3 of 3 kept dev inputs stand in train",
        "5 of 5 kept test inputs stand in train",
    )


@pytest.mark.parametrize(
    ("changes", "tables", "words"),
    [
        ({"name": "sentiment"}, {"train": rows(9)}, "The pocket suite has a task 'sentiment'"),
        ({"columns": None}, {"train": rows(9)}, "does not say which columns"),
        ({}, {"test": rows(9)}, "needs rows to train on; there are test"),
        ({}, {"train": rows(9), "test": []}, "test: no rows"),
        ({}, {"train": [*rows(9), {"q": "x"}]}, "row 10 of train: has no column 'a'"),
        ({"labels": ["0", "1"]}, {"train": rows(9)}, "'2' is none of the labels"),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path, changes, tables, words):
    with pytest.raises(InputError, match=words):
        add_rows(tmp_path, card(**changes), tables, {})
    assert list(tmp_path.rglob("*")) == []


def test_a_task_is_never_written_over(tmp_path):
    add_rows(tmp_path, card(), {"train": rows(9)}, {})
    before = (tmp_path / FOLDER / "mine" / "task.yaml").read_bytes()
    with pytest.raises(InputError, match="'mine' was added before"):
        add_rows(tmp_path, card(), {"train": rows(20)}, {})
    assert (tmp_path / FOLDER / "mine" / "task.yaml").read_bytes() == before


def test_one_added_in_the_meantime_is_not_written_over(tmp_path, monkeypatch):
    from sapo_analysis.tasks import adding

    write, first = adding.added.write_task, []

    def after_another(folder, *told):
        write(folder, *told)
        if not first:
            first.append(folder)
            add_rows(tmp_path, card(), {"train": rows(9)}, {})

    monkeypatch.setattr(adding.added, "write_task", after_another)
    with pytest.raises(InputError, match="'mine' was added before"):
        add_rows(tmp_path, card(), {"train": rows(20)}, {})
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["mine"]
    assert read_card(tmp_path / FOLDER / "mine" / "task.yaml").origin["read"] == 9


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    from sapo_analysis.tasks import added

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(added, "write_card", full)
    with pytest.raises(InputError, match="No space left on device"):
        add_rows(tmp_path, card(), {"train": rows(9)}, {})
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_file_name_of_any_bytes_can_be_told(tmp_path):
    origin = {"files": {"train": b"rows\xff.csv".decode("utf-8", "surrogateescape")}}
    made = add_rows(tmp_path, card(), {"train": rows(9)}, origin)
    assert read_card(made.folder / "task.yaml").origin["files"] == origin["files"]
