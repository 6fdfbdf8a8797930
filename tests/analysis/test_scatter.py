"""Slope bands against statsmodels; clip limits and marks on hand-made points."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from sapo_analysis.analysis.scatter import centred, clip_limits, extremes, needs_log, slope_band


@pytest.fixture
def points():
    rng = np.random.default_rng(4)
    x = rng.normal(size=30)
    task = np.repeat(["a", "b", "c"], 10)
    y = 2 * x + np.repeat([0.0, 9.0, -5.0], 10) + rng.normal(size=30)
    ids = [f"p-{i}" for i in range(30)]
    return pd.DataFrame({"current_task": task, "prompt_id": ids, "pre_update_loss": x, "y": y})


def test_the_pooled_band_is_that_of_statsmodels(points):
    band = slope_band(points, "pre_update_loss", "y")
    fit = sm.OLS(points["y"], sm.add_constant(points["pre_update_loss"])).fit()
    frame = fit.get_prediction(sm.add_constant(np.array(band.x))).summary_frame(alpha=0.05)
    np.testing.assert_allclose(band.y, frame["mean"])
    np.testing.assert_allclose(band.lower, frame["mean_ci_lower"])
    np.testing.assert_allclose(band.upper, frame["mean_ci_upper"])


def test_the_within_task_slope_is_that_of_a_model_with_task_intercepts(points):
    moved = centred(points, ["pre_update_loss", "y"], "current_task")
    band = slope_band(moved, "pre_update_loss", "y", groups=3)
    design = pd.get_dummies(points["current_task"], dtype=float)
    fit = sm.OLS(points["y"], design.assign(x=points["pre_update_loss"])).fit()
    low, high = fit.conf_int().loc["x"]
    assert band.slope == pytest.approx(fit.params["x"])
    assert band.upper[-1] / band.x[-1] == pytest.approx(high)
    assert band.lower[-1] / band.x[-1] == pytest.approx(low)


def test_no_band_without_spread_or_freedom(points):
    assert slope_band(points.assign(pre_update_loss=1.0), "pre_update_loss", "y") is None
    assert slope_band(points.head(2), "pre_update_loss", "y") is None


def test_a_far_point_is_outside_but_never_a_whole_task():
    values = pd.Series([*np.linspace(-1, 1, 99), 50.0])
    low, high = clip_limits(values)
    assert -3 < low < -1
    assert 1 < high < 3
    # A third of the points spread ten times wider: they stay in the picture.
    wide = pd.Series([*np.linspace(-1, 1, 60), *np.linspace(-10, 10, 30)])
    assert wide.between(*clip_limits(wide)).mean() >= 0.95


def test_logarithms_are_for_long_tails_of_positive_values():
    assert needs_log(pd.Series([1.0, 1.1, 1.2, 9.0]))
    assert not needs_log(pd.Series([1.0, 1.1, 1.2, 2.0]))
    assert not needs_log(pd.Series([-1.0, 1.1, 1.2, 9.0]))


def test_extremes_are_of_the_first_task(points):
    first = points[points["current_task"] == "a"].set_index("prompt_id")["pre_update_loss"]
    assert extremes(points) == [("a", first.idxmin()), ("a", first.idxmax())]
