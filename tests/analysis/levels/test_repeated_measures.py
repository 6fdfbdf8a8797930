"""Repeated-measures correlation against pingouin's, and against Pearson's for one task."""

import math

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from sapo_analysis.analysis import prompts_table
from sapo_analysis.analysis.levels.repeated_measures import repeated_measures_correlation
from sapo_analysis.errors import InputError


def table_of(sizes, seed=0, common=0.6):
    rng = np.random.default_rng(seed)
    parts = []
    for i, n in enumerate(sizes):
        x = rng.normal(rng.normal(0, 5), rng.uniform(0.5, 2), n)
        y = rng.normal(0, 20) + (common + rng.normal(0, 0.3)) * x + rng.standard_normal(n)
        prompts = [f"p{j:02d}" for j in range(n)]
        names = {"current_task": f"task-{i}", "prompt_id": prompts}
        parts.append(pd.DataFrame({**names, "x": x, "y": y}))
    return pd.concat(parts, ignore_index=True)


def numbers(estimate):
    return estimate.value, estimate.lower, estimate.upper, estimate.p


def of_pingouin(table, x="x", y="y"):
    """r, its interval and p; pingouin rounds its interval and has 1.95996 for 1.96."""
    found = pingouin.rm_corr(table, x, y, "current_task").iloc[0]
    n = int(found["dof"]) + 2
    wide = pingouin.compute_esci(found["r"], n, eftype="pearson", decimals=15)
    z = math.atanh(found["r"])
    bounds = [z + (math.atanh(b) - z) * 1.96 / stats.norm.ppf(0.975) for b in wide]
    assert found.filter(like="CI95").iloc[0] == pytest.approx(wide, abs=0.006)
    return found["r"], *map(math.tanh, bounds), found.filter(regex="^p.?val$").iloc[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("sizes", "common"),
    [((12, 12, 12), 0.6), ((4, 9, 30, 5), 0.1), ((24,) * 6, -0.5), ((7, 8, 9), 0.0)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_r_interval_and_p_are_pingouins(sizes, common, seed):
    table = table_of(sizes, seed, common)
    found = repeated_measures_correlation(table, "x", "y")
    assert numbers(found) == pytest.approx(of_pingouin(table), abs=1e-9, rel=1e-9)
    assert (found.level, found.scope) == ("within_task", "these_tasks")
    assert (found.statistic, found.task, found.unit) == (
        "repeated_measures",
        None,
        "correlation (-1 to 1)",
    )
    assert (found.n_tasks, found.n_prompts, found.n_seeds) == (len(sizes), min(sizes), 1)
    assert "repeated-measures correlation, reported as such" in found.method
    assert "assumes one slope in all tasks" in found.method


@pytest.mark.filterwarnings("ignore")
def test_of_a_run_it_is_of_seed_averaged_points(df):
    points = prompts_table(df, "forgetting", "past")
    found = repeated_measures_correlation(df, role="past")
    expected = of_pingouin(points, "pre_update_loss", "forgetting")
    assert numbers(found) == pytest.approx(expected, abs=1e-9, rel=1e-9)
    assert (found.role, found.n_seeds, found.n_tasks) == ("past", 2, 5)


def test_of_one_task_it_is_pearsons():
    table = table_of([11])
    r = stats.pearsonr(table["x"], table["y"])
    half = 1.96 / math.sqrt(8)
    bounds = (math.tanh(math.atanh(r.statistic) + sign * half) for sign in (-1, 1))
    found = repeated_measures_correlation(table, "x", "y")
    assert numbers(found) == pytest.approx((r.statistic, *bounds, r.pvalue))


def test_a_hand_worked_value():
    # Off their means x is -1, 0, 0, 1 in both tasks, y the same in one and its opposite, doubled,
    # in the other: r = (2 - 4) / √(4 · 10), and F(1, 5) = r² 5 / (1 - r²) = 5/9.
    step, far = np.array([-1.0, 0, 0, 1]), [0.0] * 4 + [50.0] * 4
    table = pd.DataFrame(
        {
            "current_task": ["a"] * 4 + ["b"] * 4,
            "x": np.concatenate([step, step]) + far,
            "y": np.concatenate([step, -2 * step]) + far,
        }
    )
    found = repeated_measures_correlation(table, "x", "y")
    assert found.value == pytest.approx(-2 / math.sqrt(40))
    assert found.p == pytest.approx(stats.f.sf(5 / 9, 1, 5))


def test_perfect_points_have_bounds_and_no_infinite_test():
    table = table_of([5, 6]).assign(y=lambda t: -3 * t["x"])
    found = repeated_measures_correlation(table, "x", "y")
    assert found.value == pytest.approx(-1)
    assert -1 <= found.lower < found.value < found.upper < -0.999
    assert 0 < found.p < 1e-12
    many = table_of([99] * 9).assign(y=lambda t: t["x"])
    assert 0 < repeated_measures_correlation(many, "x", "y").p < 1e-300


def test_unusable_tasks_and_prompts_are_left_out_and_named():
    table = table_of([8, 3, 8, 8])
    table.loc[table["current_task"] == "task-2", "y"] = 1.0
    table.loc[table.index[-1], "x"] = np.nan
    found = repeated_measures_correlation(table, "x", "y")
    kept = table[table["current_task"].isin(["task-0", "task-3"])].dropna()
    again = repeated_measures_correlation(kept, "x", "y")
    assert numbers(found) == numbers(again)
    assert (found.n_tasks, found.n_prompts) == (2, 7)
    assert "task-1: 3 prompts, at least 4 are needed" in found.method
    assert "task-2: y is the same for every prompt" in found.method
    assert found.method.endswith("Prompts left out for lack of a value: 1 of task-3")


def test_nothing_usable_gives_nan():
    table = table_of([6, 6])
    for few in (table.iloc[:1], table.iloc[:0], table.assign(x=2.0), table.assign(y=np.nan)):
        found = repeated_measures_correlation(few, "x", "y")
        assert np.isnan(numbers(found)).all()
        assert found.to_dict()["value"] is None and found.n_tasks == 0


def test_bad_input_is_refused(df):
    table = table_of([6, 6])
    with pytest.raises(InputError, match="Unknown column 'z'"):
        repeated_measures_correlation(table, "z", "y")
    with pytest.raises(InputError, match="several roles"):
        repeated_measures_correlation(df)
    with pytest.raises(InputError, match="infinite value"):
        repeated_measures_correlation(table.assign(x=np.inf), "x", "y")
    with pytest.raises(InputError, match="Two rows"):
        repeated_measures_correlation(pd.concat([table, table]), "x", "y")
