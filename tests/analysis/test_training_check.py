import math
import re
from importlib import import_module

import pytest

from sapo_analysis.analysis import impacts, past_gains, training_check
from sapo_analysis.errors import RunError
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    truth = Truth(in_task_spread=3.0, noise=0.2)
    return open_run(write_run(folder, n_tasks=3, n_prompts=14, seeds=[0, 1, 2], truth=truth))


def test_figures_are_those_of_the_tables(run):
    own = impacts(run).query("role == 'current' and purpose == 'main'")
    table = training_check(impacts(run)).set_index("current_task")
    for task, part in own.groupby("current_task"):
        row = table.loc[task]
        assert row["score_after"] == pytest.approx(part["score_after"].mean())
        assert row["score_before"] == pytest.approx(part["score_before"].mean())
        gains = [g["learning"].sum() / 3 for _, g in part.groupby("prompt_id")]
        assert row["least_gain"] == pytest.approx(min(gains))


def test_a_wide_in_task_spread_is_named(run):
    table = training_check(impacts(run))
    assert table["in_task_sd"].mean() == pytest.approx(3.0, rel=0.35)
    for row in table.itertuples():
        assert ("in-task sd" in row.misses) == (row.in_task_sd > 1.5)
    assert (table["misses"] != "").any()


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        ("LEAST_GAIN", 1000.0, "gains .* of at least 1000 points"),
        ("LARGEST_SCORE", 0.0, "final score .*, at most 0"),
        ("LARGEST_SD", 0.0, "in-task sd .*, at most 0"),
    ],
)
def test_every_bound_can_be_missed_and_met(run, monkeypatch, bound, value, words):
    # The package gives its function the module's name.
    home = import_module("sapo_analysis.analysis.training_check")
    for name, easy in (("LEAST_GAIN", -1e9), ("LARGEST_SCORE", 1e9), ("LARGEST_SD", 1e9)):
        monkeypatch.setattr(home, name, easy)
    assert (training_check(impacts(run))["misses"] == "").all()
    monkeypatch.setattr(home, bound, value)
    assert all(re.fullmatch(rf".*{words}", text) for text in training_check(impacts(run))["misses"])


def test_past_gains_are_state_after_minus_state_before(run):
    scores = run.table("scores")
    states = scores[scores["trial_id"].isna() & (scores["eval_task"] == "past-0")]
    by_state = states.set_index("state_id")["value"]
    table = past_gains(run)
    assert list(table["state_seed"]) == [0, 1, 2]
    trials = run.table("trials").query("purpose == 'past'").sort_values("seed")
    for row, trial in zip(table.itertuples(), trials.itertuples(), strict=True):
        expected = by_state[trial.result_state_id] - by_state[trial.state_id]
        assert row.gain == pytest.approx(expected)
        assert (row.misses != "") == (expected < 10)


def test_the_prompt_that_gains_least_is_named(run, monkeypatch):
    monkeypatch.setattr(import_module("sapo_analysis.analysis.training_check"), "LEAST_GAIN", 1e9)
    own = impacts(run).query("role == 'current' and purpose == 'main'")
    for row in training_check(impacts(run)).itertuples():
        gains = own[own["current_task"] == row.current_task].groupby("prompt_id")["learning"].mean()
        assert row.misses.startswith(f"{gains.idxmin()} gains {gains.min():.1f} of at least")


def test_prompts_that_share_no_seed_have_no_in_task_sd(tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=[0, 1])
    trials = open_run(path).table("trials").query("purpose == 'main'")
    prompts = trials[trials["current_task"] == "current-0"]["prompt_id"].unique()
    diverged = [f"t-current-0-{prompts[1]}-0", f"t-current-0-{prompts[2]}-1"]
    assert set(diverged) <= set(trials["trial_id"])
    path = write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=[0, 1], diverged=diverged, name="d")
    table = training_check(impacts(open_run(path))).set_index("current_task")
    assert math.isnan(table.loc["current-0", "in_task_sd"])
    assert "not measured" in table.loc["current-0", "misses"]
    assert "not measured" not in table.loc["current-1", "misses"]


def test_a_run_without_past_has_no_rows(tmp_path):
    path = write_run(tmp_path, n_past=0)
    assert past_gains(open_run(path)).empty


def test_a_missing_score_of_a_state_is_an_error_that_names_it(tmp_path):
    run = open_run(write_run(tmp_path))
    scores = run.table("scores")
    gone = scores["trial_id"].isna() & (scores["eval_task"] == "past-0")
    run._tables["scores"] = scores[~gone]
    with pytest.raises(RunError, match=rf"{run.run_id}: table scores has no score of state \S+ on"):
        past_gains(run)
