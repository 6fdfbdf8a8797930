"""The user's own paraphrases: kept whole, by several windows at once, and never written over."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from sapo_analysis.errors import InputError
from sapo_analysis.store import list_runs, own_prompts
from sapo_analysis.store.own_prompts import (
    MAX_PROMPTS,
    OwnPrompts,
    add_own_prompts,
    change_own_prompt,
    mark_bank_prompt,
    read_marks,
    read_own_prompts,
    remove_own_prompts,
    set_aside,
)

TWO = ["Judge it as positive or negative.", 'Braces {x}\nand\t"quotes" \u202e<b> \u4e2d']


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_nothing_written_down_is_empty_and_makes_no_folder(runs):
    assert read_own_prompts(runs, "sentiment") == OwnPrompts(task="sentiment")
    assert not runs.exists()


def test_what_is_added_comes_back_as_it_was_written(runs):
    add_own_prompts(runs, "sentiment", TWO, "pasted")
    add_own_prompts(
        runs, "sentiment", ["judge it, as positive or negative", "Third one."], "uploaded"
    )
    found = read_own_prompts(runs, "sentiment")
    assert [p.text for p in found.prompts] == [*TWO, "Third one."]
    assert [p.source for p in found.prompts] == ["pasted", "pasted", "uploaded"]
    assert found.usable == [*TWO, "Third one."] and found.excluded == set()
    assert read_own_prompts(runs, "job").prompts == ()
    assert list_runs([runs]) == []  # no run is made of it


def test_a_paraphraser_may_be_called_by_any_letters(runs):
    add_own_prompts(runs, "sentiment", TWO, "model Größe-模型")
    assert read_own_prompts(runs, "sentiment").prompts[0].source == "model Größe-模型"
    with pytest.raises(InputError, match="cannot be kept"):
        add_own_prompts(runs, "sentiment", ["Third one."], "model a\nb")


def test_fields_change_one_by_one_and_marks_leave_the_offer(runs):
    add_own_prompts(runs, "sentiment", [*TWO, "Third one."], "pasted")
    change_own_prompt(runs, "sentiment", TWO[0], use=False, note="too <b>easy")
    change_own_prompt(runs, "sentiment", TWO[1], equivalent=False)
    change_own_prompt(runs, "sentiment", "Third one.", text="Fourth one.")
    found = mark_bank_prompt(runs, "sentiment", "Bank text", False)
    assert found == read_own_prompts(runs, "sentiment")
    assert found.usable == ["Fourth one."] and found.excluded == {TWO[1], "Bank text"}
    assert found.prompts[0].note == "too <b>easy"
    mark_bank_prompt(runs, "sentiment", "Bank text", False)
    assert mark_bank_prompt(runs, "sentiment", "Bank text", True).not_equivalent == ()
    assert remove_own_prompts(runs, "sentiment", [TWO[1], "never there"]).excluded == set()


def test_marks_of_all_tasks_are_read_at_once_and_damaged_files_passed_over(runs):
    assert read_marks(runs) == {}
    add_own_prompts(runs, "sentiment", TWO, "pasted")
    assert read_marks(runs) == {}
    change_own_prompt(runs, "sentiment", TWO[0], equivalent=False)
    mark_bank_prompt(runs, "job", "Bank text", False)
    (runs / ".prompts" / "add.json").write_text("{")
    (runs / ".prompts" / "no-task.json").write_text("{")
    assert read_marks(runs) == {"sentiment": {TWO[0]}, "job": {"Bank text"}}


def test_a_change_to_what_another_window_removed_says_so(runs):
    add_own_prompts(runs, "sentiment", TWO, "pasted")
    remove_own_prompts(runs, "sentiment", TWO[:1])
    with pytest.raises(InputError, match=r"is gone: .*another window. Reload"):
        change_own_prompt(runs, "sentiment", TWO[0], use=False)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text": ""}, "prompts.0.text"),
        ({"text": TWO[1].upper()}, "a prompt is there twice"),
        ({"note": "x" * 2001}, "prompts.0.note"),
        ({"use": "perhaps"}, "prompts.0.use"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_read_again_is_not_written(runs, changes, says):
    before = add_own_prompts(runs, "sentiment", TWO, "pasted")
    with pytest.raises(InputError, match=rf"(?s)cannot be kept: .*{says}"):
        change_own_prompt(runs, "sentiment", TWO[0], **changes)
    assert read_own_prompts(runs, "sentiment") == before


def test_empty_doubled_and_too_many_texts_are_refused(runs):
    with pytest.raises(InputError, match="is empty"):
        add_own_prompts(runs, "sentiment", [" "], "pasted")
    with pytest.raises(InputError, match="repeats"):
        add_own_prompts(runs, "sentiment", ["a", "a"], "pasted")
    with pytest.raises(InputError, match="surrogate"):
        add_own_prompts(runs, "sentiment", ["\ud800"], "pasted")
    with pytest.raises(InputError, match=rf"0 prompts .* 1001 more would be over {MAX_PROMPTS}"):
        add_own_prompts(runs, "sentiment", [f"text {i}" for i in range(1001)], "pasted")


@pytest.mark.parametrize(
    "task", ["no pe", "../sentiment", "/etc/passwd", "", "sentiment/../job", "a\0"]
)
def test_a_name_that_is_no_task_never_becomes_a_path(runs, task):
    for ask in (read_own_prompts, set_aside, lambda r, t: add_own_prompts(r, t, ["a"], "pasted")):
        with pytest.raises(InputError, match="cannot be the name of a task"):
            ask(runs, task)
    assert not runs.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Expecting value"),
        (b'{"task": "sentiment", "prompts": [', "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"task": "job"}', "it is about task 'job'"),
        (b'{"prompts": []}', "task: is missing"),
        (b'{"task": "sentiment", "extra": 1}', "extra: unknown setting"),
        (b'{"task": "sentiment", "prompts": [{"text": 3}]}', "prompts.0.text"),
        (b'{"task": "sentiment", "prompts": [{"text": "a"}, {"text": "A."}]}', "there twice"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"schema_version": 2, "task": "sentiment"}', "version 2; this program reads 1"),
    ],
)
def test_a_damaged_file_is_a_message_and_is_never_lost(runs, content, says):
    path = runs / ".prompts" / "sentiment.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"(?s){says}"):
        read_own_prompts(runs, "sentiment")
    with pytest.raises(InputError, match="set (it|the file) aside"):
        add_own_prompts(runs, "sentiment", TWO, "pasted")
    assert path.read_bytes() == content
    aside = set_aside(runs, "sentiment")
    assert aside.read_bytes() == content and aside.parent == path.parent
    assert add_own_prompts(runs, "sentiment", TWO, "pasted").usable == TWO


def test_setting_aside_twice_keeps_both_and_nothing_is_an_error(runs):
    with pytest.raises(InputError, match="Cannot rename"):
        set_aside(runs, "sentiment")
    kept = set()
    for _ in range(2):
        add_own_prompts(runs, "sentiment", TWO, "pasted")
        kept.add(set_aside(runs, "sentiment"))
    assert len(kept) == 2 and all(json.loads(path.read_bytes())["prompts"] for path in kept)


@pytest.mark.parametrize("link", [".prompts", ".prompts/sentiment.json"])
def test_a_link_out_of_the_runs_folder_is_refused(runs, tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside if link == ".prompts" else outside / "secret.json"
    place = runs / link
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    for ask in (read_own_prompts, lambda r, t: add_own_prompts(r, t, ["a"], "pasted")):
        with pytest.raises(InputError, match="leads out of the runs folder"):
            ask(runs, "sentiment")
    assert list(outside.iterdir()) == []


def test_several_windows_lose_nothing(runs):
    texts = [f"Wording number {i}." for i in range(24)]
    with ThreadPoolExecutor(8) as windows:
        list(windows.map(lambda t: add_own_prompts(runs, "sentiment", [t], "pasted"), texts))
    assert sorted(read_own_prompts(runs, "sentiment").usable) == sorted(texts)


def test_a_lock_that_is_held_is_a_message(runs, monkeypatch):
    monkeypatch.setattr(own_prompts, "_PATIENCE_SECONDS", 0.05)
    (runs / ".prompts").mkdir(parents=True)
    with (
        FileLock(runs / ".prompts" / ".sentiment.lock"),
        pytest.raises(InputError, match="by another window. Try again"),
    ):
        add_own_prompts(runs, "sentiment", TWO, "pasted")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(InputError, match=r"Cannot write your prompts .*--runs"):
        add_own_prompts(blocked, "sentiment", TWO, "pasted")


def test_a_read_only_server_writes_nothing(runs, monkeypatch):
    add_own_prompts(runs, "sentiment", TWO, "pasted")
    before = (runs / ".prompts" / "sentiment.json").read_bytes()
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    for ask in (
        lambda: add_own_prompts(runs, "sentiment", ["a"], "pasted"),
        lambda: change_own_prompt(runs, "sentiment", TWO[0], use=False),
        lambda: remove_own_prompts(runs, "sentiment", TWO),
        lambda: mark_bank_prompt(runs, "sentiment", "a", False),
        lambda: set_aside(runs, "sentiment"),
    ):
        with pytest.raises(InputError, match="This server is read-only"):
            ask()
    assert (runs / ".prompts" / "sentiment.json").read_bytes() == before
    assert read_own_prompts(runs, "sentiment").usable == TWO
