"""The shipped run: made from its spec by this model and these tasks; the README quotes it right."""

import re
from pathlib import Path

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.markdown import claims_block, outcomes_block, rivals_block, training_block
from sapo_analysis.model_files import find_model
from sapo_analysis.plan import data_fingerprint, make_plan
from sapo_analysis.spec import load_study
from sapo_analysis.store import CACHED_RUNS, Run, list_runs
from sapo_analysis.store.folder import default_run_id

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
SHIPPED = [run for run in list_runs([CACHED_RUNS]) if isinstance(run, Run)]
QUOTED = {
    "tuning": (training_block, outcomes_block, claims_block, rivals_block),
}


GENERAL = "generalization"
each_run = pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.run_id)


def test_every_shipped_run_is_done_and_readable():
    runs = list_runs([CACHED_RUNS])
    assert default_run_id() in [run.run_id for run in runs]
    for run in runs:
        assert run.is_complete
        assert len(analysis.impacts(run)) > 0


@each_run
def test_it_was_made_from_its_spec_by_the_shipped_model_on_the_shipped_tasks(run):
    assert run.study == load_study(CACHED_RUNS / "specs" / f"{run.study.name}.yaml")
    assert run.provenance["model"]["fingerprint"] == find_model(run.study.model).fingerprint
    plan = make_plan(run.study, run.provenance["engine"])
    expected = {n: data_fingerprint(t, plan.originals[n]) for n, t in plan.tasks.items()}
    assert run.provenance["data"] == expected
    assert run.provenance["dirty"] is False
    trials = run.table("trials")
    planned = [trial.trial_id for trial in plan.trials]
    assert list(trials[trials["purpose"] != "past"]["trial_id"]) == planned


def test_no_file_of_it_names_a_folder_of_the_machine_it_was_made_on():
    for path in CACHED_RUNS.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".yaml", ".md"):
            assert not re.search(r'"/|(^|\s)/(home|root|work|tmp|Users)/', path.read_text()), path


@each_run
def test_the_readme_quotes_its_tables_as_the_command_prints_them(run):
    found = analysis.report(run, n_permutations=0)
    assert run.run_id in README
    for block in QUOTED[run.study.name]:
        table = block(found)
        assert table and table in README, f"sapo report {run.run_id} --markdown: {block.__name__}"


@pytest.fixture(scope="module")
def tuning():
    (run,) = [run for run in SHIPPED if run.study.name == "tuning"]
    return run


def test_the_tuning_side_shows_what_a_study_of_forgetting_relies_on(tuning):
    impacts = analysis.impacts(tuning)
    assert (analysis.training_check(impacts)["misses"] == "").all()
    assert (analysis.past_gains(tuning)["misses"] == "").all()
    assert tuning.study.evaluation.examples >= 500


def test_the_readme_says_of_the_tuning_side_what_its_tables_say(tuning):
    impacts = analysis.impacts(tuning)
    check, gains = analysis.training_check(impacts), analysis.past_gains(tuning)["gain"]
    upper = check["in_task_sd_upper"]
    prompt_effects = {
        role: analysis.prompt_effects(impacts, y, role=role).set_index("current_task")
        for y, role in (*(("forgetting", r) for r in ("past", "retained")), (GENERAL, "unseen"))
    }
    beyond = {
        role: ", ".join(table.index[table["ratio_lower"] > 0])
        for role, table in prompt_effects.items()
    }
    r_of = {
        role: [e.value for e in analysis.task_correlations(impacts, y=y, role=role)]
        for y, role in (("forgetting", "retained"), (GENERAL, "unseen"))
    }
    text = " ".join(README.split())
    for said in (
        f"gains of {gains.min():.0f} to {gains.max():.0f} points in every seed",
        f"at least {check['least_gain'].min():.0f} points gained",
        f"in-task sd estimated at most {check['in_task_sd'].max():.1f},"
        f" upper limits {upper.min():.1f} to {upper.max():.1f}",
        f"for *retained* tasks on two of the five ({beyond['retained']}),"
        f" for *unseen* ones on two ({beyond['unseen']}), for *past* tasks on none",
        f"for retained tasks it goes from {signed(min(r_of['retained']))}"
        f" to {signed(max(r_of['retained']))},"
        f" for unseen ones from {signed(min(r_of['unseen']))} to {signed(max(r_of['unseen']))}",
    ):
        assert said in text
    assert beyond["past"] == ""
