import json
import math

import pandas as pd
import pytest

from sapo_analysis.analysis import (
    impacts,
    noise_band,
    numerical_noise,
    prompts_table,
    repeat_differences,
    report,
)
from sapo_analysis.analysis.impacts import n_diverged
from sapo_analysis.analysis.noise.numerical_noise import NumericalNoise
from sapo_analysis.analysis.trust import trust
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run

NOISE_SEEDS = (10, 11, 12, 13)


def written(folder, rounding=0.0, **settings):
    settings = {"n_tasks": 2, "n_prompts": 5, "noise_seeds": NOISE_SEEDS, **settings}
    return open_run(write_run(folder, truth=Truth(rounding=rounding), **settings))


def moved(run, changes):
    """The run with the scores of repeats moved by hand; a loss by -1/50 of it."""
    scores = run.table("scores")
    for (trial, task), points in changes.items():
        row = (scores["trial_id"] == trial) & (scores["eval_task"] == task)
        assert row.any()
        scores.loc[row, "value"] += points
        scores.loc[row, "loss"] -= points / 50
    run._tables["scores"] = scores
    return run


def measured(run, y, role, eval_task=None):
    return numerical_noise(impacts(run), repeat_differences(run), y, role, eval_task)


@pytest.fixture
def by_hand(tmp_path):
    """Mean forgetting of two past tasks moves by -2, +1, +3 and 0 in four pairs."""
    changes = {
        ("t-current-0-original-0-repeat", "past-0"): 1.0,
        ("t-current-0-original-0-repeat", "past-1"): 3.0,
        ("t-current-0-para-01-0-repeat", "past-0"): -2.0,
        ("t-current-1-original-0-repeat", "past-1"): -6.0,
        ("t-current-1-para-01-0-repeat", "past-0"): 5.0,
        ("t-current-1-para-01-0-repeat", "past-1"): -5.0,
    }
    return moved(written(tmp_path, n_past=2), changes)


def test_by_hand(by_hand):
    found = measured(by_hand, "forgetting", "past")
    # Σ d² = 4 + 1 + 9 + 0 over four pairs; a difference has twice the variance of one value.
    assert found.sd == pytest.approx(math.sqrt(14 / 4 / 2))
    assert found.n == 4
    floor = noise_band(impacts(by_hand), "forgetting", "past").pooled
    assert found.ratio == pytest.approx(found.sd / floor.sigma)
    loss = measured(by_hand, "forgetting_loss", "past")
    assert (loss.sd, loss.n) == (pytest.approx(found.sd / 50), 4)
    assert loss.ratio == pytest.approx(found.ratio)


def test_one_evaluated_task_by_hand(by_hand):
    found = measured(by_hand, "forgetting", "past", "past-0")
    assert (found.sd, found.n) == (pytest.approx(math.sqrt((1 + 4 + 0 + 25) / 4 / 2)), 4)


def test_differences_are_repeat_minus_main(by_hand):
    differences = repeat_differences(by_hand)
    assert set(differences["purpose"]) == {"repeat"}
    assert len(differences) == 4 * 7  # 2 past, 2 current, 2 unseen, 1 retained
    at = differences.set_index(["trial_id", "eval_task"])
    row = at.loc[("t-current-1-original-0-repeat", "past-1")]
    assert row["forgetting"] == pytest.approx(6.0)
    assert row["impact"] == row["score_after"] == pytest.approx(-6.0)
    assert row["forgetting_loss"] == row["loss_after"] == pytest.approx(6 / 50)
    assert math.isnan(row["generalization"])


def test_a_measured_zero_is_a_zero_with_its_n(by_hand):
    found = measured(by_hand, "forgetting", "retained")
    assert found == NumericalNoise(0.0, 4, 0.0)
    assert found.in_words() == "sd 0 (n = 4 repeats, 0 of the noise floor)"


def test_it_finds_the_generating_value(tmp_path):
    settings = {"n_tasks": 25, "n_prompts": 2, "n_past": 0, "n_unseen": 0, "noise_seeds": (10,)}
    found = measured(written(tmp_path, rounding=0.2, **settings), "forgetting", "retained")
    # Here the repeat alone is moved: d has sd 0.2, which two trials of sd 0.2 / √2 would give.
    assert (found.sd, found.n) == (pytest.approx(0.2 / math.sqrt(2), rel=0.2), 50)


def test_tasks_with_different_metrics_are_weighted_as_in_the_noise_floor(tmp_path):
    settings = {"n_tasks": 1, "n_past": 2, "metrics": {"past-1": "rouge_l"}}
    changes = {
        ("t-current-0-original-0-repeat", "past-0"): 2.0,
        ("t-current-0-para-01-0-repeat", "past-1"): 4.0,
    }
    run = moved(written(tmp_path, **settings), changes)
    df = impacts(run)
    main = df[(df["purpose"] == "main") & (df["role"] == "past")]
    sd = main.groupby("eval_task")["forgetting"].std(ddof=1)
    d = [2 / sd["past-0"] / 2, 4 / sd["past-1"] / 2]
    found = measured(run, "forgetting", "past")
    assert found.sd == pytest.approx(math.sqrt((d[0] ** 2 + d[1] ** 2) / 2 / 2))


@pytest.mark.parametrize("settings", [{"rounding": None}, {"noise_seeds": ()}])
def test_without_repeats_it_is_not_measured(tmp_path, settings):
    run = written(tmp_path, **settings)
    found = measured(run, "forgetting", "past")
    assert math.isnan(found.sd) and found.n == 0 and math.isnan(found.ratio)
    assert found.in_words() == "not measured"
    assert found.to_dict() == {"sd": None, "n": 0, "ratio": None}
    for floor in report(run, n_permutations=0)["noise_floor"]:
        assert floor["numerical_noise"] == found.to_dict()


def test_without_a_noise_floor_there_is_no_ratio(tmp_path):
    found = measured(written(tmp_path, rounding=0.3, noise_seeds=(10,)), "forgetting", "past")
    assert found.n == 4 and found.sd > 0 and math.isnan(found.ratio)
    assert found.in_words() == f"sd {found.sd:.2g} (n = 4 repeats)"


def test_a_repeat_in_a_stack_of_the_same_size_measures_nothing(tmp_path):
    run = written(tmp_path)
    trials = run.table("trials")
    trials.loc[trials["trial_id"] == "t-current-0-original-0-repeat", "chunk"] = 8
    run._tables["trials"] = trials
    assert measured(run, "forgetting", "past").n == 3


@pytest.mark.parametrize("ending", ["", "-repeat"])
def test_a_pair_with_a_diverged_trial_is_left_out(tmp_path, ending):
    run = written(tmp_path, diverged=["t-current-0-para-01-0" + ending])
    assert measured(run, "forgetting", "past").n == 3
    assert n_diverged(run) == (ending == "")


def test_words_never_round_a_small_number_to_zero():
    small = NumericalNoise(3e-7, 1, 1e-6).in_words()
    assert small == "sd 3e-07 (n = 1 repeat, under 0.001 of the noise floor)"
    assert (
        NumericalNoise(0.31, 8, 0.1).in_words().endswith("(n = 8 repeats, 0.1 of the noise floor)")
    )


def test_repeats_enter_nothing_else(tmp_path):
    loud = written(tmp_path / "loud", rounding=1e6, diverged=["t-current-1-original-0-repeat"])
    without = written(tmp_path / "without", rounding=None)
    df, plain = impacts(loud), impacts(without)
    pd.testing.assert_frame_equal(df.drop(columns="run_id"), plain.drop(columns="run_id"))
    for y in ("forgetting", "forgetting_loss"):
        assert noise_band(df, y, "past") == noise_band(plain, y, "past")
        pd.testing.assert_frame_equal(prompts_table(df, y, "past"), prompts_table(plain, y, "past"))
    one, other = (report(run, n_permutations=9) for run in (loud, without))
    assert one["noise_floor"][0].pop("numerical_noise")["n"] == 3
    for document in (one, other):
        del document["run_id"]
        for floor in document["noise_floor"]:
            floor.pop("numerical_noise", None)
    assert json.dumps(one) == json.dumps(other)
    checks = (trust(run, df) for run in (loud, without))
    assert [a for a, b in zip(*checks, strict=True) if a != b] == [
        check for check in trust(loud, df) if check.name == "Seed noise"
    ]


def test_report_holds_it_beside_the_noise_floor(by_hand):
    found = report(by_hand, n_permutations=0)
    rows = {(row["quantity"], row["role"]): row["numerical_noise"] for row in found["noise_floor"]}
    assert len(rows) == 6
    for (y, role), row in rows.items():
        assert row == measured(by_hand, y, role).to_dict()
    assert rows["forgetting", "past"]["n"] == 4


def test_the_trust_check_says_it_in_words(tmp_path):
    run = written(tmp_path, rounding=0.3)
    words = measured(run, "forgetting", "past").in_words()
    assert f"Rounding alone: {words}." in trust(run, impacts(run))[1].text
    without = written(tmp_path, rounding=None, noise_seeds=(), name="without")
    assert "Rounding alone: not measured." in trust(without, impacts(without))[1].text


def test_joined_runs_count_a_shared_pair_once_and_pair_within_a_run(tmp_path):
    small = written(tmp_path / "small", rounding=0.3, n_tasks=1)
    large = written(tmp_path / "large", rounding=0.3, seeds=(0, 1))
    other = written(tmp_path / "other", rounding=None, n_tasks=1, seeds=(0, 2))
    joined = repeat_differences([small, large])
    assert joined["trial_id"].nunique() == 4
    assert not joined.duplicated(["trial_id", "eval_task"]).any()
    # The other run's main trials, ten points apart, stand first in the joined impacts table.
    scores = other.table("scores")
    scores.loc[scores["trial_id"].notna(), "value"] += 10
    other._tables["scores"] = scores
    both = [other, small]
    found = numerical_noise(impacts(both), repeat_differences(both), "forgetting", "past")
    assert found.n == 2
    assert found.sd == pytest.approx(measured(small, "forgetting", "past").sd)


def test_an_unfinished_run_gives_the_pairs_so_far(tmp_path):
    run = written(tmp_path, finish=False)
    assert 0 <= measured(run, "forgetting", "past").n < 4
