"""Claim 1 from the seed alone, against a layout worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import claim_1_from_the_seed_alone
from sapo_analysis.analysis.cautions import claim_1_warnings
from sapo_analysis.analysis.estimate import Estimate, Verdict


def table_of(own, others, seeds=(0, 1)):
    """Impacts of one current task: `own` and each of `others` are prompts x seeds (score form)."""
    rows = []
    for eval_task, values, role in (
        ("mine", own, "current"),
        *((f"other-{i}", values, "past") for i, values in enumerate(others)),
    ):
        for p, per_seed in enumerate(values):
            for seed, value in zip(seeds, per_seed, strict=True):
                rows.append(
                    {
                        "current_task": "mine",
                        "eval_task": eval_task,
                        "role": role,
                        "purpose": "main",
                        "prompt_id": f"p{p}",
                        "seed": seed,
                        "trial_id": f"t{p}-{seed}",
                        "metric": "exact_match",
                        "score_after": value,
                        "loss_after": -value / 10,
                        # A task's change of itself is learning, no impact.
                        "impact": math.nan if role == "current" else value,
                        "impact_loss": math.nan if role == "current" else -value / 100,
                    }
                )
    return pd.DataFrame(rows)


# Residuals of a 2 x 2 layout are ±d/4 with d = a - b - c + e, so σ² = d²/4 with one degree.
OWN = [[1.0, 2.0], [3.0, 7.0]]  # d = 3: σ = 1.5
OTHERS = [[[0.0, 4.0], [2.0, 0.0]], [[1.0, 1.0], [5.0, 1.0]]]  # mean: d = -5: σ = 2.5


def test_it_is_the_log_ratio_of_the_residual_sds():
    found = claim_1_from_the_seed_alone(table_of(OWN, OTHERS))
    assert found["score"] == pytest.approx(math.log(2.5 / 1.5))
    assert found["loss"] == pytest.approx(math.log(0.025 / 0.15))


def test_it_knows_nothing_of_what_prompts_do():
    shifted = [[[x + 50 * p for x in row] for p, row in enumerate(other)] for other in OTHERS]
    assert claim_1_from_the_seed_alone(table_of(OWN, shifted)) == pytest.approx(
        claim_1_from_the_seed_alone(table_of(OWN, OTHERS))
    )


def test_one_seed_or_no_residual_measures_nothing():
    one = table_of([[1.0], [2.0]], [[[1.0], [4.0]]], seeds=(0,))
    still = table_of([[1.0, 2.0], [3.0, 4.0]], OTHERS)
    for table in (one, still):
        assert all(np.isnan(value) for value in claim_1_from_the_seed_alone(table).values())


@pytest.mark.parametrize(("lower", "by_chance", "said"), [(0.6, 0.7, 1), (0.8, 0.7, 0)])
def test_a_claim_that_the_seed_alone_would_give_is_warned_of(lower, by_chance, said):
    fields = dict.fromkeys(Estimate.__dataclass_fields__)
    estimate = Estimate(**{**fields, "value": 0.9, "lower": lower, "upper": 1.2})
    verdict = Verdict("claim_1", "these_tasks", "loss", "supported", "", estimate)
    found = claim_1_warnings([verdict], {"loss": by_chance, "score": float("nan")})
    assert len(found) == said
    assert claim_1_warnings([verdict], {"loss": float("nan")}) == []
    if said:
        assert "(loss, these tasks) is supported (+0.90), but the seed alone would give" in found[0]
