import math

import pandas as pd
import pytest

from sapo_analysis.analysis import (
    CHARACTERISTICS,
    claims,
    claims_table,
    distinguishing,
    prompt_effects,
    task_correlations,
    tasks_table,
    training_check,
)


def test_the_claims_table_holds_both_verdicts_of_each_claim_and_form(df):
    verdicts = claims(df, n_permutations=0)
    table = claims_table(verdicts)
    assert len(table) == len(verdicts) / 2 == 10
    assert list(table["form"]) == ["score", "loss"] * 5
    for row in table.itertuples():
        for scope, lower, verdict in (
            ("these_tasks", row.these_lower, row.these_verdict),
            ("new_tasks", row.new_lower, row.new_verdict),
        ):
            (mine,) = [
                v for v in verdicts if (v.claim, v.form, v.scope) == (row.claim, row.form, scope)
            ]
            assert verdict == mine.verdict and lower == mine.estimate.lower
            assert row.estimate == mine.estimate.value
        assert row.predicted == ("< 0" if row.claim == "claim_3_generalization" else "> 0")


def test_tasks_with_too_few_prompts_leave_an_empty_table_with_its_columns(df):
    few = df[df["prompt_id"].isin(sorted(df["prompt_id"].unique())[:3])]
    table = tasks_table(few, "forgetting", "past", predicted=1)
    assert table.empty
    assert list(table) == list(tasks_table(df, "forgetting", "past", predicted=1))
    assert distinguishing(table, predicted=1)["rho"].isna().all()


def tasks_with(r, **columns):
    table = pd.DataFrame({"r": r, **{name: 1.0 for name in CHARACTERISTICS}})
    return table.assign(**columns)


def test_what_distinguishes_tasks_by_hand():
    # Ranks of -r: 4 3 5 1 2; of ratio: 4 3 5 2 1, so rho = 1 - 6 (1 + 1) / (5 · 24) = 0.9.
    table = tasks_with([-0.4, -0.1, -0.6, 0.7, 0.2], ratio=[4.0, 3.0, 9.0, 2.0, 1.0])
    found = distinguishing(table, predicted=-1).set_index("characteristic")
    assert found.loc["ratio", "rho"] == pytest.approx(0.9)
    # Of the 120 orders, 1 + 4 have rho of at least 0.9 and as many of at most -0.9.
    assert found.loc["ratio", "p"] == pytest.approx(10 / 120)
    assert found.loc["ratio", "where_holds"] == pytest.approx(16 / 3)
    assert found.loc["ratio", "where_fails"] == pytest.approx(1.5)
    assert found.loc["mean"].isna().loc[["rho", "p"]].all()
    opposite = distinguishing(table, predicted=+1).set_index("characteristic")
    assert opposite.loc["ratio", "rho"] == pytest.approx(-0.9)


def test_few_tasks_distinguish_nothing():
    table = tasks_with([0.1, 0.5, 0.3, float("nan"), 0.4], ratio=[1.0, 2.0, 3.0, 4.0, 5.0])
    found = distinguishing(table, predicted=1)
    assert found["rho"].isna().all() and (found["n_tasks"] == 4).all()


def test_no_verdicts_no_rows():
    assert claims_table([]).empty


@pytest.mark.parametrize(
    ("y", "role", "predicted"),
    [("forgetting_loss", "retained", 1), ("generalization", "unseen", -1)],
)
def test_the_tasks_table_gathers_what_others_estimate(df, y, role, predicted):
    table = tasks_table(df, y, role, predicted)
    estimates = {e.task: e for e in task_correlations(df, y=y, role=role, n_permutations=0)}
    effects = prompt_effects(df, y, role=role).set_index("current_task")
    training = training_check(df).set_index("current_task")
    assert list(table["current_task"]) == sorted(estimates)
    for row in table.itertuples():
        e = estimates[row.current_task]
        assert (row.r, row.lower, row.upper) == (e.value, e.lower, e.upper)
        assert row.holds == (predicted * e.value > 0)
        assert row.ratio == effects.loc[row.current_task, "ratio"]
        assert row.least_gain == training.loc[row.current_task, "least_gain"]
        own = df[
            (df["current_task"] == row.current_task)
            & (df["role"] == role)
            & (df["purpose"] == "main")
        ]
        assert row.mean == pytest.approx(own[y].mean())
        assert row.unit == effects.loc[row.current_task, "unit"]
        losses = own.groupby("prompt_id")["pre_update_loss"].mean()
        assert row.loss_ratio == pytest.approx(max(losses) / min(losses))
        assert not math.isnan(row.sigma_seed)


def test_the_mean_of_mixed_metrics_is_in_points_and_not_in_its_own_spread(df):
    metrics = df["eval_task"].map({"unseen-0": "exact_match"}).fillna("label_accuracy")
    table = tasks_table(df.assign(metric=metrics), "generalization", "unseen", predicted=-1)
    assert set(table["unit"]) == {"standard deviations over prompts"}
    plain = tasks_table(df, "generalization", "unseen", predicted=-1)
    assert list(table["mean"]) == list(plain["mean"])
