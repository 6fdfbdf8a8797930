"""Shipped runs: made from their specs by these models and tasks."""

import re
from pathlib import Path

import pytest

from sapo_analysis import analysis
from sapo_analysis.model_files import find_model
from sapo_analysis.plan import SequencePlan, data_fingerprint, plan_of
from sapo_analysis.spec import load_study
from sapo_analysis.store import CACHED_RUNS, Run, list_runs
from sapo_analysis.store.folder import default_run_id
from tests.deciding import deciding

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
FINDINGS = (CACHED_RUNS / "FINDINGS.md").read_text(encoding="utf-8")
ALL = [run for run in list_runs([CACHED_RUNS]) if isinstance(run, Run)]
OF_METHODS = ("pocket-1-format-", "pocket-1-promot-", "pocket-1-methods-")
"""Studies that compare methods, with two prompts a task or a choice of strategies of their own."""
SHIPPED = [
    run
    for run in ALL
    if run.study.kind == "paraphrase" and not run.study.name.startswith(OF_METHODS)
]

each_run = pytest.mark.parametrize("run", ALL, ids=lambda run: run.run_id)


def test_every_shipped_run_is_done_and_readable():
    runs = list_runs([CACHED_RUNS])
    assert default_run_id() in [run.run_id for run in runs]
    for run in runs:
        assert run.is_complete
        is_sequence = run.study.kind == "sequence"
        found = analysis.sequence_scores(run) if is_sequence else analysis.impacts(run)
        assert len(found) > 0
        # Runs from before there were looks have none, like those that asked for none.
        assert run.table("diagnostics").empty == (run.study.diagnostics.every == 0)


@each_run
def test_it_was_made_from_its_spec_by_the_shipped_model_on_the_shipped_tasks(run):
    spec = load_study(CACHED_RUNS / "specs" / f"{run.study.name}.yaml")
    assert deciding(run.study) == deciding(spec)
    assert run.provenance["model"]["fingerprint"] == find_model(run.study.model).fingerprint
    plan = plan_of(run.study, run.provenance["engine"])
    expected = {n: data_fingerprint(t, plan.originals[n]) for n, t in plan.tasks.items()}
    assert run.provenance["data"] == expected
    assert run.provenance["dirty"] is False
    if isinstance(plan, SequencePlan):
        chains = run.table("chains")
        keys = ["order", "policy", "method", "seed", "stage"]
        stages = chains[keys].itertuples(index=False, name=None)
        assert [f"{o}|{p}+{m}|{seed}|{stage}" for o, p, m, seed, stage in stages] == plan.units
        return
    trials = run.table("trials")
    assert list(trials[trials["purpose"] != "past"]["trial_id"]) == plan.units


def test_no_file_of_it_names_a_folder_of_the_machine_it_was_made_on():
    for path in CACHED_RUNS.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".yaml", ".md"):
            assert not re.search(r'"/|(^|\s)/(home|root|work|tmp|Users)/', path.read_text()), path
