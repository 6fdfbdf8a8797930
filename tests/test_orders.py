"""Orders of tasks in folders: numbers decide, and what is no order is named."""

import json
from pathlib import Path

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.spec import parse_study
from sapo_analysis.spec.orders import read_order

EXAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "order" / "example_seq"
TASKS = ["task195_sentiment140_classification", "task1310_amazonreview_rating_classification"]
TASKS += ["task273_europarl_classification", "task363_sst2_polarity_classification"]


@pytest.fixture
def order(tmp_path):
    def write(stages, name="order1"):
        for stage, entries in stages.items():
            folder = tmp_path / name / stage
            folder.mkdir(parents=True)
            if entries is not None:
                text = entries if isinstance(entries, str) else json.dumps(entries)
                (folder / "train_tasks.json").write_text(text)
        return tmp_path / name

    return write


def one(task):
    return [{"sampling strategy": "full", "dataset_name": task}]


def orders_of(orders):
    return parse_study(
        {"kind": "sequence", "name": "x", "model": "pocket", "orders": orders}, "s"
    ).orders


def test_ten_comes_after_nine(order):
    stages = {f"{i}-t": one(f"task{i}") for i in (10, 9, 1, 2)}
    folder = order(stages)
    (folder / "README.md").write_text("a file is no stage")
    (folder / ".hidden").mkdir()
    assert read_order(folder) == ("task1", "task2", "task9", "task10")


def test_a_spec_takes_folders_beside_lists(order, tmp_path, monkeypatch):
    first = order({"1-a": one("a"), "2-b": one("b")}, "first")
    order({"1-b": one("b"), "2-a": one("a")}, "second")
    assert orders_of(str(first)) == (("a", "b"),)
    assert orders_of([str(first), ["b", "a"]]) == (("a", "b"), ("b", "a"))
    monkeypatch.chdir(tmp_path)
    assert orders_of(["first", "second"]) == (("a", "b"), ("b", "a"))
    # Folders that hold no stages do not stand for the tasks of their names.
    for name in "ab":
        (tmp_path / name).mkdir()
    assert orders_of(["a", "b"]) == (("a", "b"),)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"x-a": one("a")}, "x-a' is no stage, its name does not begin with a number"),
        ({"1-a": one("a"), "01-b": one("b")}, "'01-b' and '1-a' in .* have one number"),
        ({"1-a": None}, "cannot read .*train_tasks.json"),
        ({"1-a": "{"}, "cannot read .*1-a/train_tasks.json"),
        ({"1-a": []}, "names 0 tasks, not one"),
        ({"1-a": [*one("a"), *one("b")]}, "names 2 tasks, not one"),
        ({"1-a": [{"name": "a"}]}, "has no dataset_name"),
        ({"1-a": [3]}, "has no dataset_name"),
        ({"1-a": one("")}, "has no dataset_name"),
    ],
)
def test_what_is_no_order(order, stages, words):
    with pytest.raises(InputError, match=words):
        read_order(order(stages))


def test_a_folder_without_stages_or_none(tmp_path):
    with pytest.raises(InputError, match="has no stages"):
        read_order(tmp_path)
    for orders in ("none", ["no/ne"], [str(tmp_path / "none"), ["a", "b"]]):
        with pytest.raises(InputError, match="s: orders: there is no folder"):
            orders_of(orders)


@pytest.mark.skipif(not EXAMPLE.is_dir(), reason=f"the released example is not at {EXAMPLE}")
def test_the_released_example():
    assert orders_of(str(EXAMPLE)) == (tuple(TASKS),)
