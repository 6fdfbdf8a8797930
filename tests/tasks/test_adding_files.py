"""Tasks added from a table, a card, a folder of released tasks, a task file."""

import hashlib
import json

import pytest
import yaml

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import SPLITS
from sapo_analysis.tasks.added import FOLDER
from sapo_analysis.tasks.adding_files import add_card, add_source, add_table, card_of
from sapo_analysis.tasks.card import Columns, read_card
from sapo_analysis.tasks.sources import read_source
from sapo_analysis.tasks.tables import read_table

COLUMNS = Columns(input="q", target="a")
TEXT = "\n".join(["q,a", *(f"input {i},{'no' if i % 3 else 'yes'}" for i in range(40))])


@pytest.fixture
def table():
    return read_table(TEXT.encode(), "up/rows.csv")


@pytest.fixture
def card_file(tmp_path):
    def write(**changes):
        folder = tmp_path / "cards"
        folder.mkdir(exist_ok=True)
        (folder / "rows.csv").write_text(TEXT)
        said = {
            "name": "carded",
            "title": "Carded",
            "metric": "label_accuracy",
            "labels": ["yes", "no"],
            "columns": {"input": "q", "target": "a"},
            "prompts": {"original": "Is it?", "paraphrases": ["Is it so?"], "test_only": ["So?"]},
            "data": {"files": {"train": "rows.csv"}},
            **changes,
        }
        (folder / "card.yaml").write_text(yaml.safe_dump(said))
        return folder / "card.yaml"

    return write


@pytest.fixture
def released(tmp_path):
    folder = tmp_path / "SUITE"
    rows = [{"sentence": f"Is it {i}?", "label": ["yes", "no"][i % 2]} for i in range(30)]
    names = ["b", "a"]
    for name in names:
        (folder / name).mkdir(parents=True)
        for split in SPLITS:
            (folder / name / f"{split}.json").write_text(json.dumps(rows))
    entry = {
        "instruction": "Say it.",
        "suffix": "Just so.",
        "labels": ["yes", "no"],
        "size": [1, 1, 1],
    }
    (folder / "instructions.json").write_text(json.dumps({name: entry for name in names}))
    return folder


def test_a_table_with_all_that_is_not_said_chosen_by_rule(tmp_path, table):
    task = add_table(tmp_path, table, "mine", COLUMNS, "Is it?").task
    assert (task.metric, task.max_new_tokens, task.title) == ("exact_match", 4, "mine")
    said = read_card(tmp_path / FOLDER / "mine" / "task.yaml").origin
    assert said["files"] == {"train": "rows.csv"}
    assert said["sha256"] == {"train": hashlib.sha256(TEXT.encode()).hexdigest()}
    labelled = add_table(tmp_path, table, "more", COLUMNS, "Is it?", {"labels": ["yes", "no"]}).task
    assert labelled.metric == "label_accuracy"


def test_what_is_said_counts(tmp_path, table):
    fields = {"metric": "chrf", "max_new_tokens": 9, "title": "Mine", "suffix": "Short."}
    task = add_table(tmp_path, table, "mine", COLUMNS, "Is it?", fields).task
    assert (task.metric, task.max_new_tokens, task.title, task.suffix) == (
        "chrf",
        9,
        "Mine",
        "Short.",
    )


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("a/b", {}, "The card of task 'a/b' breaks a rule.\n  name"),
        ("mine", {"metric": "accuracy"}, "metric 'accuracy' is none of exact_match"),
        ("mine", {"metric": "label_accuracy"}, "label_accuracy needs labels"),
        ("mine", {"labels": ["yes"]}, "'no' is none of the labels 'yes'"),
    ],
)
def test_a_card_that_cannot_be_made(tmp_path, table, name, fields, words):
    with pytest.raises(InputError, match=words):
        add_table(tmp_path, table, name, COLUMNS, "Is it?", fields)
    assert list(tmp_path.rglob("*")) == []


def test_a_card_finds_its_files_beside_it(tmp_path, card_file):
    added = add_card(tmp_path, card_file())
    assert [w.text for w in added.task.wordings] == ["Is it?", "Is it so?", "So?"]
    assert sum(added.task.sizes.values()) == 40


def test_a_card_beside_rows(tmp_path, card_file, table):
    path = card_file(data=None)
    with pytest.raises(InputError, match="names no files with rows"):
        add_card(tmp_path, path)
    fields = {"name": "renamed", "prompt": "Really?"}
    task = add_card(tmp_path, path, table, fields).task
    assert (task.name, [w.text for w in task.wordings]) == ("renamed", ["Really?"])


def test_a_released_folder_keeps_all_rows_in_order(tmp_path, released):
    before = read_source(released).tasks
    made = add_source(tmp_path, released)
    assert [added.task.name for added in made] == ["b", "a"]
    for added in made:
        own = before[added.task.name]
        assert all(added.task.examples(s) == own.examples(s) for s in SPLITS)
        assert card_of(added.task) == card_of(own)
        assert added.task.notes == own.notes and len(own.notes) == 1
        origin = read_card(added.folder / "task.yaml").origin
        assert (origin["folder"], origin["read"], origin["left_out"]) == ("SUITE", 90, 0)
        assert len(origin["sha256"]["dev"]) == 64


def test_first_rows_of_a_released_folder(tmp_path, released):
    keep = {"train": 20, "dev": 2, "test": 4}
    for added in add_source(tmp_path, released, keep=keep):
        assert added.task.sizes == keep and added.gathered.left_out == 64
        assert added.task.examples("dev")[1].input == "Is it 1?"


def test_nothing_is_added_where_a_name_is_taken(tmp_path, released, table):
    add_table(tmp_path, table, "a", COLUMNS, "Is it?")
    with pytest.raises(InputError, match="'a' was added before"):
        add_source(tmp_path, released)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["a"]


def test_fields_are_for_one_task(tmp_path, released):
    with pytest.raises(InputError, match="holds 2 tasks, and suffix can be set for one alone"):
        add_source(tmp_path, released, {"suffix": "x"})


def test_a_task_file_with_another_name_and_fewer_rows(tmp_path):
    rows = [{"input": f"{i}", "output": ["yes" if i % 2 else "no"]} for i in range(300)]
    path = tmp_path / "task9_x.json"
    path.write_text(json.dumps({"Definition": "Say it.", "Instances": rows}))
    keep = {"train": 20, "dev": 2, "test": 4}
    (added,) = add_source(tmp_path, path, {"name": "nine", "suffix": "Now."}, keep)
    assert (added.task.name, added.task.suffix, added.task.sizes) == ("nine", "Now.", keep)
    assert (added.gathered.read, added.gathered.left_out) == (300, 274)
    origin = read_card(added.folder / "task.yaml").origin
    assert origin["files"] == {"train": "task9_x.json"}
