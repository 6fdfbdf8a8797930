"""A read-only server: nothing is written, and the message says where it can be done."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.store import create_run, is_read_only, refuse_if_read_only


@pytest.mark.parametrize(("value", "read_only"), [("1", True), ("0", False), ("", False)])
def test_the_environment_says_it(monkeypatch, value, read_only):
    monkeypatch.setenv("SAPO_READ_ONLY", value)
    assert is_read_only() is read_only


def test_writing_is_refused_with_the_way_out(monkeypatch, tiny_study, tmp_path):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    with pytest.raises(InputError, match=r"read-only: no tags can be set\. .*your own machine"):
        refuse_if_read_only("no tags can be set")
    with pytest.raises(InputError, match="read-only"):
        create_run(tmp_path, tiny_study)
    assert not list(tmp_path.iterdir())


def test_else_nothing_is_refused(monkeypatch):
    monkeypatch.delenv("SAPO_READ_ONLY", raising=False)
    refuse_if_read_only("nothing")
