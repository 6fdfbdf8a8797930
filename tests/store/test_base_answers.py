"""Answers of base models: kept once, found again, not found when anything is another."""

import dataclasses

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.store.base_answers import FOLDER, keep_answers, read_answers
from sapo_analysis.tasks import get_task

TASK = get_task("sentiment")
POCKET = find_model("pocket")


def test_what_was_kept_is_found_again_and_the_longer_list_stays(tmp_path):
    assert read_answers(tmp_path, TASK, POCKET) == {}
    keep_answers(tmp_path, TASK, POCKET, "f", {"a": ("x", None), "": ("y", "z")})
    keep_answers(tmp_path, TASK, POCKET, "f", {"a": ("x",), "b": ("x",)})
    found = read_answers(tmp_path, TASK, POCKET)
    assert found == {"a": ("x", None), "": ("y", "z"), "b": ("x",)}
    assert read_answers(tmp_path, TASK, find_model("pocket-random")) == {}
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_another_state_of_data_or_model_and_a_damaged_file_are_asked_anew(tmp_path):
    keep_answers(tmp_path, TASK, POCKET, "f", {"a": ("x",)})
    other = dataclasses.replace(TASK, suffix="Answer in a word.")
    assert read_answers(tmp_path, other, POCKET) == {}
    moved = tmp_path / "pocket"
    moved.mkdir()
    (moved / "config.json").write_text("{}")
    assert read_answers(tmp_path, TASK, dataclasses.replace(POCKET, folder=moved)) == {}
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_text('{"schema_version": 1, "answers": {"a": 3}}')
    assert read_answers(tmp_path, TASK, POCKET) == {}
    keep_answers(tmp_path, TASK, POCKET, "f", {"b": ("y",)})
    assert read_answers(tmp_path, TASK, POCKET) == {"b": ("y",)}


def test_nothing_is_written_on_a_read_only_server_or_outside(tmp_path, monkeypatch):
    evil = dataclasses.replace(TASK, name="../x")
    with pytest.raises(InputError, match="cannot be the name of a task"):
        keep_answers(tmp_path, evil, POCKET, "f", {})
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    with pytest.raises(InputError, match="read-only"):
        keep_answers(tmp_path, TASK, POCKET, "f", {})
    assert not (tmp_path / FOLDER).exists()
