"""Task files of Super-NaturalInstructions in their public form."""

import json

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import SPLITS, get_task
from sapo_analysis.tasks.super_ni import is_task_file, read_file


def instances(n, answers=("yes", "no"), copies=1):
    return [
        {"id": f"t-{i}", "input": f"Is it {i // copies}?", "output": [answers[i % len(answers)]]}
        for i in range(n)
    ]


@pytest.fixture
def file(tmp_path):
    def write(name="task9_x", **changes):
        content = {
            "Contributors": ["Somebody"],
            "Categories": ["Question Answering"],
            "Definition": ["Say yes or no. "],
            "Positive Examples": [{"input": "x", "output": "y", "explanation": "z"}],
            "Negative Examples": [],
            "Instances": instances(130),
            **changes,
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content, indent=1))
        return path

    return write


def test_one_file_is_one_task(file):
    path = file()
    task = get_task("task9_x", sources=[str(path)])
    assert (task.title, task.family) == ("X", "Question Answering")
    assert [wording.text for wording in task.wordings] == ["Say yes or no."]
    assert task.sizes == {"train": 100, "dev": 10, "test": 20}
    assert (task.labels, task.metric) == (("no", "yes"), "label_accuracy")
    assert any(note.startswith("the file declares no labels") for note in task.notes)
    assert {len(task.examples(split)) for split in SPLITS} == {100, 10, 20}
    assert is_task_file(path)


def test_equal_inputs_never_stand_in_two_splits(file):
    task = read_file(file(Instances=instances(130, ("a", "b", "c"), copies=3))).tasks["task9_x"]
    inputs = [{row.input for row in task.examples(split)} for split in SPLITS]
    assert sum(map(len, inputs)) == len(set().union(*inputs)) == 44
    assert sum(task.sizes.values()) == 130


def test_the_first_of_several_answers_is_the_target(file):
    rows = [{"input": f"{i}", "output": [f"first {i} of a long text", "second"]} for i in range(30)]
    task = read_file(file(Instances=rows)).tasks["task9_x"]
    assert all(r.target == f"first {r.input} of a long text" for r in task.examples("train"))
    assert "30 instances have several answers, of which the first is the target" in task.notes
    assert (task.labels, task.metric) == ((), "rouge_l")


@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        (("1", "2", "3"), ()),  # numbers
        (("yes", ""), ()),  # nothing cannot be a label
        (tuple("abcdefghij"), tuple("abcdefghij")),
        (tuple("abcdefghijk"), ()),
    ],
)
def test_labels_are_few_words(file, answers, labels):
    rows = instances(130, answers)
    assert read_file(file(Instances=rows)).tasks["task9_x"].labels == labels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Instances": None}, "has no 'Instances'"),
        ({"Instances": []}, "train has 0 different inputs"),
        ({"Instances": [*instances(3), 7]}, "instance 4 has no text called 'input'"),
        ({"Instances": [{"input": "x", "output": "y"}]}, "instance 1 has no list of texts called"),
        ({"Instances": [{"input": "x", "output": []}]}, "instance 1 has no list of texts called"),
        ({"Instances": [{"input": "x\0", "output": ["y"]}]}, "instance 1: the input has a NUL"),
        ({"Definition": []}, "has no text under 'Definition'"),
        ({"Definition": [3]}, "has no text under 'Definition'"),
        ({"name": "a b"}, "would be called 'a b', and cannot"),
    ],
)
def test_what_is_no_task(file, changes, words):
    with pytest.raises(InputError, match=words):
        read_file(file(**changes))


def test_other_files_are_none(tmp_path):
    for name, text in {"a.json": '[{"Definition": 1}]', "b.json": '{"q": 1}', "c.txt": "{"}.items():
        (tmp_path / name).write_text(text)
        assert not is_task_file(tmp_path / name)
    assert not is_task_file(tmp_path / "none.json")
