"""Files are replaced whole, and part names carry their order and group."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.store import layout


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "sub" / "status.json"
    layout.write_json(file, {"state": "first"})
    layout.write_json(file, {"state": "θ", "none": None})
    assert file.read_text(encoding="utf-8") == '{\n  "state": "θ",\n  "none": null\n}\n'
    assert os.listdir(file.parent) == ["status.json"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "status.json"
    layout.write_atomically(file, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        layout.write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["status.json"]


def test_written_files_can_be_read_by_others(tmp_path):
    layout.write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@given(st.integers(0, 99_999), st.from_regex(r"[a-z0-9_][a-z0-9_-]{0,40}", fullmatch=True))
def test_a_part_names_its_group(order, group):
    from pathlib import Path

    assert layout.group_of_part(Path(layout.part_name(order, group))) == group


def test_part_names_sort_in_plan_order():
    names = [layout.part_name(order, f"g{9 - order % 10}") for order in (0, 2, 10, 100, 10_000)]
    assert sorted(names) == names
