"""Claim 1 task by task, against spreads worked out by hand and against the verdict's estimate."""

import math
from statistics import stdev

import numpy as np
import pytest

from sapo_analysis.analysis import claim_1_from_the_seed_alone, claims
from sapo_analysis.analysis.noise.claim_1_spreads import SPREAD_COLUMNS, claim_1_spreads
from sapo_analysis.errors import InputError
from tests.analysis.noise.test_seed_alone import table_of

# Four prompts x two seeds; means over seeds: own 1, 2, 3, 4; others 1, 5, 9, 13 and 3, 7, 11, 15.
OWN = [[0.0, 2.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]
OTHERS = [
    [[1.0, 1.0], [4.0, 6.0], [9.0, 9.0], [13.0, 13.0]],
    [[3.0, 3.0], [6.0, 8.0], [11.0, 11.0], [15.0, 15.0]],
]


def test_one_task_worked_by_hand():
    found = claim_1_spreads(table_of(OWN, OTHERS), "score")
    assert list(found.table.columns) == list(SPREAD_COLUMNS)
    row = found.table.iloc[0]
    spread = stdev([1, 2, 3, 4])
    assert row["current_task"] == "mine" and found.unit == row["unit"] == "points (0 to 100)"
    assert row["in_task_spread"] == pytest.approx(spread)
    assert row["impact_spread"] == pytest.approx(4 * spread)
    assert row["ratio"] == pytest.approx(4)
    half = 1.96 / math.sqrt(3)
    assert (row["lower"], row["upper"]) == pytest.approx((4 / math.exp(half), 4 * math.exp(half)))
    assert (row["n_prompts"], row["n_seeds"], row["n_other_tasks"]) == (4, 2, 2)
    # Seeds differ by 2, 0, 0, 0 under both: residuals of the layout are the same, so is sigma,
    # and a mean of two seeds has it over the root of two. Four squares of the differences from
    # their mean, half each: sum (d - mean d)^2 / 2 over three degrees.
    sigma = math.sqrt(sum((d - 0.5) ** 2 for d in (2, 0, 0, 0)) / 2 / 3)
    assert row["in_task_seed"] == pytest.approx(sigma / math.sqrt(2))
    assert row["impact_seed"] == pytest.approx(sigma / math.sqrt(2))
    assert row["seed_ratio"] == pytest.approx(1)


@pytest.mark.parametrize("form", ["score", "loss"])
def test_tasks_average_to_what_is_judged(df, form):
    found = claim_1_spreads(df, form).table
    judged = next(v.estimate for v in claims(df, n_permutations=0) if v.form == form)
    assert np.log(found["ratio"]).mean() == pytest.approx(judged.value)
    assert len(found) == judged.n_tasks == 5
    alone = claim_1_from_the_seed_alone(df)[form]
    assert np.log(found["seed_ratio"]).mean() == pytest.approx(alone, nan_ok=True)


def test_what_is_not_known_is_nan_and_what_cannot_be_compared_is_named():
    one_seed = table_of([row[:1] for row in OWN], [[r[:1] for r in o] for o in OTHERS], seeds=(0,))
    found = claim_1_spreads(one_seed).table.iloc[0]
    assert found["ratio"] > 0
    assert all(math.isnan(found[name]) for name in ("in_task_seed", "impact_seed", "seed_ratio"))
    same = claim_1_spreads(table_of([[5.0, 5.0]] * 4, OTHERS))
    assert same.table.empty and "same for every prompt" in same.excluded["mine"]
    with pytest.raises(InputError, match="score"):
        claim_1_spreads(one_seed, "points")
