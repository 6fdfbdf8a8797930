"""Reliability of an outcome against statsmodels' mean squares, and what it says in words."""

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols

from sapo_analysis.analysis import seeds_table
from sapo_analysis.analysis.noise.reliability import reliability
from sapo_analysis.errors import InputError


def table_of(prompt_sd, seed_sd, n=200, seeds=4, tasks=3):
    rng = np.random.default_rng(1)
    shape = (tasks, n, seeds)
    y = prompt_sd * rng.standard_normal((tasks, n, 1)) + seed_sd * rng.standard_normal(shape)
    index = pd.MultiIndex.from_product([range(size) for size in shape])
    rows = index.to_frame(index=False, name=["current_task", "prompt_id", "seed"])
    return rows.assign(y=y.ravel(), x=rows["prompt_id"] * 0.1)


@pytest.mark.parametrize(("prompt_sd", "seed_sd"), [(1.0, 1.0), (1.0, 4.0), (2.0, 0.0)])
def test_it_is_the_prompts_share_of_the_variance_of_means(prompt_sd, seed_sd):
    found = reliability(table_of(prompt_sd, seed_sd), "y", x="x")
    assert found.value == pytest.approx(prompt_sd**2 / (prompt_sd**2 + seed_sd**2 / 4), abs=0.06)
    assert found.n_seeds == 4
    assert found.is_low == (seed_sd == 4.0)
    assert ("is the seed's" in found.text) == found.is_low
    assert found.text.startswith(f"Reliability over 4 seeds {found.value:.2f}")


@pytest.mark.parametrize(("y", "role"), [("forgetting", "past"), ("generalization_loss", "unseen")])
def test_it_pools_the_mean_squares_of_all_tasks(df, y, role):
    rows = seeds_table(df, y, role)
    ms_prompt, ms_rest = 0.0, 0.0
    for _, part in rows.groupby("current_task"):
        cells = part.pivot(index="prompt_id", columns="seed", values=y)
        fit = ols(f"{y} ~ C(prompt_id) + C(seed)", part).fit()
        ms_prompt += len(cells.columns) * cells.mean(axis=1).var(ddof=1)
        ms_rest += fit.mse_resid
    assert reliability(df, y, role).value == pytest.approx(1 - ms_rest / ms_prompt)
    assert reliability(df, y, role, eval_task=f"{role}-0").n_seeds == 2


def test_where_the_seed_explains_all_it_is_zero_and_low():
    rows = table_of(0.0, 1.0, n=6, tasks=1)
    # Every prompt has the same mean over seeds.
    rows["y"] -= rows.groupby("prompt_id")["y"].transform("mean")
    rows["y"] += 1e-3 * rows["prompt_id"]
    found = reliability(rows, "y", x="x")
    assert found.value == 0 and found.is_low


def test_what_is_not_known_is_nan_and_not_low():
    one = reliability(table_of(1.0, 1.0, n=6, seeds=1), "y", x="x")
    assert math.isnan(one.value) and not one.is_low and one.text.startswith("One seed:")
    flat = reliability(table_of(0.0, 0.0, n=6), "y", x="x")
    assert math.isnan(flat.value) and "do not differ" in flat.text
    few = reliability(table_of(1.0, 1.0, n=3), "y", x="x")
    assert math.isnan(few.value)
    with pytest.raises(InputError, match="Unknown column"):
        reliability(table_of(1.0, 1.0), "z", x="x")


def test_impacts_are_averaged_over_every_other_task(df):
    found = reliability(df, "impact", x=None, any_role=True)
    assert 0 < found.value < 1 and found.n_seeds == 2
