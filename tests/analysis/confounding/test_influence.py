"""Leaving out in closed form, against the table without the point."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sapo_analysis.analysis import prompts_table, within_task_correlation
from sapo_analysis.analysis.confounding.influence import influence, leave_one_out
from sapo_analysis.analysis.confounding.without_each import (
    constant_without_each,
    correlations_without_each,
    products_without_each,
    rank_correlations_without_each,
)
from sapo_analysis.errors import InputError

SCOPES = ("new_tasks", "these_tasks")


def r_of(df, **settings):
    return within_task_correlation(df, "x", "y", n_permutations=0, **settings)


def without(df, task, prompt=None):
    out = df["current_task"] == task
    return df[~(out if prompt is None else out & (df["prompt_id"] == prompt))]


def with_outlier(df, x=40.0, y=-60.0):
    """One far point: `p05` of `task-01`."""
    far = (df["current_task"] == "task-01") & (df["prompt_id"] == "p05")
    return df.assign(x=df["x"].mask(far, x), y=df["y"].mask(far, y))


def rounded(df):
    """With ties."""
    return df.round({"x": 0, "y": 0})


@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
@pytest.mark.parametrize("change", [lambda df: df, with_outlier, rounded])
def test_each_point_is_left_out_as_from_the_table(table_of, statistic, change):
    df = change(
        pd.concat([table_of([0.5, -0.2, 0.8]), table_of([0.4], n=5).assign(current_task="few")])
    )
    found = influence(df, "x", "y", statistic=statistic)
    assert len(found) == len(df)
    whole = r_of(df, statistic=statistic).value
    for row in found.itertuples():
        left = without(df, row.current_task, row.prompt_id)
        assert row.r_without == pytest.approx(r_of(left, statistic=statistic).value, abs=1e-12)
        own = left[left["current_task"] == row.current_task]
        rho = getattr(stats, f"{statistic}r")(own["x"], own["y"]).statistic
        assert row.task_r_without == pytest.approx(rho, abs=1e-12)
        assert row.shift == pytest.approx(row.r_without - whole, abs=1e-12)
    assert (found["shift"].abs().diff().dropna() <= 1e-15).all()


def test_a_planted_outlier_is_named_first_and_decides_the_sign(table_of):
    df = with_outlier(table_of([0.35] * 6), x=40.0, y=-200.0)
    first = influence(df, "x", "y").iloc[0]
    assert (first["current_task"], first["prompt_id"]) == ("task-01", "p05")
    assert (first["x"], first["y"]) == (40.0, -200.0)
    found = leave_one_out(df, "x", "y")
    assert found.value < 0 < found.one_prompt.highest.value
    for left in (found.turned_by, found.one_prompt.highest, found.one_prompt.turns_sign):
        assert left.name == "p05 of task-01"
    assert found.one_task.turns_sign.name == "task-01"
    calm = leave_one_out(table_of([0.35] * 6), "x", "y")
    assert calm.turned_by is None and calm.one_prompt.brings_zero["these_tasks"] is None


@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
def test_ranges_and_their_intervals_are_those_of_tables_without(table_of, statistic):
    df = with_outlier(table_of([0.5, 0.1, 0.8, 0.4, -0.2]), 3.0, -2.0)
    found = leave_one_out(df, "x", "y", statistic=statistic)
    of_prompts = [
        (without(df, task, prompt), task, prompt)
        for task, prompt in df[["current_task", "prompt_id"]].itertuples(index=False)
    ]
    of_tasks = [(without(df, task), task, None) for task in df["current_task"].unique()]
    whole = r_of(df, statistic=statistic)
    assert (found.value, *found.new_tasks) == pytest.approx(
        (whole.value, whole.lower, whole.upper), abs=1e-12
    )
    for range_, tables in ((found.one_prompt, of_prompts), (found.one_task, of_tasks)):
        values = [r_of(table, statistic=statistic).value for table, _, _ in tables]
        for left, i in ((range_.lowest, np.argmin(values)), (range_.highest, np.argmax(values))):
            table, task, prompt = tables[i]
            assert (left.current_task, left.prompt_id) == (task, prompt)
            for scope in SCOPES:
                again = r_of(table, statistic=statistic, scope=scope)
                assert (left.value, *getattr(left, scope)) == pytest.approx(
                    (again.value, again.lower, again.upper), abs=1e-12
                )


def test_what_carries_an_interval_is_what_brings_zero_into_it(table_of):
    # One task far above the others holds the mean up; without it the interval of these contains 0.
    df = table_of([0.05, 0.02, -0.04, 0.1, 0.97])
    found = leave_one_out(df, "x", "y")
    assert found.these_tasks[0] > 0 > found.new_tasks[0]
    left = found.one_task.brings_zero["these_tasks"]
    assert left.name == "task-04" and left.these_tasks[0] < 0 < left.these_tasks[1]
    assert r_of(without(df, "task-04"), scope="these_tasks").lower < 0
    assert found.one_task.brings_zero["new_tasks"] is None  # it held 0 anyway
    assert found.carried_by("these_tasks") == left
    # On the other side of 0 likewise.
    other = leave_one_out(df.assign(y=-df["y"]), "x", "y")
    assert other.carried_by("these_tasks").name == "task-04"
    assert other.carried_by("these_tasks").value == pytest.approx(-left.value)
    # Where every task says the same no single one is needed.
    alike = leave_one_out(table_of([0.5, 0.55, 0.6, 0.5, 0.45]), "x", "y")
    assert alike.carried_by("new_tasks") is None and alike.carried_by("these_tasks") is None


def test_one_prompt_can_carry_the_interval_without_deciding_the_sign(table_of):
    df = with_outlier(table_of([0.02, 0.05, 0.1, 0.0]), x=9.0, y=90.0)
    found = leave_one_out(df, "x", "y")
    assert found.these_tasks[0] > 0 and found.turned_by is None
    assert found.one_prompt.brings_zero["these_tasks"].name == "p05 of task-01"
    assert r_of(without(df, "task-01", "p05"), scope="these_tasks").lower < 0


def test_the_prompt_that_decides_the_sign_by_hand():
    x = [0.0, 1.0, 2.0, 3.0, 10.0]
    y = [3.0, 2.0, 1.0, 0.0, 9.0]
    table = pd.DataFrame({"current_task": "a", "x": x, "y": y})
    found = leave_one_out(table, "x", "y")
    assert found.one_prompt.lowest.value == pytest.approx(-1)
    assert found.one_prompt.turns_sign.name == found.one_prompt.lowest.name
    others = [np.corrcoef(np.delete(x, i), np.delete(y, i))[0, 1] for i in range(4)]
    assert found.one_prompt.highest.value == pytest.approx(max(others))
    assert found.one_task.lowest is None and found.n_tasks == 1


def test_a_prompt_that_alone_differs_leaves_nothing():
    df = pd.DataFrame({"current_task": "t", "prompt_id": list("abcdef")})
    df = df.assign(x=[1.0, 1, 1, 1, 1, 2], y=[1.0, 2, 1, 2, 1, 5])
    found = leave_one_out(df, "x", "y")
    assert found.turned_by.name == "f of t" and math.isnan(found.turned_by.value)
    first = influence(df, "x", "y").iloc[0]
    assert first["prompt_id"] == "f" and math.isnan(first["r_without"])
    assert found.one_task.lowest is None and found.one_task.turns_sign is None
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["new_tasks"] == [None, None]


def test_a_task_of_four_prompts_is_out_with_any_of_them(table_of):
    df = pd.concat([table_of([0.4, 0.6]), table_of([-0.5], n=4).assign(current_task="four")])
    found = influence(df, "x", "y")
    own = found[found["current_task"] == "four"]
    rest = r_of(without(df, "four")).value
    assert own["r_without"].to_numpy() == pytest.approx([rest] * 4)
    assert own["task_r_without"].isna().all()
    alone = leave_one_out(table_of([0.5], n=4), "x", "y")
    assert alone.value == pytest.approx(0.5) and alone.one_prompt.lowest is None
    assert alone.turned_by is None


def test_an_impacts_table_gives_points_as_everywhere(df):
    found = influence(df, role="past", eval_task="past-0")
    points = prompts_table(df, "forgetting", "past", eval_task="past-0")
    keys = ["current_task", "prompt_id"]
    again = found.sort_values(keys, ignore_index=True)[list(points.columns[:4])]
    pd.testing.assert_frame_equal(again, points[points.columns[:4]])
    assert list(found.columns) == [
        *("current_task", "prompt_id", "pre_update_loss", "forgetting"),
        *("r_without", "shift", "task_r", "task_r_without"),
    ]
    main = df[df["purpose"] == "main"]
    pd.testing.assert_frame_equal(influence(main, role="past", eval_task="past-0"), found)


def test_tables_without_a_correlation_are_empty_or_nan(table_of):
    flat = table_of([0.5, 0.5]).assign(x=1.0)
    for df in (flat, flat.iloc[:0], table_of([0.3], n=3)):
        assert influence(df, "x", "y").empty
        found = leave_one_out(df, "x", "y")
        assert math.isnan(found.value) and found.one_prompt.lowest is None
        assert found.turned_by is None and found.carried_by("these_tasks") is None
        assert found.to_dict()["value"] is None


@pytest.mark.parametrize("function", [influence, leave_one_out])
def test_bad_tables_are_refused(table_of, df, function):
    table = table_of([0.3, 0.4])
    for bad, settings, message in (
        (table, {"statistic": "kendall"}, "'kendall'"),
        (table.assign(y=np.inf), {}, "infinite value"),
        (pd.concat([table, table]), {}, "Two rows hold 'y'"),
        (table.drop(columns="y"), {}, "Unknown column 'y'"),
    ):
        with pytest.raises(InputError, match=message):
            function(bad, "x", "y", **settings)
    with pytest.raises(InputError, match="several roles"):
        function(df)


def test_products_keep_their_digits_where_one_prompt_has_all_the_spread():
    rng = np.random.default_rng(1)
    values = rng.standard_normal((9, 3)) + 5
    values[3] += (1e7, 0, 1e6)
    found = products_without_each(values)
    r = correlations_without_each(values)
    for i in range(9):
        others = np.delete(values, i, axis=0)
        np.testing.assert_allclose(found[i], 8 * np.cov(others.T, ddof=0), rtol=1e-6)
        again = np.corrcoef(others.T)[np.triu_indices(3, k=1)]
        np.testing.assert_allclose(r[i], again, rtol=1e-6, atol=1e-9)


def test_columns_that_one_prompt_alone_moves_have_no_correlation_without_it():
    x = np.array([5.0, 5.0 + 1e-12, 5.0, 7.0, 5.0])
    y = np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    assert list(constant_without_each(x)) == [False, False, False, True, False]
    r = correlations_without_each(np.column_stack([x, y]))[:, 0]
    rho = rank_correlations_without_each(x.round(6), y)
    for found in (r, rho):
        assert list(np.isnan(found)) == [False, False, False, True, False]
