"""Imports while the server waits: begun when it is up, waited for by its first page."""

import threading

import pytest

from sapo_analysis.app import warm_up


@pytest.mark.parametrize("fails", [False, True])
def test_a_page_waits_for_what_is_being_imported(monkeypatch, fails):
    is_up, imported = threading.Event(), []

    def take(name):
        imported.append(name)
        if fails:
            raise ImportError(name)

    warm_up.wait()  # nothing was begun
    monkeypatch.setattr(warm_up.runtime, "exists", is_up.is_set)
    monkeypatch.setattr(warm_up, "import_module", take)
    warm_up.begin()
    monkeypatch.setattr(warm_up, "_PATIENCE_SECONDS", 0.01)
    warm_up.wait()
    assert imported == []
    is_up.set()
    monkeypatch.setattr(warm_up, "_PATIENCE_SECONDS", 60)
    warm_up.wait()
    assert imported == list(warm_up._MODULES)


def test_what_is_imported_is_there():
    assert all(map(warm_up.import_module, warm_up._MODULES))
