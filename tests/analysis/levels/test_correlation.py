import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from sapo_analysis.analysis import (
    impacts,
    pooled_correlation,
    prompts_table,
    task_correlations,
    within_task_correlation,
)
from sapo_analysis.analysis.levels.correlation import ALL_STATISTICS, ranks
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run

RS = [0.1, 0.5, 0.7, -0.2, 0.4]


def estimate(table, **options):
    return within_task_correlation(table, "x", "y", **{"n_permutations": 99, **options})


def test_new_tasks_is_the_t_interval_over_fisher_z(table_of):
    found = estimate(table_of(RS))
    lower, upper = DescrStatsW(np.arctanh(RS)).tconfint_mean(0.05)
    assert found.value == pytest.approx(math.tanh(np.mean(np.arctanh(RS))))
    assert (found.lower, found.upper) == pytest.approx((math.tanh(lower), math.tanh(upper)))
    assert (found.n_tasks, found.n_prompts, found.n_seeds) == (5, 12, 1)
    assert (found.level, found.scope, found.confidence) == ("within_task", "new_tasks", 0.95)


def test_these_tasks_uses_the_errors_over_prompts(table_of):
    table = pd.concat([table_of([0.3], n=7), table_of([0.6], n=28).replace("task-00", "task-01")])
    found = estimate(table, scope="these_tasks")
    z, half = np.mean(np.arctanh([0.3, 0.6])), 1.96 * math.sqrt(1 / 4 + 1 / 25) / 2
    assert (found.lower, found.upper) == pytest.approx((math.tanh(z - half), math.tanh(z + half)))
    assert found.n_prompts == 7


def test_spearman_with_ties_is_scipys_and_its_error_is_wider():
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 6, (2, 15)).astype(float)
    table = pd.DataFrame({"current_task": "a", "x": x, "y": y})
    found = estimate(table, statistic="spearman", scope="these_tasks")
    rho = stats.spearmanr(x, y).statistic
    assert found.value == pytest.approx(rho)
    assert found.upper == pytest.approx(math.tanh(math.atanh(rho) + 1.96 * 1.03 / math.sqrt(12)))


def tied(n=15, seed=4):
    x, y = np.random.default_rng(seed).integers(0, 6, (2, n)).astype(float)
    return pd.DataFrame({"current_task": "a", "x": x, "y": x + 2 * y})


def test_kendall_with_ties_is_scipys_with_the_error_of_fieller_hartley_and_pearson():
    table = tied()
    tau = stats.kendalltau(table["x"], table["y"]).statistic
    half = 1.96 * math.sqrt(0.437 / 11)
    bounds = math.tanh(math.atanh(tau) - half), math.tanh(math.atanh(tau) + half)
    found = estimate(table, statistic="kendall", scope="these_tasks")
    (own,) = task_correlations(table, "x", "y", statistic="kendall", n_permutations=99)
    whole = pooled_correlation(table, "x", "y", statistic="kendall", n_permutations=99)
    for e in (found, own, whole):
        assert (e.value, e.lower, e.upper) == pytest.approx((tau, *bounds))
        assert e.statistic == "kendall" and "kendall tau-b" in e.method
        assert e.p == found.p < 1


def test_kendall_over_tasks_is_the_mean_of_fisher_z(table_of):
    table = table_of(RS)
    taus = [
        stats.kendalltau(part["x"], part["y"]).statistic
        for _, part in table.groupby("current_task")
    ]
    lower, upper = DescrStatsW(np.arctanh(taus)).tconfint_mean(0.05)
    found = estimate(table, statistic="kendall")
    assert found.value == pytest.approx(math.tanh(np.mean(np.arctanh(taus))))
    assert (found.lower, found.upper) == pytest.approx((math.tanh(lower), math.tanh(upper)))
    pooled = pooled_correlation(table, "x", "y", statistic="kendall", n_permutations=0)
    assert pooled.value == pytest.approx(stats.kendalltau(table["x"], table["y"]).statistic)


def test_kendall_needs_five_prompts_and_holds_a_perfect_order(table_of):
    found = estimate(table_of([0.5], n=4), statistic="kendall")
    assert math.isnan(found.value)
    assert "task-00: 4 prompts, at least 5 are needed" in found.method
    few = pooled_correlation(table_of([0.5], n=4), "x", "y", statistic="kendall")
    assert math.isnan(few.value) and math.isnan(few.p)
    perfect = estimate(table_of([1.0], n=5), statistic="kendall", scope="these_tasks")
    assert perfect.value == pytest.approx(1 - 2 / 20)
    assert perfect.lower == pytest.approx(math.tanh(math.atanh(0.9) - 1.96 * math.sqrt(0.437)))


def test_a_perfect_rank_order_keeps_the_mean_finite(table_of):
    table = table_of([1.0, 0.0], n=5)
    found = estimate(table, statistic="spearman")
    assert math.isfinite(found.lower)
    assert estimate(table_of([1.0])).value == pytest.approx(1.0)


def test_each_task_stands_beside_with_its_fisher_interval(df):
    found = task_correlations(df, y="forgetting", role="past", n_permutations=99)
    points = prompts_table(df, "forgetting", "past")
    assert [e.task for e in found] == [f"current-{i}" for i in range(5)]
    for e in found:
        part = points[points["current_task"] == e.task]
        r = stats.pearsonr(part["pre_update_loss"], part["forgetting"])
        interval = r.confidence_interval(0.95)
        assert e.value == pytest.approx(r.statistic)
        assert (e.lower, e.upper) == pytest.approx(tuple(interval), abs=1e-4)
        assert (e.level, e.role, e.n_tasks, e.n_prompts, e.n_seeds) == ("task", "past", 1, 12, 2)


def test_pooled_is_the_correlation_over_all_points(df):
    found = pooled_correlation(df, y="forgetting", role="past", n_permutations=99)
    points = prompts_table(df, "forgetting", "past")
    r = stats.pearsonr(points["pre_update_loss"], points["forgetting"]).statistic
    assert found.value == pytest.approx(r)
    assert (found.level, found.n_tasks) == ("pooled", 5)


def test_pooling_can_turn_the_sign_within_tasks_around(table_of):
    table = table_of([-0.8, -0.8])
    shift = (table["current_task"] == "task-01") * 10.0
    table["x"], table["y"] = table["x"] + shift, table["y"] + shift
    assert estimate(table).value == pytest.approx(-0.8)
    assert pooled_correlation(table, "x", "y", n_permutations=0).value > 0.9


def test_p_agrees_with_every_permutation_of_a_small_task(table_of):
    table = table_of([0.8], n=6, seed=3)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    null = [np.corrcoef(x, np.array(order))[0, 1] for order in itertools.permutations(y)]
    true = np.mean(np.abs(null) >= 0.8 - 1e-9)
    found = estimate(table, n_permutations=9999)
    assert found.p == pytest.approx(true, abs=4 * math.sqrt(true * (1 - true) / 9999))


def test_p_of_kendall_agrees_with_every_permutation():
    table = tied(7, seed=6)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    signs = np.sign(x[:, None] - x)
    orders = np.array(list(itertools.permutations(y)))
    null = (np.sign(orders[:, :, None] - orders[:, None]) * signs).sum(axis=(1, 2))
    true = np.mean(np.abs(null) >= abs((np.sign(y[:, None] - y) * signs).sum()))
    assert 0.02 < true < 0.98
    found = estimate(table, statistic="kendall", n_permutations=9999)
    assert found.p == pytest.approx(true, abs=4 * math.sqrt(true * (1 - true) / 9999))


def test_p_of_pooled_kendall_shuffles_within_tasks(table_of):
    between = table_of([0.0, 0.0])
    far = (between["current_task"] == "task-01") * 100.0
    between["x"], between["y"] = between["x"] + far, between["y"] + far
    found = pooled_correlation(between, "x", "y", statistic="kendall", n_permutations=199)
    assert found.value > 0.4
    assert found.p > 0.1


def test_p_shuffles_within_tasks_and_has_a_smallest_value(table_of):
    strong = estimate(table_of([0.95] * 4), n_permutations=199)
    assert strong.p == 1 / 200
    between = table_of([0.0, 0.0])
    far = (between["current_task"] == "task-01") * 100.0
    between["x"], between["y"] = between["x"] + far, between["y"] + far
    pooled = pooled_correlation(between, "x", "y", n_permutations=199)
    assert pooled.value > 0.99
    assert pooled.p > 0.1


def test_no_p_without_shuffles_and_the_seed_decides(table_of):
    table = table_of([0.3, 0.2])
    assert math.isnan(estimate(table, n_permutations=0).p)
    assert estimate(table, seed=1) == estimate(table, seed=1)
    assert estimate(table, seed=1).p != estimate(table, seed=2).p


def test_one_task_has_no_interval_for_new_tasks(table_of):
    found = estimate(table_of([0.5]))
    assert found.value == pytest.approx(0.5)
    assert math.isnan(found.lower) and math.isnan(found.upper)
    assert found.to_dict()["lower"] is None
    assert math.isfinite(estimate(table_of([0.5]), scope="these_tasks").lower)


def test_unusable_tasks_are_left_out_and_named(table_of):
    table = table_of([0.5, 0.4, 0.3, 0.2])
    few = table[(table["current_task"] != "task-01") | (table["prompt_id"] < "p03")].copy()
    few.loc[few["current_task"] == "task-02", "y"] = 7.5
    found = estimate(few)
    assert found.n_tasks == 2
    assert found.value == pytest.approx(math.tanh(np.mean(np.arctanh([0.5, 0.2]))))
    assert "task-01: 3 prompts, at least 4 are needed" in found.method
    assert "task-02: y is the same for every prompt" in found.method


def test_prompts_without_the_indicator_are_left_out_and_named(table_of):
    table = table_of([0.5, 0.2], n=9)
    some = table["prompt_id"].isin(["p00", "p04"]) & (table["current_task"] == "task-01")
    table.loc[some, "x"] = float("nan")
    found = within_task_correlation(table, x="x", y="y", n_permutations=0)
    assert found.method.endswith("Prompts left out for lack of a value: 2 of task-01")
    assert (found.n_tasks, found.n_prompts) == (2, 7)
    bare = table.drop(columns="prompt_id")
    assert within_task_correlation(bare, x="x", y="y", n_permutations=0) == found


def test_nothing_usable_gives_nan_not_zero(table_of):
    found = estimate(table_of([0.5], n=3))
    assert found.n_tasks == 0
    assert math.isnan(found.value) and math.isnan(found.p)
    assert found.to_dict()["value"] is None
    assert math.isnan(pooled_correlation(table_of([0.5], n=3), "x", "y").value)


def test_columns_beyond_task_x_and_y_may_be_absent(table_of):
    table = table_of([0.5, 0.1])
    bare = table[["current_task", "x", "y"]]
    assert estimate(bare).value == pytest.approx(estimate(table).value)
    assert estimate(bare).role is None
    renamed = table.rename(columns={"current_task": "dataset"})
    assert estimate(renamed, task="dataset").value == pytest.approx(estimate(table).value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "all"}, "Unknown scope 'all'"),
        ({"statistic": "kendal"}, "Unknown statistic 'kendal'. Did you mean 'kendall'"),
        ({"role": "past"}, "no column 'role'"),
        ({"n_permutations": -1}, "n_permutations is -1"),
        ({"task": "dataset"}, "Unknown column 'dataset'"),
    ],
)
def test_bad_arguments_are_refused(table_of, options, message):
    with pytest.raises(InputError, match=message):
        estimate(table_of([0.5]), **options)


@pytest.mark.parametrize("make", [task_correlations, pooled_correlation])
def test_every_level_refuses_an_unknown_statistic(table_of, make):
    with pytest.raises(InputError, match="Known: kendall, pearson, spearman"):
        make(table_of([0.5]), "x", "y", statistic="tau")


def test_two_roles_need_a_choice_and_an_unknown_role_is_named(df):
    with pytest.raises(InputError, match="several roles"):
        within_task_correlation(df, y="forgetting")
    with pytest.raises(InputError, match="Unknown role 'future'"):
        within_task_correlation(df, y="forgetting", role="future")


tables = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(-50, 50), st.integers(-50, 50)),
    min_size=8,
    max_size=40,
).map(lambda rows: pd.DataFrame(rows, columns=["current_task", "x", "y"], dtype=object))


@settings(max_examples=25, deadline=None)
@given(tables, st.sampled_from(ALL_STATISTICS), st.randoms(use_true_random=False))
def test_signs_scales_and_row_order(table, statistic, random):
    table = table.astype({"x": float, "y": float})
    base = estimate(table, statistic=statistic)
    flipped = estimate(table.assign(y=-table["y"]), statistic=statistic)
    scaled = estimate(table.assign(x=3 * table["x"] + 20, y=table["y"] / 4), statistic=statistic)
    order = list(range(len(table)))
    random.shuffle(order)
    moved = estimate(table.iloc[order], statistic=statistic)

    def numbers(e):
        return [e.value, e.lower, e.upper]

    assert numbers(flipped) == pytest.approx(
        [-base.value, -base.upper, -base.lower], nan_ok=True, abs=1e-9
    )
    assert numbers(scaled) == pytest.approx(numbers(base), nan_ok=True, abs=1e-9)
    assert numbers(moved) == pytest.approx(numbers(base), nan_ok=True, abs=1e-9)
    assert moved.p == pytest.approx(base.p, nan_ok=True)


def test_the_true_correlation_comes_back(tmp_path):
    truth = Truth(r=0.7, own=0.0, noise=0.0)
    run = open_run(write_run(tmp_path, n_tasks=4, n_prompts=40, truth=truth))
    found = impacts(run)
    for y, role, true in (
        ("forgetting", "past", 0.7),
        ("forgetting_loss", "retained", 0.7),
        ("generalization", "unseen", -0.7),
    ):
        e = within_task_correlation(found, y=y, role=role, scope="these_tasks", n_permutations=0)
        assert e.lower < true < e.upper
        assert e.value == pytest.approx(true, abs=0.12)


def test_pooled_says_why_it_has_no_value(table_of):
    table = table_of([0.5, 0.5], n=6)
    cases = {
        "x is the same for every point": table.assign(x=2.0),
        "y is the same for every point": table.assign(y=0.1),
        "3 points, at least 4 are needed": table.iloc[[0, 6, 7]],
    }
    for why, few in cases.items():
        found = pooled_correlation(few, "x", "y", n_permutations=9)
        assert np.isnan([found.value, found.lower, found.upper, found.p]).all()
        assert f"; no value: {why}" in found.method
    assert "no value" not in pooled_correlation(table, "x", "y", n_permutations=9).method


def test_means_that_differ_by_rounding_alone_share_a_rank():
    one, other = (0.1 + 0.2 + 0.3) / 3, (0.3 + 0.2 + 0.1) / 3
    assert one != other
    np.testing.assert_array_equal(ranks(np.array([one, 5.0, other, -1.0])), [2.5, 4.0, 2.5, 1.0])


@given(st.lists(st.integers(-40, 40), max_size=30))
def test_ranks_are_those_of_scipy_where_nothing_is_rounded(values):
    array = np.array(values, dtype=float)
    np.testing.assert_array_equal(ranks(array), stats.rankdata(array))
