"""Claim 1 as a difference of shares: from the shares of each task, and on poor tables."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sapo_analysis.analysis.noise.claim_1_shares import COLUMNS, claim_1_shares
from sapo_analysis.analysis.noise.components import variance_components
from sapo_analysis.analysis.noise.intraclass import (
    NO_SEED_COMPONENT,
    NO_SPREAD,
    ONE_SEED,
    intraclass,
)
from sapo_analysis.errors import InputError


def impacts_of(pairs):
    """A table with tasks of (in-task result, mean impact), each prompts x seeds."""
    rows = []
    for t, (own, impact) in enumerate(pairs):
        for (p, s), value in np.ndenumerate(own):
            about = {"current_task": f"t{t}", "prompt_id": f"p{p:02d}", "seed": s}
            result = {"score_after": value, "loss_after": 2 - value / 50}
            rows.append({**about, "eval_task": f"t{t}", "role": "current", **result})
        for (p, s), value in np.ndenumerate(impact):
            about = {"current_task": f"t{t}", "prompt_id": f"p{p:02d}", "seed": s}
            # Two other tasks, whose mean it is.
            for other, by in (("a", 3.0), ("b", -3.0)):
                moved = {"impact": value + by, "impact_loss": (value + by) / 50}
                rows.append({**about, "eval_task": other, "role": "past", **moved})
    return pd.DataFrame(rows)


def draw(rng, share, prompts=8, seeds=3):
    own = rng.normal(0, math.sqrt(share), (prompts, 1))
    return own + rng.normal(0, math.sqrt(1 - share), (prompts, seeds)) + rng.normal(0, 2, seeds)


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    return [(draw(rng, 0.1), draw(rng, 0.8)) for _ in range(5)]


def test_it_is_the_paired_difference_of_shares_over_tasks(pairs):
    in_task = [intraclass(own).share for own, _ in pairs]
    cross = [intraclass(impact).share for _, impact in pairs]
    paired = stats.ttest_rel(cross, in_task)
    interval = paired.confidence_interval()
    found = claim_1_shares(impacts_of(pairs))
    assert tuple(found.columns) == COLUMNS and list(found["form"]) == ["score", "loss"]
    for row in found.to_dict("records"):  # A share has no unit: both forms agree.
        assert row["share_in_task"] == pytest.approx(np.mean(in_task))
        assert row["share_cross_task"] == pytest.approx(np.mean(cross))
        assert row["difference"] == pytest.approx(np.mean(cross) - np.mean(in_task))
        assert [row["lower"], row["upper"]] == pytest.approx([interval.low, interval.high])
        assert row["lower"] > 0
        assert (row["n_tasks"], row["n_prompts"], row["n_seeds"], row["note"]) == (5, 8, 3, "")


def test_only_prompts_and_seeds_that_both_have_are_compared(pairs):
    (own, impact), *others = pairs
    cut = claim_1_shares(impacts_of([(own[:6], impact[:, :2]), *others])).iloc[0]
    same = claim_1_shares(impacts_of([(own[:6, :2], impact[:6, :2]), *others])).iloc[0]
    pd.testing.assert_series_equal(cut, same)
    assert (cut["n_prompts"], cut["n_seeds"]) == (6, 2)


def test_one_task_has_a_difference_and_no_interval(pairs):
    row = claim_1_shares(impacts_of(pairs[:1])).iloc[0]
    assert row["difference"] == row["share_cross_task"] - row["share_in_task"]
    assert math.isnan(row["lower"]) and math.isnan(row["upper"]) and row["n_tasks"] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda own, impact: (own[:3], impact), "3 prompts, at least 4 are needed"),
        (lambda own, impact: (own[:, :1], impact), f"mean impact: {ONE_SEED}"),
        (lambda own, impact: (0 * own, impact), f"in-task result: {NO_SPREAD}"),
        (
            lambda own, impact: (own[:, :1] + 0 * own, impact),
            f"in-task result: {NO_SEED_COMPONENT}",
        ),
        (lambda own, impact: (own, impact[:0]), "no impact"),
        (lambda own, impact: (own[:0], impact), "no in-task result"),
    ],
)
def test_tasks_that_cannot_be_compared_are_named(pairs, change, reason):
    table = impacts_of([*pairs[:2], change(*pairs[2])])
    for row in claim_1_shares(table).to_dict("records"):
        assert row["n_tasks"] == 2 and row["note"] == f"left out t2: {reason}"
    for row in claim_1_shares(table[table["current_task"] == "t2"]).to_dict("records"):
        assert math.isnan(row["difference"]) and row["n_tasks"] == 0 and row["note"]


def test_poor_tables_are_refused_or_give_nan(pairs):
    table = impacts_of(pairs[:2])
    with pytest.raises(InputError, match="Unknown column 'name'"):
        claim_1_shares(table, task="name")
    with pytest.raises(InputError, match="Two rows hold"):
        claim_1_shares(pd.concat([table, table]))
    bad = table.assign(impact=table["impact"].where(table["seed"] > 0, np.inf))
    with pytest.raises(InputError, match="infinite"):
        claim_1_shares(bad)
    for poor in (
        table.iloc[:0],
        table[table["role"] != "current"],
        table.drop(columns="role"),
        table.drop(columns=["impact", "impact_loss"]),
        table.assign(score_after=np.nan, loss_after=np.nan),
    ):
        found = claim_1_shares(poor)
        assert found["difference"].isna().all() and found["note"].ne("").all()


def test_on_a_run_its_shares_are_those_of_the_variance_components(df):
    found, parts = claim_1_shares(df), variance_components(df)
    over = parts[[name is None for name in parts["current_task"]]].set_index("quantity")["share"]
    assert list(found["share_in_task"]) == pytest.approx(list(over[["score_after", "loss_after"]]))
    assert list(found["share_cross_task"]) == pytest.approx(list(over[["impact", "impact_loss"]]))
    assert (found["n_tasks"] == 5).all()
