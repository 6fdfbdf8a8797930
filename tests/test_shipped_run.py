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
    "claim 3: forgetting, past tasks": "claim_3_forgetting_past",
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


def test_the_readme_quotes_how_each_task_was_learned(impacts):
    check = analysis.training_check(impacts)
    effects = {
        role: analysis.prompt_effects(impacts, "forgetting", role=role).set_index("current_task")
        for role in ("past", "retained")
    }
    for row in check.itertuples():
        cells = [f"{x:.1f}" for x in (row.score_before, row.score_after, row.least_gain)]
        cells.append(_spread(row.in_task_sd, row.in_task_sd_lower, row.in_task_sd_upper))
        for role in ("past", "retained"):
            e = effects[role].loc[row.current_task]
            cells.append(_spread(e["ratio"], e["ratio_lower"], e["ratio_upper"]))
        assert f"| {row.current_task} | {' | '.join(cells)} |" in README


def test_every_task_of_it_was_learned_under_every_prompt(run, impacts):
    # What the tuning side has to show; the README says so.
    assert (analysis.training_check(impacts)["misses"] == "").all()
    assert (analysis.past_gains(run)["misses"] == "").all()
    assert run.study.evaluation.examples >= 500


def test_the_readme_quotes_every_indicator(impacts):
    outcomes = (("forgetting", "past"), ("forgetting", "retained"), ("generalization", "unseen"))
    for words, x in INDICATORS.items():
        cells = [
            analysis.within_task_correlation(impacts, x, y, role=role, n_permutations=0)
            for y, role in outcomes
        ]
        assert f"| {words} | {' | '.join(map(_interval, cells))} |" in README
    given = ("prompt_length", "log_prompt_frequency")
    cells = [
        analysis.partial_correlation(impacts, y=y, given=given, role=role, n_permutations=0)
        for y, role in outcomes
    ]
    words = "pre-update loss given length and log frequency"
    assert f"| {words} | {' | '.join(map(_interval, cells))} |" in README


INDICATORS = {
    "pre-update loss": "pre_update_loss",
    "log(1 + pretraining frequency)": "log_prompt_frequency",
    "met in pretraining": "prompt_seen",
    "prompt perplexity": "prompt_perplexity",
    "prompt length": "prompt_length",
    "gradient norm": "gradient_norm",
    "gradient alignment with past tasks": "gradient_alignment_past",
    "… with retained tasks": "gradient_alignment_retained",
    "… with unseen tasks": "gradient_alignment_unseen",
    "similarity to learned prompts": "prompt_similarity",
    "loss after one small step": "loss_after_step",
}


def _spread(value, lower, upper):
    return f"{value:.1f} ({lower:.1f} to {upper:.1f})"


def _interval(e):
    return f"{signed(e.value)} ({signed(e.lower)} to {signed(e.upper)})"
