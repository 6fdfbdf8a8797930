"""Files put into a folder: whole or not at all, and never over what is no file of theirs."""

import errno
import os

import pytest

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.paper.folder import folder_of, made_ready, write_files
from sapo_analysis.store import layout

FILES = {"a.pdf": b"one", "b.pdf": b"two", "c.pdf": b"three"}


def states(written):
    return [one.state for one in written]


def test_the_folder_is_made_and_the_files_are_in_it(tmp_path):
    found = write_files(tmp_path / "new" / "folder", FILES)
    assert [one.path.read_bytes() for one in found] == [*FILES.values()]
    assert [(one.path.name, one.n_bytes) for one in found] == [
        ("a.pdf", 3),
        ("b.pdf", 3),
        ("c.pdf", 5),
    ]
    assert states(found) == ["new"] * 3


def test_equal_files_are_left_alone_and_others_stay(tmp_path):
    write_files(tmp_path, FILES)
    (tmp_path / "mine.txt").write_text("mine")
    before = (tmp_path / "a.pdf").stat().st_mtime_ns
    os.utime(tmp_path / "a.pdf", ns=(before - 10**9, before - 10**9))
    found = write_files(tmp_path, {**FILES, "b.pdf": b"other"})
    assert states(found) == ["unchanged", "replaced", "unchanged"]
    assert (tmp_path / "a.pdf").stat().st_mtime_ns == before - 10**9
    assert (tmp_path / "b.pdf").read_bytes() == b"other"
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 4


def test_a_link_is_replaced_and_what_it_names_is_left_alone(tmp_path):
    (tmp_path / "precious").write_bytes(b"mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.pdf").symlink_to(tmp_path / "precious")
    write_files(out, FILES)
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert (out / "a.pdf").read_bytes() == b"one" and not (out / "a.pdf").is_symlink()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(InputError, match="taken' is a file"):
            write_files(folder, FILES)


def test_a_folder_in_place_of_a_file_is_refused_before_any_is_written(tmp_path):
    (tmp_path / "c.pdf").mkdir()
    with pytest.raises(InputError, match=r"c\.pdf': a folder of that name"):
        write_files(tmp_path, FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pdf"]


def test_nothing_is_put_into_a_run(tmp_path):
    (tmp_path / layout.SPEC).write_text("{}")
    with pytest.raises(InputError, match="folder of a run"):
        write_files(tmp_path, FILES)


@pytest.fixture
def full_after(monkeypatch):
    def fill(n):
        write, count = layout.write_atomically, iter(range(100))

        def until_full(path, content):
            if next(count) >= n:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(path, content)

        monkeypatch.setattr(layout, "write_atomically", until_full)

    return fill


def test_a_disk_that_is_full_at_once_is_wrong_input(tmp_path, full_after):
    full_after(0)
    with pytest.raises(InputError, match="No space left on device"):
        write_files(tmp_path, FILES)


def test_a_disk_that_fills_up_leaves_whole_files_and_says_how_many(tmp_path, full_after):
    full_after(2)
    with pytest.raises(WorkError, match=r"c\.pdf .* 2 of 3 files are there and whole"):
        write_files(tmp_path, FILES)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "a.pdf": b"one",
        "b.pdf": b"two",
    }


def test_a_kill_leaves_the_old_file(tmp_path, monkeypatch):
    write_files(tmp_path, FILES)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"a.pdf": b"other"})
    assert (tmp_path / "a.pdf").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["", "  "])
def test_a_folder_without_a_name_is_not_the_current_one(name):
    with pytest.raises(InputError, match=r"has no name.*\. for this folder"):
        folder_of(name)
    assert str(folder_of(".")) == "."


def test_a_folder_is_made_and_tried_before_the_work(tmp_path, monkeypatch):
    with made_ready(tmp_path / "a" / "b"):
        assert not any((tmp_path / "a" / "b").iterdir())
    assert (tmp_path / "a" / "b").is_dir()

    def denied(dir):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    for folder in (tmp_path / "a" / "b", tmp_path / "c" / "d"):
        with pytest.raises(InputError, match=f"{folder}': Permission denied. Choose a folder of"):
            with made_ready(folder):
                raise AssertionError("there was work")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("name", "why"), [("x" * 300, "File name too long"), ("a\0b", "null")])
def test_a_name_that_can_be_none_is_refused(tmp_path, name, why):
    with pytest.raises(InputError, match=why), made_ready(tmp_path / name):
        raise AssertionError("there was work")


def test_folders_made_for_work_that_fails_go_again_if_they_are_empty(tmp_path):
    for folder, left in ((tmp_path / "a" / "b", []), (tmp_path / "c", ["c"])):
        with pytest.raises(KeyboardInterrupt), made_ready(folder):
            if left:
                (folder / "file").write_text("kept")
            raise KeyboardInterrupt
        assert [path.name for path in tmp_path.iterdir()] == left
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt), made_ready(tmp_path / "mine"):
        raise KeyboardInterrupt
    assert (tmp_path / "mine").is_dir()
