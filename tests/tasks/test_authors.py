"""Folders as the SAPO authors released them: real ones, and ones with every kind of damage."""

import json
import os
from pathlib import Path

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import SPLITS, get_task, left_out_of, task_names
from sapo_analysis.tasks.authors import INSTRUCTIONS
from sapo_analysis.tasks.sources import read_source

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"the released data are not at {DATA}")
ENTRY = {"instruction": "Say yes or no.", "suffix": "Only that.", "labels": ["yes", "no"]}
ROWS = [{"sentence": f"Is it {i}?", "label": ["yes", "no"][i % 2]} for i in range(4)]


@pytest.fixture
def released(tmp_path):
    """Writes a folder of one task; what is given replaces what is right."""

    def write(entry=ENTRY, name="task1_x", **splits):
        folder = tmp_path / "SUITE"
        (folder / name).mkdir(parents=True, exist_ok=True)
        known = folder / INSTRUCTIONS
        said = json.loads(known.read_text()) if known.exists() else {}
        known.write_text(json.dumps({**said, name: entry}))
        for split in SPLITS:
            rows = splits.get(split, ROWS)
            if rows is not None:
                text = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
                (folder / name / f"{split}.json").write_bytes(text)
        return folder

    return write


def reason(folder, name="task1_x"):
    """Why a task is left out, beside one that is fine."""
    (folder / "fine").mkdir()
    known = folder / INSTRUCTIONS
    known.write_text(json.dumps({**json.loads(known.read_text()), "fine": ENTRY}))
    for split in SPLITS:
        (folder / "fine" / f"{split}.json").write_text(json.dumps(ROWS))
    assert "fine" in task_names([folder]) and name not in task_names([folder])
    with pytest.raises(InputError, match=f"Task {name!r} cannot be used: "):
        get_task(name, sources=[str(folder)])
    return left_out_of((str(folder),))[name]


def test_a_task_as_its_files_say(released):
    folder = released({**ENTRY, "size": [4, 4, 4]}, train=[*ROWS, *ROWS])
    task = get_task("task1_x", sources=[str(folder)])
    assert (task.title, task.family, task.suite) == ("X", "SUITE", "SUITE")
    assert (task.labels, task.metric, task.suffix) == (
        ("yes", "no"),
        "label_accuracy",
        "Only that.",
    )
    assert task.sizes == {"train": 8, "dev": 4, "test": 4} and task.max_new_tokens == 4
    assert [wording.text for wording in task.wordings] == ["Say yes or no."]
    assert [row.target for row in task.examples("train", 3)] == ["yes", "no", "yes"]
    assert task.notes == (
        "instructions.json declares 4 / 4 / 4 rows (train, dev, test), the files have 8 / 4 / 4",
    )


def test_an_empty_answer_is_an_answer_and_told(released):
    entry = {**ENTRY, "labels": []}
    folder = released(entry, dev=[{"sentence": "x", "label": ""}])
    task = get_task("task1_x", sources=[str(folder)])
    assert task.examples("dev")[0].target == "" and task.metric == "exact_match"
    assert task.notes == (
        "1 targets are empty, which counts as an answer (first: dev.json, row 1)",
    )


def test_labels_and_rows_that_differ_are_told(released):
    rows = [*ROWS, {"sentence": " ", "label": "perhaps"}]
    folder = released({**ENTRY, "labels": ["yes", "no", "never"], "size": "many"}, test=rows)
    assert get_task("task1_x", sources=[str(folder)]).notes == (
        "instructions.json declares many rows (train, dev, test), the files have 4 / 4 / 5",
        "no row has the label 'never'",
        "1 targets are none of the labels (first: test.json, row 5: 'perhaps')",
        "1 inputs are empty (first: test.json, row 5)",
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("text", "no mapping of instruction, suffix, labels, size"),
        ({"suffix": "", "labels": []}, "has no instruction"),
        ({**ENTRY, "instruction": " "}, "its instruction in instructions.json is empty"),
        (
            {**ENTRY, "instruction": None},
            "its instruction in instructions.json is empty or no text",
        ),
        ({**ENTRY, "suffix": 3}, "suffix in instructions.json is no text: 3"),
        ({**ENTRY, "labels": "yes"}, "labels in instructions.json are no list: 'yes'"),
        ({**ENTRY, "labels": ["1", 2]}, "hold 2, which is no text"),
        ({**ENTRY, "labels": ["a", "a"]}, "name one twice"),
    ],
)
def test_an_entry_that_makes_no_task(released, entry, words):
    assert words in reason(released(entry))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (None, "dev.json: no such file"),
        ([], "dev.json' is no list of rows"),
        ({"a": 1}, "dev.json' is no list of rows"),
        ([*ROWS, "text"], "dev.json', row 5 is no object of sentence and label: 'text'"),
        (
            [*ROWS, {"sentence": "x", "answer": "y"}],
            "row 5 has no 'label'; it has 'sentence', 'answer'",
        ),
        ([{"sentence": "x", "label": 1}], "row 1: its label is no text: '1'"),
        ([{"sentence": None, "label": "1"}], "row 1: its sentence is no text: 'null'"),
        ([{"sentence": "x\0", "label": "y"}], "row 1: the input has a NUL character"),
        ([{"sentence": "x", "label": "\ud800"}], "row 1: the target has half of a character"),
        (b'[{"sentence": \n]', "dev.json' is not JSON: line 2, column 1"),
        (b'[\n{"sentence": "\xe4"}]', "not UTF-8 text: line 2 has the byte 0xe4"),
        (b"[" * 100_000, "Cannot read"),
    ],
)
def test_a_damaged_file_is_named_with_its_row(released, rows, words):
    assert words in reason(released(dev=rows))


def test_a_task_without_its_folder_is_told(released):
    folder = released()
    known = json.loads((folder / INSTRUCTIONS).read_text())
    (folder / INSTRUCTIONS).write_text(json.dumps({**known, "gone": ENTRY, "../x": ENTRY}))
    found = read_source(folder)
    assert list(found.tasks) == ["task1_x"]
    assert found.left_out["gone"].startswith("its folder") and "../x" in found.left_out
    with pytest.raises(InputError, match="its name cannot be used"):
        get_task("../x", sources=[str(folder)])


def test_a_folder_without_any_task_that_works_is_an_error(released):
    with pytest.raises(
        InputError, match="No task of .*SUITE.* can be used:\n- task1_x: its suffix"
    ):
        task_names([released({**ENTRY, "suffix": 1})])


@pytest.mark.parametrize("text", ["[]", "{}", "3"])
def test_instructions_that_are_no_mapping(released, text):
    folder = released()
    (folder / INSTRUCTIONS).write_text(text)
    with pytest.raises(InputError, match="is no mapping of tasks"):
        task_names([folder])


def test_files_are_read_once_until_one_changes(released, monkeypatch):
    folder = released()
    first = get_task("task1_x", sources=[str(folder)])
    monkeypatch.setattr(Path, "read_text", _only(Path.read_text, INSTRUCTIONS))
    assert get_task("task1_x", sources=[str(folder)]) is first
    monkeypatch.undo()
    path = folder / "task1_x" / "test.json"
    path.write_text(json.dumps(ROWS[:1]))
    os.utime(path, (1, 1))
    assert get_task("task1_x", sources=[str(folder)]).sizes["test"] == 1


def _only(read, name):
    def reading(self, *given, **named):
        assert self.name == name, f"{self} was read again"
        return read(self, *given, **named)

    return reading


@real
def test_the_released_superni_tasks():
    tasks = read_source(DATA / "SUPERNI").tasks
    assert {name.split("_")[0]: task.metric for name, task in tasks.items()} == {
        **dict.fromkeys(["task195", "task273", "task363", "task1310"], "label_accuracy"),
        **dict.fromkeys(["task1343", "task1510"], "label_accuracy"),
        "task141": "exact_match",
        "task163": "numeric_match",
        "task488": "exact_match",
        "task618": "rouge_l",
        "task619": "rouge_l",
    }
    for name, task in tasks.items():
        for split in SPLITS:
            rows = json.loads((DATA / "SUPERNI" / name / f"{split}.json").read_text())
            assert task.sizes[split] == len(rows)
            assert [[r.input, r.target] for r in task.examples(split)] == [
                [row["sentence"], row["label"]] for row in rows
            ]
        assert task.notes[0].startswith("instructions.json declares ")
    assert (
        "18 targets are empty"
        in tasks["task488_extract_all_alphabetical_elements_from_list_in_order"].notes[1]
    )


@real
def test_the_released_trace_tasks():
    tasks = read_source(DATA / "TRACE").tasks
    assert {name: task.metric for name, task in tasks.items()} == {
        "FOMC": "label_accuracy",
        "NumGLUE-cm": "exact_match",  # some answers are months
    }
