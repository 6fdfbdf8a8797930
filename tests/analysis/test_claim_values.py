"""Each claim's tasks: their mean is what is judged; leaving out is as from the table."""

import math

import numpy as np
import pytest

from sapo_analysis.analysis import claims
from sapo_analysis.analysis.claim_values import claim_ranges, claim_tasks
from sapo_analysis.analysis.claims import CLAIMS
from sapo_analysis.analysis.estimate import FORMS


@pytest.fixture(scope="module")
def verdicts(df):
    found = claims(df, n_permutations=0)
    return {(v.claim, v.form, v.scope): v.estimate for v in found}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("claim", CLAIMS)
def test_with_everything_in_it_is_the_estimate_that_is_judged(df, verdicts, claim, form):
    found = claim_ranges(claim, claim_tasks(df, claim, form))
    for scope in ("new_tasks", "these_tasks"):
        own = verdicts[claim, form, scope]
        bounds = getattr(found, scope)
        assert (found.value, *bounds) == pytest.approx((own.value, own.lower, own.upper))
        assert found.n_tasks == own.n_tasks == 5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("claim", ["claim_1", "claim_2", "claim_3_generalization"])
def test_a_prompt_or_task_left_out_is_one_less_in_the_table(df, claim, form):
    tasks = claim_tasks(df, claim, form)
    found = claim_ranges(claim, tasks)
    for left in (found.one_prompt.lowest, found.one_prompt.highest, found.one_task.highest):
        out = df["current_task"] == left.current_task
        if left.prompt_id is not None:
            out &= df["prompt_id"] == left.prompt_id
        again = claims(df[~out], n_permutations=0)
        for own in again:
            if (own.claim, own.form) == (claim, form):
                assert left.value == pytest.approx(own.estimate.value)
                if claim != "claim_2" or left.prompt_id is None or own.scope == "new_tasks":
                    bounds = getattr(left, own.scope)
                    assert bounds == pytest.approx((own.estimate.lower, own.estimate.upper))


def test_a_prompt_that_alone_spreads_the_in_task_result_leaves_its_task_out(df):
    own = df["role"] == "current"
    one = own & (df["current_task"] == "current-1")
    score = df["score_after"].mask(one, 80.0).mask(one & (df["prompt_id"] == "para-03"), 90.0)
    tasks = {t.name: t for t in claim_tasks(df.assign(score_after=score), "claim_1", "score")}
    gone = np.isnan(tasks["current-1"].without)
    assert list(tasks["current-1"].prompts[gone]) == ["para-03"]
    assert not np.isnan(tasks["current-0"].without).any()


def test_tasks_that_carry_nothing_are_left_out(df):
    few = df[df["prompt_id"] < "para-03"]  # with the original these are four
    assert len(claim_tasks(df[df["prompt_id"] < "para-02"], "claim_2", "score")) == 0
    for claim in CLAIMS:
        one = few[few["prompt_id"] != "original"]
        assert claim_tasks(one, claim, "score") == []
        assert math.isnan(claim_ranges(claim, []).value)
    flat = df.assign(score_after=80.0, impact=0.0)
    assert claim_tasks(flat, "claim_1", "score") == claim_tasks(flat, "claim_2", "score") == []
    four = df[df["prompt_id"].isin(["original", "para-01", "para-02", "para-03"])]
    for claim in ("claim_1", "claim_2"):
        tasks = claim_tasks(four, claim, "loss")
        assert len(tasks) == 5 and all(np.isnan(task.without).all() for task in tasks)
