import math

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import claims, claims_without_data, impacts, no_verdict
from sapo_analysis.analysis.claim_values import mean_pair_correlations, spread_ratios
from sapo_analysis.analysis.claims import reason_in_short
from sapo_analysis.analysis.next_study.power import power_of, smallest_detectable, tasks_needed
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run

PAST = "claim_3_forgetting_past"


def judged(df, claim, scope="new_tasks", form="score"):
    found = [
        v
        for v in claims(df, n_permutations=99)
        if (v.claim, v.scope, v.form) == (claim, scope, form)
    ]
    assert len(found) == 1
    return found[0]


def made(folder, **settings):
    return impacts(open_run(write_run(folder, **{"n_tasks": 5, "n_prompts": 10, **settings})))


def outcome_table(table, loss_sign=1.0):
    """A table of x and y as an impacts table with one past task: y is forgetting."""
    return pd.DataFrame(
        {
            "current_task": table["current_task"],
            "prompt_id": table["prompt_id"],
            "purpose": "main",
            "seed": 0,
            "eval_task": "past-0",
            "role": "past",
            "pre_update_loss": table["x"],
            "forgetting": table["y"],
            "forgetting_loss": loss_sign * table["y"] / 50,
            "impact": -table["y"],
            "impact_loss": -loss_sign * table["y"] / 50,
        }
    )


def test_a_study_with_the_published_pattern_supports_every_claim(tmp_path):
    df = made(tmp_path, truth=Truth(r=0.9), seeds=[0, 1])
    verdicts = claims(df, n_permutations=99)
    assert len(verdicts) == 5 * 2 * 2
    assert {v.verdict for v in verdicts} == {"supported"}
    assert len({(v.claim, v.scope, v.form) for v in verdicts}) == 20


def test_one_seed_cannot_tell_claim_2_from_noise_that_tasks_share(tmp_path):
    of_one = [v for v in claims(made(tmp_path), n_permutations=0) if v.claim == "claim_2"]
    for v in of_one:
        assert v.estimate.lower > 0 and v.verdict == "unclear"
        assert "cannot be told without two seeds" in v.reason
        assert reason_in_short(v) == "Noise that the tasks of one trial share could make it."


def test_the_opposite_pattern_contradicts_claim_3(tmp_path):
    df = made(tmp_path, truth=Truth(r=-0.9))
    for claim in (PAST, "claim_3_forgetting_retained", "claim_3_generalization"):
        for scope in ("new_tasks", "these_tasks"):
            verdict = judged(df, claim, scope)
            assert verdict.verdict == "contradicted"
            assert "wholly" in verdict.reason


def test_no_relation_is_unclear(table_of):
    verdict = judged(outcome_table(table_of([0.3, -0.2, 0.1, -0.3])), PAST)
    assert verdict.verdict == "unclear"
    assert "contains 0" in verdict.reason


def test_fewer_than_four_tasks_are_too_few_and_say_how_many_more(table_of):
    df = outcome_table(table_of([0.8, 0.7, 0.9]))
    verdict = judged(df, PAST)
    assert verdict.verdict == "too few"
    assert verdict.reason.startswith("3 usable current tasks; new tasks need at least 4.")
    assert "would give 80 % power" in verdict.reason
    assert judged(df, PAST, "these_tasks").verdict == "supported"


def test_these_tasks_need_ten_prompts_each(table_of):
    nine, ten = (outcome_table(table_of([0.9, 0.9, 0.9, 0.8], n=n)) for n in (9, 10))
    verdict = judged(nine, PAST, "these_tasks")
    assert (verdict.verdict, "9 prompts" in verdict.reason) == ("unclear", True)
    assert judged(ten, PAST, "these_tasks").verdict == "supported"
    assert judged(nine, PAST).verdict == "supported"  # new tasks ask for tasks, not prompts


def test_two_thirds_of_the_tasks_must_agree_in_sign(table_of):
    # 13 of 20 tasks agree: the interval is above zero, two thirds are not reached.
    verdict = judged(outcome_table(table_of([0.8] * 13 + [-0.01] * 7)), PAST)
    assert verdict.estimate.lower > 0
    assert (verdict.verdict, "Only 13 of 20" in verdict.reason) == ("unclear", True)
    assert judged(outcome_table(table_of([0.8] * 14 + [-0.01] * 6)), PAST).verdict == "supported"


def test_forms_that_disagree_in_sign_are_unclear_in_both(table_of):
    df = outcome_table(table_of([0.9, 0.8, 0.9, 0.8]), loss_sign=-1)
    for form in ("score", "loss"):
        for scope in ("new_tasks", "these_tasks"):
            verdict = judged(df, PAST, scope, form)
            assert verdict.verdict == "unclear"
            assert "disagree in sign" in verdict.reason
    few = outcome_table(table_of([0.9, 0.8]), loss_sign=-1)
    assert judged(few, PAST).verdict == "too few"


def test_claim_1_by_hand(df):
    main = df[df["purpose"] == "main"]
    found = spread_ratios(df, "score")
    for i, value in enumerate(found.values):
        part = main[main["current_task"] == f"current-{i}"]
        impact = part[part["role"] != "current"].groupby("prompt_id")["impact"].mean()
        result = part[part["role"] == "current"].groupby("prompt_id")["score_after"].mean()
        assert value == pytest.approx(math.log(impact.std(ddof=1) / result.std(ddof=1)))
    assert found.errors == pytest.approx([math.sqrt(1 / 11)] * 5)
    verdict = judged(df, "claim_1", "these_tasks", "loss")
    half = 1.96 * math.sqrt(5 / 11) / 5
    assert verdict.estimate.upper - verdict.estimate.value == pytest.approx(half)
    assert verdict.estimate.statistic == "log_sd_ratio"


def test_the_error_of_claim_1_covers_independent_normal_spreads():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((20_000, 2, 12)).std(axis=2, ddof=1)
    observed = np.log(samples[:, 0] / samples[:, 1]).std()
    assert math.sqrt(1 / 11) == pytest.approx(observed, rel=0.06)


def test_a_task_without_in_task_spread_counts_in_loss_alone(df):
    flat = df.copy()
    flat.loc[(flat["role"] == "current") & (flat["current_task"] == "current-0"), "score_after"] = (
        90
    )
    assert len(spread_ratios(flat, "score").values) == 4
    assert "the same for every prompt" in spread_ratios(flat, "score").excluded["current-0"]
    assert len(spread_ratios(flat, "loss").values) == 5


def test_claim_2_by_hand(df):
    main = df[(df["purpose"] == "main") & (df["role"] != "current")]
    found = mean_pair_correlations(df, "loss")
    part = main[main["current_task"] == "current-1"]
    wide = part.pivot_table(index="prompt_id", columns="eval_task", values="impact_loss").to_numpy()

    def mean_z(table):
        r = np.corrcoef(table.T)
        return np.mean([np.arctanh(r[i, j]) for i in range(8) for j in range(i)])

    assert wide.shape == (12, 8)
    assert found.values[1] == pytest.approx(mean_z(wide))
    without = [mean_z(np.delete(wide, i, axis=0)) for i in range(12)]
    jackknife = math.sqrt(11 / 12 * np.sum((without - np.mean(without)) ** 2))
    assert found.errors[1] == pytest.approx(jackknife)


def test_one_prompt_does_not_decide_claim_2(df):
    """Two tasks that move under one prompt alone have r = 1 by it; they do not count."""
    before = mean_pair_correlations(df[~df["eval_task"].isin(["unseen-0", "unseen-1"])], "loss")
    moved = df.copy()
    for task in ("unseen-0", "unseen-1"):
        here = moved["eval_task"] == task
        one = moved.loc[here, "prompt_id"] == "para-02"
        moved.loc[here, "impact_loss"] = np.where(one, -50.0, 0.0)
    after = mean_pair_correlations(moved, "loss")
    assert after.values == pytest.approx(before.values)
    assert after.errors == pytest.approx(before.errors)


def test_claims_without_data_are_absent_with_a_reason(tmp_path):
    df = made(tmp_path, n_past=0, n_retained=0, n_unseen=1, n_tasks=1)
    assert {v.claim for v in claims(df, n_permutations=0)} == {"claim_1", "claim_3_generalization"}
    reasons = claims_without_data(df)
    assert reasons[PAST] == "The study has no past tasks."
    assert reasons["claim_2"] == "No current task has two other tasks to compare."


def test_claims_need_an_impacts_table(df):
    with pytest.raises(InputError, match="Unknown column 'role'"):
        claims(df.drop(columns="role"))


def test_unfinished_and_random_weights_runs_get_no_verdict(tmp_path, synthetic):
    partial = open_run(write_run(tmp_path, finish=False))
    random = open_run(write_run(tmp_path, weights="random"))
    assert no_verdict([synthetic]) == ""
    assert "no verdict until it is done" in no_verdict([synthetic, partial])
    assert "random weights" in no_verdict([random])


def test_power_agrees_with_statsmodels():
    from statsmodels.stats.power import TTestPower

    assert power_of(0.5, 0.43, 8) == pytest.approx(
        TTestPower().power(0.5 / 0.43, 8, 0.05), abs=1e-3
    )
    needed = tasks_needed(0.5, 0.43)
    assert power_of(0.5, 0.43, needed) >= 0.8 > power_of(0.5, 0.43, needed - 1)
    assert tasks_needed(5.0, 0.1) == 4
    assert tasks_needed(0.001, 1.0) is None


@pytest.mark.parametrize(("sd", "power"), [(0.0, 0.8), (float("nan"), 0.8), (1.0, 1.0), (1.0, 0.0)])
def test_power_refuses_what_is_out_of_range(sd, power):
    with pytest.raises(InputError):
        tasks_needed(0.5, sd, power)
    with pytest.raises(InputError):
        smallest_detectable(sd, 8, power)


def test_the_smallest_detectable_effect_agrees_with_statsmodels():
    from statsmodels.stats.power import TTestPower

    expected = TTestPower().solve_power(effect_size=None, nobs=11, alpha=0.05, power=0.8)
    assert smallest_detectable(0.45, 11) == pytest.approx(0.45 * expected, rel=1e-3)
    with pytest.raises(InputError, match="at least 2"):
        smallest_detectable(0.45, 1)
    # With no effect one interval in forty lies wholly above zero.
    with pytest.raises(InputError, match="probability 0.025"):
        smallest_detectable(0.45, 11, power=0.02)


def test_tasks_with_one_and_the_same_value_are_unclear_for_new_tasks():
    rows = pd.DataFrame({"current_task": np.repeat(list("abcde"), 10), "x": list(range(10)) * 5})
    df = outcome_table(rows.assign(prompt_id=rows["x"].map("p{}".format), y=2.0 * rows["x"]))
    found = judged(df, PAST)
    assert found.verdict == "unclear" and "All 5 tasks have the same value" in found.reason
    assert math.isnan(found.estimate.lower) and judged(df, PAST, "these_tasks").estimate.lower > 0


def test_prompts_that_all_say_the_same_leave_these_tasks_without_an_interval(tmp_path):
    df = impacts(open_run(write_run(tmp_path, n_tasks=4, n_prompts=12, seeds=[0, 1])))
    line = df["prompt_id"].str[-2:].where(df["prompt_id"] != "original", "0").astype(float)
    found = claims(df.assign(impact=line, impact_loss=line), n_permutations=0)
    (one,) = [v for v in found if (v.claim, v.scope, v.form) == ("claim_2", "these_tasks", "score")]
    assert one.verdict == "unclear" and one.reason.startswith("Every prompt says the same")
    assert np.isnan([one.estimate.lower, one.estimate.upper]).all()


def test_what_has_no_data_needs_its_columns(df):
    for name in ("role", "eval_task", "current_task"):
        with pytest.raises(InputError, match=f"Unknown column '{name}'"):
            claims_without_data(df.drop(columns=name))
