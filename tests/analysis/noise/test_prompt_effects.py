import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from sapo_analysis.analysis import impacts, prompt_effects
from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run


def long(values, task="t"):
    """A table of one task from prompts x seeds."""
    return pd.DataFrame(
        [
            {"current_task": task, "prompt_id": f"p{i:02d}", "seed": j, "y": y}
            for i, row in enumerate(values)
            for j, y in enumerate(row)
        ]
    )


def draw(rng, prompts, seeds, sigma_prompt, sigma_seed):
    return (
        rng.normal(0, sigma_prompt, (prompts, 1))
        + rng.normal(0, 5, (1, seeds))
        + rng.normal(0, sigma_seed, (prompts, seeds))
    )


def test_components_are_those_of_the_two_way_analysis_of_variance():
    table = long(draw(np.random.default_rng(1), 9, 4, 2.0, 1.0))
    anova = anova_lm(smf.ols("y ~ C(prompt_id) + C(seed)", table).fit())
    ms_p, ms_e = anova["mean_sq"]["C(prompt_id)"], anova["mean_sq"]["Residual"]
    (row,) = prompt_effects(table, "y").to_dict("records")
    assert row["sigma_seed"] == pytest.approx(ms_e**0.5)
    assert row["sigma_prompt"] == pytest.approx(((ms_p - ms_e) / 4) ** 0.5)
    assert row["ratio"] == pytest.approx(row["sigma_prompt"] / row["sigma_seed"])
    assert row["ratio_lower"] < row["ratio"] < row["ratio_upper"]
    assert row["sigma_prompt_lower"] < row["sigma_prompt"] < row["sigma_prompt_upper"]
    assert (row["n_prompts"], row["n_seeds"]) == (9, 4)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    table = pd.concat(
        [long(draw(rng, 13, 3, 1.5, 1.0), f"t{i}") for i in range(400)], ignore_index=True
    )
    found = prompt_effects(table, "y")
    ratio = found.eval("ratio_lower <= 1.5 <= ratio_upper").mean()
    sigma = found.eval("sigma_prompt_lower <= 1.5 <= sigma_prompt_upper").mean()
    # Three standard errors of 400 draws around 95 %; the interval of sigma is conservative.
    assert 0.917 <= ratio <= 0.983
    assert 0.917 <= sigma <= 1.0
    # Conservative, not idle: each end is missed now and then.
    assert (found["sigma_prompt_lower"] > 1.5).any() and (found["sigma_prompt_upper"] < 1.5).any()
    assert (found["sigma_prompt"] ** 2).mean() == pytest.approx(1.5**2, abs=0.18)


def test_without_a_prompt_effect_the_lower_bound_is_zero_almost_always():
    rng = np.random.default_rng(0)
    table = pd.concat(
        [long(draw(rng, 13, 3, 0.0, 1.0), f"t{i}") for i in range(200)], ignore_index=True
    )
    found = prompt_effects(table, "y")
    assert 1 - (found["ratio_lower"] > 0).mean() >= 0.94
    # One in forty differs even less than the seed alone would make it: no ratio fits.
    empty = found["ratio_upper"].isna()
    assert 0 < empty.mean() <= 0.06
    assert found.loc[empty, ["ratio_lower", "sigma_prompt_upper"]].isna().all(axis=None)
    assert (found.loc[empty, ["ratio", "sigma_prompt"]] == 0).all(axis=None)
    assert found.loc[~empty, ["ratio_lower", "ratio_upper"]].notna().all(axis=None)


def test_a_seed_effect_common_to_all_prompts_changes_nothing():
    values = np.random.default_rng(2).normal(size=(6, 3))
    shifted = values + np.array([10.0, -3.0, 0.0])
    one, two = prompt_effects(long(values), "y"), prompt_effects(long(shifted), "y")
    pd.testing.assert_frame_equal(one, two)


def test_no_spread_and_one_seed():
    flat = prompt_effects(long(np.ones((5, 3))), "y").iloc[0]
    alike = prompt_effects(long(np.tile([1.0, 2.0, 4.0], (5, 1))), "y").iloc[0]
    for none in (flat, alike):
        assert none["sigma_prompt"] == none["sigma_seed"] == 0
        assert np.isnan(none[["sigma_prompt_lower", "sigma_prompt_upper"]].astype(float)).all()
        assert np.isnan(none[["ratio", "ratio_lower", "ratio_upper"]].astype(float)).all()
    for step in (1.0, 0.1):  # means of tenths are not exact: what is left of them is no spread
        values = step * np.repeat([[1.0], [2.0], [3.0]], 3, axis=1)
        exact = prompt_effects(long(values), "y").iloc[0]
        assert exact["sigma_prompt"] == pytest.approx(step) and exact["ratio"] == np.inf
    single = prompt_effects(long([[1.0], [2.0]]), "y").iloc[0]
    assert np.isnan(single["sigma_prompt"]) and single["n_seeds"] == 1


def test_on_a_run_it_finds_the_generating_spread(tmp_path):
    truth = Truth(spread=6.0, noise=1.0, own=0.0)
    path = write_run(tmp_path, n_tasks=6, n_prompts=14, seeds=[0, 1, 2], truth=truth)
    found = prompt_effects(impacts(open_run(path)), "forgetting", role="past")
    assert len(found) == 6
    assert found["sigma_prompt"].mean() == pytest.approx(6.0, rel=0.2)
    assert found["sigma_seed"].mean() == pytest.approx(1.0, rel=0.3)


def test_roles_are_not_pooled(df):
    with pytest.raises(InputError, match="never pooled"):
        prompt_effects(df, "forgetting")
    with pytest.raises(InputError, match="Unknown column 'forgeting'"):
        prompt_effects(df, "forgeting")


def test_tasks_of_different_metrics_are_averaged_in_units_of_their_spread(tmp_path):
    kinds = {"past-1": "exact_match"}
    path = write_run(tmp_path, n_past=2, n_prompts=8, seeds=[0, 1], metrics=kinds)
    df = impacts(open_run(path))
    mixed = prompt_effects(df, "forgetting", role="past").set_index("current_task")
    assert set(mixed["unit"]) == {SD_UNIT}
    # By hand: each past task's value over its sd over prompts of the seed mean.
    name = "current-0"
    own = df[(df["current_task"] == name) & (df["role"] == "past") & (df["purpose"] == "main")]
    scaled = []
    for _, part in own.groupby("eval_task"):
        cells = part.pivot(index="prompt_id", columns="seed", values="forgetting")
        scaled.append(cells / cells.mean(axis=1).std(ddof=1))
    values = (scaled[0] + scaled[1]) / 2
    expected = prompt_effects(long(values.to_numpy()), "y").iloc[0]
    assert mixed.loc[name, "sigma_seed"] == pytest.approx(expected["sigma_seed"])
    assert mixed.loc[name, "ratio"] == pytest.approx(expected["ratio"])
    plain = prompt_effects(df, "forgetting_loss", role="past")
    assert set(plain["unit"]) != {SD_UNIT}
