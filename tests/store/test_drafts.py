"""Drafts of the launch form: kept, offered newest first, never in the way."""

import os

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.store.drafts import (
    FOLDER,
    KEPT,
    Draft,
    discard_draft,
    new_draft_id,
    newest_draft,
    read_draft,
    save_draft,
)

ID = "0123abcd"


def test_a_draft_comes_back_as_it_was(tmp_path):
    draft = Draft(question="sequence", size="pilot", changes={"training.steps": 7, "name": "ü"})
    save_draft(tmp_path, ID, draft)
    assert read_draft(tmp_path, ID) == draft
    discard_draft(tmp_path, ID)
    assert read_draft(tmp_path, ID) is None and newest_draft(tmp_path) is None
    discard_draft(tmp_path, ID)


def test_the_newest_is_offered_and_old_ones_go(tmp_path):
    ids = [f"{i:08x}" for i in range(KEPT + 3)]
    for i, draft_id in enumerate(ids):
        save_draft(tmp_path, draft_id, Draft())
        os.utime(tmp_path / FOLDER / f"{draft_id}.json", (i, i))
    assert newest_draft(tmp_path) == ids[-1]
    assert len(list((tmp_path / FOLDER).glob("*.json"))) <= KEPT + 1
    assert read_draft(tmp_path, ids[0]) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"changes": 3}', b'{"schema_version": 9}', b"\xff\xfe"]
)
def test_a_damaged_draft_is_named_and_can_be_discarded(tmp_path, content):
    save_draft(tmp_path, ID, Draft())
    (tmp_path / FOLDER / f"{ID}.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_draft(tmp_path, ID)
    discard_draft(tmp_path, ID)
    assert newest_draft(tmp_path) is None


@pytest.mark.parametrize("name", ["", "..", "../../x", "/etc/passwd", "ABCDEF01", "0" * 300])
def test_a_name_that_is_no_draft_reaches_no_file(tmp_path, name):
    with pytest.raises(InputError, match="is no draft"):
        read_draft(tmp_path, name)


def test_a_draft_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    folder = tmp_path / "runs" / FOLDER
    folder.mkdir(parents=True)
    (folder / f"{ID}.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(InputError, match="leads out"):
        read_draft(tmp_path / "runs", ID)


def test_too_large_a_draft_is_refused(tmp_path):
    with pytest.raises(InputError, match="at most"):
        save_draft(tmp_path, ID, Draft(changes={"own_prompts": {"job": ["x" * 5_000_000]}}))


def test_a_read_only_server_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    with pytest.raises(InputError, match="read-only"):
        save_draft(tmp_path, new_draft_id(), Draft())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="Cannot keep the draft"):
        save_draft(tmp_path / "file", ID, Draft())
