import math

import pytest

from sapo_analysis.analysis import (
    claims,
    claims_table,
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
