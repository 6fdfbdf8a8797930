"""Theil-Sen slopes against scipy's, and their mean over tasks."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from sapo_analysis.analysis import impacts, prompts_table
from sapo_analysis.analysis.levels.slopes import slope, task_slopes, theil_sen
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import write_run

SIZES = {"a": 12, "b": 24, "c": 5}


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    parts = []
    for i, (task, n) in enumerate(SIZES.items()):
        x = rng.normal(2, 0.3, n)
        y = 4 * i + (i + 1) * x + rng.standard_t(3, n)
        prompts = [f"p{j:02d}" for j in range(n)]
        parts.append(pd.DataFrame({"current_task": task, "prompt_id": prompts, "x": x, "y": y}))
    return pd.concat(parts, ignore_index=True)


def of_scipy(part):
    found = stats.theilslopes(part["y"], part["x"], 0.95)
    return found.slope, found.low_slope, found.high_slope


def numbers(estimate):
    return estimate.value, estimate.lower, estimate.upper


@pytest.mark.parametrize("n", [4, 5, 8, 12, 24, 200])
@pytest.mark.parametrize("levels", [3, 6, None])
def test_a_slope_and_sens_interval_are_scipys_ties_included(n, levels):
    rng = np.random.default_rng(n)
    x, noise = rng.standard_normal((2, n))
    y = x + noise
    if levels:
        x, y = (np.round(v / np.ptp(v) * levels) for v in (x, y))
    expected = of_scipy({"x": x, "y": y})
    found = slope(x, y)
    if expected[1] == expected[2]:
        assert found[0] == expected[0] and np.isnan(found[1:]).all()
    else:
        assert found == pytest.approx(expected, abs=1e-12)


def test_a_hand_worked_slope():
    # Slopes of pairs: 1, 1, 2, 1, 5/2, 4; of four points the interval is all of them.
    assert slope(np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 2, 6])) == (1.5, 1.0, 4.0)


def test_equal_values_that_rounding_tells_apart_are_one_value():
    x = np.array([0.3, 0.1 + 0.2, 0.5, 0.9, 1.3])
    y = np.array([7.0, 1, 3, 4, 6])
    assert slope(x, y) == pytest.approx(slope(np.round(x, 6), y))


def test_each_task_has_its_slope(table):
    found = task_slopes(table, "x", "y")
    assert [e.task for e in found] == list(SIZES)
    for e in found:
        part = table[table["current_task"] == e.task]
        assert numbers(e) == pytest.approx(of_scipy(part))
        assert (e.level, e.scope, e.statistic) == ("task", "these_tasks", "theil_sen")
        assert (e.n_prompts, e.n_tasks, e.n_seeds) == (SIZES[e.task], 1, 1)
        assert math.isnan(e.p)
        assert e.method == "Theil-Sen slope over prompts, Sen's interval"


def test_new_tasks_are_spoken_of_by_the_spread_of_slopes(table):
    slopes = [of_scipy(part)[0] for _, part in table.groupby("current_task")]
    found = theil_sen(table, "x", "y")
    bounds = DescrStatsW(slopes).tconfint_mean(0.05)
    assert numbers(found) == pytest.approx((np.mean(slopes), *bounds))
    assert (found.level, found.scope, found.task) == ("within_task", "new_tasks", None)
    assert (found.n_tasks, found.n_prompts) == (3, 5)
    assert found.method == "Theil-Sen slope per task, mean over tasks, Student t over 3 tasks"


def test_these_tasks_are_spoken_of_by_sens_intervals(table):
    own = np.array([of_scipy(part) for _, part in table.groupby("current_task")])
    half = np.sqrt(np.sum((own[:, 2] - own[:, 1]) ** 2)) / 2 / 3
    mean = own[:, 0].mean()
    found = theil_sen(table, "x", "y", scope="these_tasks")
    assert numbers(found) == pytest.approx((mean, mean - half, mean + half))
    assert found.scope == "these_tasks"


def test_a_far_prompt_hardly_moves_it(table):
    moved = table.copy()
    moved.loc[0, "y"] += 1e6
    before, after = (task_slopes(t, "x", "y")[0] for t in (table, moved))
    assert before.lower < after.value < before.upper
    part = moved[moved["current_task"] == "a"]
    assert abs(np.polyfit(part["x"], part["y"], 1)[0]) > 1e4


def test_one_evaluated_task_and_another_name_of_the_current_task(df):
    options = {"y": "generalization", "role": "unseen", "eval_task": "unseen-1"}
    points = prompts_table(df, **options)
    named = points.rename(columns={"current_task": "dataset"})
    for found in (
        theil_sen(df, **options),
        theil_sen(named, y="generalization", task="dataset"),
    ):
        slopes = [
            stats.theilslopes(part["generalization"], part["pre_update_loss"]).slope
            for _, part in points.groupby("current_task")
        ]
        assert found.value == pytest.approx(np.mean(slopes))


def test_units_are_those_of_y_by_x(df):
    one, *_ = task_slopes(df, role="past")
    assert one.unit == "points per nat per target token"
    points = prompts_table(df, "forgetting", "past")
    part = points[points["current_task"] == one.task]
    expected = stats.theilslopes(part["forgetting"], part["pre_update_loss"], 0.95)
    assert one.value == pytest.approx(expected.slope)
    assert (one.role, one.n_seeds) == ("past", 2)
    loss = theil_sen(df, "prompt_length", "forgetting_loss", "retained")
    assert loss.unit == "nats per target token per unit of prompt_length"
    own = theil_sen(points.assign(other=points["forgetting"]), y="other")
    assert own.unit == "units of other per nat per target token"


def test_scores_of_several_metrics_are_in_standard_deviations(tmp_path):
    metrics = {"past-1": "exact_match"}
    run = open_run(write_run(tmp_path, n_past=2, metrics=metrics))
    found = theil_sen(impacts(run), role="past")
    assert found.unit == "standard deviations over prompts per nat per target token"


def test_one_task_gives_no_interval_for_new_tasks(table):
    only = table[table["current_task"] == "a"]
    found = theil_sen(only, "x", "y")
    assert math.isfinite(found.value)
    assert math.isnan(found.lower) and math.isnan(found.upper)
    assert found.to_dict()["lower"] is None
    assert numbers(theil_sen(only, "x", "y", scope="these_tasks"))[0] == found.value


def test_unusable_tasks_and_prompts_are_left_out_and_named(table):
    table.loc[table["current_task"] == "a", "x"] = 2.5
    table.loc[table.index[-2:], "x"] = np.nan
    found = theil_sen(table, "x", "y")
    assert found.n_tasks == 1
    assert found.value == pytest.approx(of_scipy(table[table["current_task"] == "b"])[0])
    assert "a: x is the same for every prompt" in found.method
    assert "c: 3 prompts, at least 4 are needed" in found.method
    assert found.method.endswith("Prompts left out for lack of a value: 2 of c")
    assert [e.task for e in task_slopes(table, "x", "y")] == ["b"]


def test_an_interval_without_width_is_none(table):
    table.loc[(table["current_task"] == "a") & (table["prompt_id"] > "p01"), "y"] = 0.0
    tied, *_ = task_slopes(table, "x", "y")
    assert tied.value == 0
    assert math.isnan(tied.lower) and math.isnan(tied.upper)
    assert tied.method.endswith("Sen's interval left out as it has no width")
    found = theil_sen(table, "x", "y", scope="these_tasks")
    assert math.isnan(found.lower) and "; that of a has no width" in found.method
    assert math.isfinite(theil_sen(table, "x", "y").lower)
    line = table.assign(y=0.1 * table["x"])
    assert all(math.isnan(e.upper) for e in task_slopes(line, "x", "y"))


def test_nothing_usable_gives_nan(table):
    for few in (table.iloc[:1], table.iloc[:0], table.assign(y=1.0), table.assign(y=np.nan)):
        for scope in ("new_tasks", "these_tasks"):
            found = theil_sen(few, "x", "y", scope=scope)
            assert found.n_tasks == found.n_prompts == 0
            assert np.isnan(numbers(found)).all()
        assert task_slopes(few, "x", "y") == []


@pytest.mark.parametrize("make", [theil_sen, task_slopes])
def test_bad_input_is_refused(table, df, make):
    with pytest.raises(InputError, match="Unknown column 'z'"):
        make(table, "z", "y")
    with pytest.raises(InputError, match="several roles"):
        make(df)
    with pytest.raises(InputError, match="infinite value"):
        make(table.assign(y=np.inf), "x", "y")
    with pytest.raises(InputError, match="Two rows"):
        make(pd.concat([table, table]), "x", "y")
    with pytest.raises(InputError, match="Unknown scope 'all'"):
        theil_sen(table, "x", "y", scope="all")
