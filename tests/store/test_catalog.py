"""The catalog: what `list_runs` says, read again only where something changed."""

import shutil

from sapo_analysis.store import DamagedRun, create_run, layout, list_runs
from sapo_analysis.store import catalog as catalog_module
from sapo_analysis.store.catalog import Catalog
from sapo_analysis.store.status import Status, running_here
from tests.tiny import tiny_study


def said(runs):
    return [
        (r.path, r.reason) if isinstance(r, DamagedRun) else (r.path, r.study, r.status)
        for r in runs
    ]


def test_it_says_what_list_runs_says_and_follows_every_change(tmp_path):
    catalog, folders = Catalog(), [tmp_path, tmp_path / "none"]
    assert catalog.runs(folders) == []
    first, second = create_run(tmp_path, tiny_study()), create_run(tmp_path, tiny_study())
    assert said(catalog.runs(folders)) == said(list_runs(folders))
    layout.write_model(first / layout.STATUS, Status(state="failed", error="out of memory"))
    (second / layout.SPEC).write_text("{")
    assert said(catalog.runs(folders)) == said(list_runs(folders))
    shutil.copytree(first, tmp_path / "copied-in")
    (second / layout.SPEC).write_bytes((first / layout.SPEC).read_bytes())
    assert said(catalog.runs(folders)) == said(list_runs(folders))
    shutil.rmtree(first)
    assert said(catalog.runs(folders)) == said(list_runs(folders))
    (tmp_path / "copied-in" / layout.STATUS).unlink()
    assert said(catalog.runs(folders)) == said(list_runs(folders))


def test_an_unchanged_run_is_not_read_again_but_its_worker_is_looked_for(tmp_path, monkeypatch):
    path, catalog = create_run(tmp_path, tiny_study()), Catalog()
    here = running_here()
    layout.write_model(path / layout.STATUS, here)
    assert catalog.runs([tmp_path])[0].status.state == "running"
    monkeypatch.setattr(catalog_module, "open_run", None)
    monkeypatch.setattr("sapo_analysis.store.status.lives", lambda pid, started: False)
    assert catalog.runs([tmp_path])[0].status.state == "interrupted"


def test_facts_are_those_of_the_provenance_as_it_stands(tmp_path):
    path, catalog = create_run(tmp_path, tiny_study()), Catalog()
    (run,) = catalog.runs([tmp_path])
    assert catalog.facts(run, ["device"]) == {}
    layout.write_json(path / layout.PROVENANCE, {"device": "cpu", "dtype": "float32"})
    assert catalog.facts(run, ["device", "started"]) == {"device": "cpu"}
    layout.write_json(path / layout.PROVENANCE, {"device": "cuda:0"})
    assert catalog.facts(run, ["device"]) == {"device": "cuda:0"}
    (path / layout.PROVENANCE).write_text("[")
    assert catalog.facts(run, ["device"]) == {}
