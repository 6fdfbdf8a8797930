"""Shipped paraphrases of tasks whose rows are not shipped."""

import pytest
import yaml

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.paraphrase_files import wordings_of

FILE = {"task": "t", "original": "Say  it.", "paraphrases": ["Tell it."], "test_only": ["Speak."]}


def write(folder, name="t", **changes):
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**FILE, **changes}))


def test_they_follow_the_original_they_paraphrase(tmp_path):
    write(tmp_path)
    wordings, notes = wordings_of("t", "Say it. ", tmp_path)
    assert [(w.text, w.source, w.test_only) for w in wordings] == [
        ("Say it. ", "original", False),
        ("Tell it.", "paraphrase", False),
        ("Speak.", "paraphrase", True),
    ]
    assert notes == ()


def test_another_original_has_none_and_is_told(tmp_path):
    write(tmp_path)
    wordings, notes = wordings_of("t", "Say that.", tmp_path)
    assert [w.text for w in wordings] == ["Say that."]
    assert notes[0].startswith("the 2 shipped paraphrases are left out")


def test_most_tasks_have_none(tmp_path):
    assert [w.text for w in wordings_of("t", "Say it.", tmp_path)[0]] == ["Say it."]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "u"}, "are of task 'u'"),
        ({"more": 1}, "more: unknown"),
        ({"original": 3}, "original"),
    ],
)
def test_a_damaged_file(tmp_path, changes, words):
    write(tmp_path, **changes)
    with pytest.raises(InputError, match=words):
        wordings_of("t", "Say it.", tmp_path)
