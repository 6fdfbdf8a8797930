"""Tags beside the runs: kept whole, checked, refused where nothing may be written."""

import json

import pytest
from filelock import FileLock

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.store import CACHED_RUNS, labels
from sapo_analysis.store.labels import forget_tags, set_tags, tags_in


def test_tags_are_kept_by_run_and_tidied(tmp_path):
    assert tags_in(tmp_path) == {}
    assert set_tags(tmp_path / "a-1", ["  for the  talk ", "keep", "keep"]) == [
        "for the talk",
        "keep",
    ]
    set_tags(tmp_path / "b-2", ["<b>&*_"])
    assert tags_in(tmp_path) == {"a-1": ["for the talk", "keep"], "b-2": ["<b>&*_"]}
    set_tags(tmp_path / "a-1", [])
    assert tags_in(tmp_path) == {"b-2": ["<b>&*_"]}
    forget_tags(tmp_path / "b-2")
    assert tags_in(tmp_path) == {}


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([""], "A tag is empty"),
        (["   "], "A tag is empty"),
        (["x" * 41], "has 41 characters; at most 40"),
        (["a\x07b"], "not shown"),
        (["a\u202eb"], "not shown"),
        ([f"t{i}" for i in range(13)], "13 tags were given; a run can have 12"),
    ],
)
def test_a_tag_that_cannot_be_kept_says_why_and_nothing_changes(tmp_path, tags, said):
    set_tags(tmp_path / "a-1", ["keep"])
    with pytest.raises(InputError, match=said):
        set_tags(tmp_path / "a-1", tags)
    assert tags_in(tmp_path) == {"a-1": ["keep"]}


@pytest.mark.parametrize("content", ["{", "[]", '{"a": "b"}', '{"a": [1]}', "\xff"])
def test_a_damaged_file_is_named_and_left_alone(tmp_path, content):
    (tmp_path / labels.FILE).write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"tags are unreadable.*labels.json.*Repair the file"):
        tags_in(tmp_path)
    with pytest.raises(InputError, match="unreadable"):
        set_tags(tmp_path / "a-1", ["x"])
    forget_tags(tmp_path / "a-1")
    assert (tmp_path / labels.FILE).read_bytes() == content.encode("latin-1")


def test_two_writers_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "_WAIT_SECONDS", 0)
    with FileLock(tmp_path / labels.LOCK), pytest.raises(WorkError, match="another process"):
        set_tags(tmp_path / "a-1", ["x"])
    set_tags(tmp_path / "a-1", ["x"])
    assert json.loads((tmp_path / labels.FILE).read_text()) == {"a-1": ["x"]}


def test_a_read_only_server_tags_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    with pytest.raises(InputError, match="read-only"):
        set_tags(tmp_path / "a-1", ["x"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "none").touch()
    with pytest.raises(InputError, match="Cannot write the tags into"):
        set_tags(tmp_path / "none" / "a-1", ["x"])


def test_shipped_runs_have_no_tags():
    with pytest.raises(InputError, match="is a shipped one and stays as it is"):
        set_tags(CACHED_RUNS / "some-0123abcd", ["mine"])
    assert not (CACHED_RUNS / labels.FILE).exists()
