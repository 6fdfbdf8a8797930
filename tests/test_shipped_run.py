"""The shipped run: made from its spec by this model and these tasks; the README quotes it right."""

import re
from pathlib import Path

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.wording import signed
from sapo_analysis.model_files import find_model
from sapo_analysis.plan import data_fingerprint, make_plan
from sapo_analysis.spec import load_study
from sapo_analysis.store import CACHED_RUNS, list_runs, open_run
from sapo_analysis.store.folder import default_run_id

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
ROWS = {
    "claim 1: unlike elsewhere, alike in-task": "claim_1",
    "claim 2: good for one, good for others": "claim_2",
    "claim 3: forgetting, past task": "claim_3_forgetting_past",
    "claim 3: forgetting, retained tasks": "claim_3_forgetting_retained",
    "claim 3: generalization, unseen tasks": "claim_3_generalization",
}


@pytest.fixture(scope="module")
def run():
    return open_run(CACHED_RUNS / default_run_id())


@pytest.fixture(scope="module")
def impacts(run):
    return analysis.impacts(run)


def test_every_shipped_run_is_done_and_readable():
    runs = list_runs([CACHED_RUNS])
    assert default_run_id() in [run.run_id for run in runs]
    for run in runs:
        assert run.is_complete
        assert len(analysis.impacts(run)) > 0


def test_it_was_made_from_its_spec_by_the_shipped_model_on_the_shipped_tasks(run):
    assert run.study == load_study(CACHED_RUNS / "specs" / f"{run.study.name}.yaml")
    assert run.provenance["model"]["fingerprint"] == find_model("pocket").fingerprint
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


def test_the_readme_quotes_its_verdicts_and_intervals(impacts):
    verdicts = {(v.claim, v.form, v.scope): v for v in analysis.claims(impacts, n_permutations=0)}
    rows = re.findall(
        r"^\| (claim \d: [^|]+) \| [<>] 0 \| (score|loss) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        README,
        re.MULTILINE,
    )
    assert len(rows) == len(verdicts) // 2 == 10
    for name, form, value, these, new in rows:
        for cell, scope in ((these, "these_tasks"), (new, "new_tasks")):
            verdict = verdicts[ROWS[name], form, scope]
            e = verdict.estimate
            assert value == signed(e.value)
            assert cell == f"{signed(e.lower)} to {signed(e.upper)}, {verdict.verdict}"


def test_the_readmes_six_prompts_carry_the_correlation(impacts):
    points = analysis.prompts_table(impacts, "forgetting", "retained")
    losses = points.groupby("current_task")["pre_update_loss"]
    above = points["pre_update_loss"] - losses.transform("median")
    deviation = above.abs().groupby(points["current_task"]).transform("median")
    far = points[above > 5 * deviation]
    assert len(far) == 6 and far["current_task"].nunique() == 3
    left_out = set(zip(far["current_task"], far["prompt_id"], strict=True))
    pairs = zip(impacts["current_task"], impacts["prompt_id"], strict=True)
    rest = impacts[[pair not in left_out for pair in pairs]]
    r = analysis.within_task_correlation(rest, y="forgetting", role="retained", n_permutations=0)
    said = f"them r is {signed(r.value)} (new tasks: {signed(r.lower)} to {signed(r.upper)})"
    assert said in README
