import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.analysis import impacts, noise_band, prompts_table
from sapo_analysis.analysis.noise.variance import same_prompt, two_way, upper_limit
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run


def cells(values):
    return pd.DataFrame(values, index=[f"p{i}" for i in range(len(values))], dtype=float)


def test_the_component_by_hand():
    # Margins 2, 5 and 1.5, 5.5 around 3.5 leave +1, -1, -1, +1: 4 over one degree of freedom.
    found = two_way(cells([[1, 3], [2, 8]]))
    assert (found.sigma, found.df, found.n_seeds, found.n_prompts) == (2.0, 1, 2, 2)


def test_the_component_is_the_residual_of_the_two_way_model():
    values = np.random.default_rng(0).normal(size=(3, 5))
    long = (
        cells(values)
        .stack()
        .rename("y")
        .reset_index()
        .rename(columns={"level_0": "p", "level_1": "s"})
    )
    fit = smf.ols("y ~ C(p) + C(s)", long).fit()
    found = two_way(cells(values))
    assert found.sigma == pytest.approx(math.sqrt(fit.mse_resid))
    assert found.df == fit.df_resid


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=4))
def test_effects_common_to_all_prompts_of_a_seed_are_not_in_it(effects):
    values = np.random.default_rng(0).normal(size=(3, 4))
    assert two_way(cells(values + np.array(effects))).sigma == pytest.approx(
        two_way(cells(values)).sigma
    )


def test_only_shared_seeds_count_and_one_prompt_has_no_component():
    nan = float("nan")
    assert two_way(cells([[1, 3, nan], [2, 8, 5]])).sigma == 2.0
    assert two_way(cells([[1, 3, 2]])) is None
    assert two_way(cells([[1, nan], [nan, 2]])) is None


def test_same_prompt_sd_is_pooled_over_prompts():
    found = same_prompt(cells([[1, 3, float("nan")], [2, 4, 6]]))
    assert found.sigma == pytest.approx(math.sqrt((2 + 8) / 3))
    assert found.df == 3
    assert same_prompt(cells([[1], [2]])) is None


def test_four_seeds_put_the_limit_at_3_7_sigma():
    assert upper_limit(1.0, 3) == pytest.approx(3.73, abs=0.005)
    assert math.isnan(upper_limit(1.0, 0))


def test_band_of_a_facet_by_hand(df):
    band = noise_band(df, "forgetting", "past")
    noise = df[(df["purpose"] == "noise") & (df["role"] == "past")]
    points = prompts_table(df, "forgetting", "past")
    assert [facet.current_task for facet in band.facets] == [f"current-{i}" for i in range(5)]
    for facet in band.facets:
        part = noise[noise["current_task"] == facet.current_task]
        wide = part.pivot(index="prompt_id", columns="seed", values="forgetting").to_numpy()
        difference = wide[0] - wide[1]  # with two prompts the component is sd(difference) / √2
        sigma = np.std(difference, ddof=1) / math.sqrt(2)
        assert facet.sigma == pytest.approx(sigma)
        assert facet.dashed and facet.n_noise_seeds == 4
        assert facet.half_width == pytest.approx(1.96 * upper_limit(sigma, 3) / math.sqrt(2))
        centre = points.loc[points["current_task"] == facet.current_task, "forgetting"].mean()
        assert (facet.lower + facet.upper) / 2 == pytest.approx(centre)
        assert facet.label == "prompt × seed component"
    squares = [facet.sigma**2 for facet in band.facets]
    assert band.pooled.sigma == pytest.approx(math.sqrt(np.mean(squares)))
    assert (band.pooled.centre, band.pooled.df) == (0.0, 15)
    assert list(band.to_frame()["current_task"]) == [f.current_task for f in band.facets]


def test_eight_noise_seeds_make_it_solid_at_sigma_itself(tmp_path):
    truth = Truth(seed_effect=50.0, noise=2.0)
    path = write_run(tmp_path, n_tasks=3, n_prompts=4, noise_seeds=range(10, 34), truth=truth)
    band = noise_band(impacts(open_run(path)), "generalization")
    assert not band.pooled.dashed
    assert band.pooled.sigma == pytest.approx(2.0, rel=0.25)  # the seed effect of 50 is not in it
    for facet in band.facets:
        assert facet.half_width == pytest.approx(1.96 * facet.sigma)


def test_one_repeated_prompt_gives_an_upper_bound_that_says_so(df):
    alone = df[(df["purpose"] == "main") | (df["prompt_id"] == "original")]
    facet = noise_band(alone, "forgetting", "past").facets[0]
    mine = alone[(alone["purpose"] == "noise") & (alone["current_task"] == facet.current_task)]
    values = mine.loc[mine["role"] == "past", "forgetting"]
    assert facet.sigma == pytest.approx(values.std(ddof=1))
    assert facet.label == "upper bound: includes seed effects common to all prompts"


def test_without_noise_trials_there_is_no_band(df):
    band = noise_band(df[df["purpose"] == "main"], "forgetting", "past")
    assert band.facets == () and band.pooled is None
    assert len(band.to_frame()) == 0 and "half_width" in band.to_frame()
    assert noise_band(df.drop(columns="purpose"), "learning", "current").pooled is None


def test_noise_trials_that_do_not_differ_give_a_line_without_an_upper_limit(df):
    same = df.assign(forgetting=df["forgetting"].where(df["purpose"] == "main", 3.0))
    band = noise_band(same, "forgetting", "past")
    for facet in (*band.facets, band.pooled):
        assert facet.sigma == facet.half_width == 0 and math.isnan(facet.sigma_upper)
        assert facet.lower == facet.centre == facet.upper
