"""Partial correlation against OLS residuals, the recursive formula and full permutation."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from sapo_analysis.analysis import (
    impacts,
    partial_correlation,
    prompts_table,
    report,
    within_task_correlation,
)
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import write_run


def table_of(n=12, tasks=3, seed=0):
    """Two controls that go with x and y, on very unlike scales."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(tasks):
        a, b, e, f = rng.standard_normal((4, n))
        x = a + 0.5 * b + e
        y = 0.8 * a + b + (i - 1) * 0.5 * x + f
        part = {"x": x, "y": y, "a": 30 + 1000 * a, "b": 1e-4 * b}
        names = {"current_task": f"task-{i}", "prompt_id": [f"p{j:02d}" for j in range(n)]}
        parts.append(pd.DataFrame({**names, **part}))
    return pd.concat(parts, ignore_index=True)


def estimate(df, given=("a", "b"), **options):
    return partial_correlation(df, "x", "y", given, **{"n_permutations": 0, **options})


def by_residuals(part, given, column=lambda values: values):
    """What statsmodels leaves of x and y, correlated."""
    controls = sm.add_constant(np.column_stack([column(part[c]) for c in given]))
    rest = [sm.OLS(column(part[name]), controls).fit().resid for name in ("x", "y")]
    return stats.pearsonr(*rest).statistic


def recursive(part, x, y, given):
    """The textbook's formula, one control after the other."""
    if not given:
        return stats.pearsonr(part[x], part[y]).statistic
    *rest, z = given
    xy, xz, yz = (recursive(part, *pair, rest) for pair in ((x, y), (x, z), (y, z)))
    return (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))


@pytest.mark.parametrize("given", [("a",), ("a", "b"), ("b", "a")])
def test_it_is_the_correlation_of_ols_residuals_and_the_recursive_formula(given):
    df = table_of()
    rs = [by_residuals(part, given) for _, part in df.groupby("current_task")]
    again = [recursive(part, "x", "y", list(given)) for _, part in df.groupby("current_task")]
    assert rs == pytest.approx(again)
    found = estimate(df, given)
    lower, upper = DescrStatsW(np.arctanh(rs)).tconfint_mean(0.05)
    assert found.value == pytest.approx(math.tanh(np.mean(np.arctanh(rs))))
    assert (found.lower, found.upper) == pytest.approx((math.tanh(lower), math.tanh(upper)))
    assert (found.n_tasks, found.n_prompts, found.n_seeds) == (3, 12, 1)
    assert (found.level, found.statistic) == ("within_task", "partial_pearson")
    assert f"partial pearson r given {', '.join(given)}" in found.method
    plain = within_task_correlation(df, "x", "y", n_permutations=0)
    assert abs(found.value - plain.value) > 0.05


def test_a_value_worked_out_by_hand():
    # x = z + e and y = z + f with z, e, f orthogonal: alike through z alone.
    z = [1.0, 1, 1, 1, -1, -1, -1, -1]
    e = [1.0, 1, -1, -1, 1, 1, -1, -1]
    f = [1.0, -1, 1, -1, 1, -1, 1, -1]
    df = pd.DataFrame({"current_task": "t", "z": z}).assign(x=np.add(z, e), y=np.add(z, f))
    assert within_task_correlation(df, "x", "y", n_permutations=0).value == pytest.approx(0.5)
    assert estimate(df, ("z",)).value == pytest.approx(0, abs=1e-12)
    # With y = z + f + 2 e what is left is f + 2 e against e: r = 2 / √5.
    df["y"] += np.multiply(2, e)
    assert estimate(df, ("z",)).value == pytest.approx(2 / math.sqrt(5))


def test_each_control_costs_a_degree_of_freedom():
    df = pd.concat([table_of(8, 1), table_of(28, 1, 5).replace("task-0", "task-1")])
    found = estimate(df, scope="these_tasks")
    rs = [by_residuals(part, ("a", "b")) for _, part in df.groupby("current_task")]
    z, half = np.mean(np.arctanh(rs)), 1.96 * math.sqrt(1 / 3 + 1 / 23) / 2
    assert (found.lower, found.upper) == pytest.approx((math.tanh(z - half), math.tanh(z + half)))
    assert found.n_prompts == 8


def test_spearman_is_of_ranks_with_ties_and_its_error_wider():
    df = table_of(14, 1).round({"x": 0, "y": 0, "a": -3})
    assert df[["x", "y", "a"]].nunique().max() < 14
    found = estimate(df, statistic="spearman", scope="these_tasks")
    rho = by_residuals(df, ("a", "b"), stats.rankdata)
    assert found.value == pytest.approx(rho)
    upper = math.tanh(math.atanh(rho) + 1.96 * 1.03 / math.sqrt(14 - 3 - 2))
    assert found.upper == pytest.approx(upper)
    assert found.statistic == "partial_spearman"


def test_a_perfect_rank_order_keeps_the_mean_finite():
    df = pd.DataFrame({"current_task": "t", "x": [1.0, 2, 3, 4, 5, 6]})
    df = df.assign(y=df["x"] ** 3, c=[2.0, 1, 3, 5, 4, 6])
    # Ranks of x and y are equal, whatever is held fixed.
    found = estimate(df, ("c",), statistic="spearman", scope="these_tasks")
    assert found.value == pytest.approx(1 - 6 / (5 * 24))  # as of five prompts: one is spent
    assert math.isfinite(found.lower)


@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
def test_p_agrees_with_every_permutation_of_the_residuals(statistic):
    df = table_of(7, 1, seed=4)
    column = stats.rankdata if statistic == "spearman" else np.asarray
    controls = sm.add_constant(column(df["a"]))
    x, y = (sm.OLS(column(df[name]), controls).fit().resid for name in ("x", "y"))
    observed = abs(np.corrcoef(x, y)[0, 1])
    hat = controls @ np.linalg.pinv(controls)
    shuffled = np.array(list(itertools.permutations(y)))
    left = shuffled - shuffled @ hat.T
    null = left @ x / (np.linalg.norm(left, axis=1) * np.linalg.norm(x))
    true = np.mean(np.abs(null) >= observed - 1e-9)
    found = estimate(df, ("a",), statistic=statistic, n_permutations=9999)
    assert 0.02 < true < 0.98
    assert found.p == pytest.approx(true, abs=4 * math.sqrt(true * (1 - true) / 9999))
    # Without the second regression, or with y itself shuffled, it would be something else.
    naive = np.mean(np.abs(shuffled @ x / np.linalg.norm(x) / np.linalg.norm(y)) >= observed)
    own = np.array(list(itertools.permutations(column(df["y"]))))
    rest = own - own @ hat.T
    other = np.mean(np.abs(rest @ x) / np.linalg.norm(rest, axis=1) / np.linalg.norm(x) >= observed)
    assert min(abs(naive - true), abs(other - true)) > 0.02


def test_p_has_a_smallest_value_a_seed_and_is_nan_without_shuffles():
    df = table_of()
    df["y"] = df["x"] + 0.01 * df["y"] + df["a"]
    assert estimate(df, n_permutations=199).p == 1 / 200
    weak = table_of(seed=3)
    assert estimate(weak, n_permutations=99, seed=1) == estimate(weak, n_permutations=99, seed=1)
    ps = {estimate(weak, n_permutations=99, seed=s).p for s in range(5)}
    assert len(ps) > 1
    assert math.isnan(estimate(df).p)


def test_tasks_that_cannot_be_used_are_left_out_and_named():
    df = table_of(12, 7)
    task = df["current_task"]
    few = df[(task != "task-0") | (df["prompt_id"] < "p05")].copy()
    task = few["current_task"]
    few.loc[task == "task-1", "a"] = 7.5
    few.loc[task == "task-2", "b"] = 3 * few["a"] + 1
    few.loc[task == "task-3", "x"] = 2 * few["a"] - 1e6 * few["b"]
    few.loc[task == "task-4", "y"] = 1 - few["a"]
    few.loc[task == "task-5", "x"] = 3.0
    found = estimate(few)
    only = estimate(df[df["current_task"] == "task-6"])
    assert (found.n_tasks, found.value) == (1, only.value)
    for reason in (
        "task-0: 5 prompts, at least 6 are needed",
        "task-1: a is the same for every prompt",
        "task-2: b follows linearly from a",
        "task-3: x follows linearly from a, b",
        "task-4: y follows linearly from a, b",
        "task-5: x is the same for every prompt",
    ):
        assert reason in found.method
    assert estimate(df[df["prompt_id"] < "p06"]).n_tasks == 7  # six prompts are enough for two
    nothing = estimate(few[task == "task-1"])
    assert nothing.n_tasks == 0 and math.isnan(nothing.value) and math.isnan(nothing.p)


def test_prompts_without_a_value_of_a_control_are_left_out_and_named():
    df = table_of()
    without = df["prompt_id"].isin(["p03", "p07"]) & (df["current_task"] == "task-1")
    found = estimate(df.assign(b=df["b"].mask(without)))
    kept = estimate(df[~without])
    assert found.value == pytest.approx(kept.value) and found.n_prompts == 10
    assert found.method.endswith("Prompts left out for lack of a value: 2 of task-1")
    with pytest.raises(InputError, match="No prompt has a value of y, x, a, b together"):
        estimate(df.assign(b=np.nan))


def test_a_seed_at_which_one_prompt_has_no_control_is_left_out_of_all_columns(df):
    own = df["current_task"] == "current-0"
    late = own & (df["seed"] == 1)
    gap = late & (df["prompt_id"] == sorted(df.loc[own, "prompt_id"].unique())[2])
    # Unlike at each seed, so that an average over other seeds is another one.
    table = df.assign(x=df["pre_update_loss"] + 0.3 * np.sin(37 * df["loss_after"].fillna(1.0)))
    table["control"] = np.cos(91 * table["x"])
    options = {"x": "x", "y": "forgetting", "role": "past", "given": "control", "n_permutations": 0}
    found = partial_correlation(table.assign(control=table["control"].mask(gap)), **options)
    assert found == partial_correlation(table[~late], **options)
    assert "lack of a value" not in found.method


def test_rows_scales_and_bare_tables_change_nothing():
    df = table_of()
    base = estimate(df, n_permutations=99)
    scaled = df.assign(x=3 * df["x"] + 9, y=df["y"] / 7, a=1e9 - 1e6 * df["a"])
    assert estimate(scaled, n_permutations=99).value == pytest.approx(base.value)
    assert estimate(df.assign(y=-df["y"])).value == pytest.approx(-base.value)
    shuffled = df.sample(frac=1, random_state=1)
    assert estimate(shuffled, n_permutations=99) == base
    bare = shuffled[["current_task", "x", "y", "a", "b"]]
    assert estimate(bare).value == pytest.approx(base.value)
    again = bare.sample(frac=1, random_state=2)
    assert estimate(bare, n_permutations=99) == estimate(again, n_permutations=99)
    renamed = df.rename(columns={"current_task": "dataset"})
    assert estimate(renamed, task="dataset").value == pytest.approx(base.value)
    assert estimate(df, "a").value == estimate(df, ["a"]).value


def test_an_impacts_table_is_averaged_over_its_seeds_first(df):
    found = partial_correlation(df, role="past", n_permutations=99)
    points = prompts_table(df, "forgetting", "past")
    lengths = df.drop_duplicates(["current_task", "prompt_id"])
    points = points.merge(lengths[["current_task", "prompt_id", "prompt_length"]])
    points = points.rename(columns={"pre_update_loss": "x", "forgetting": "y"})
    rs = [by_residuals(p, ["prompt_length"]) for _, p in points.groupby("current_task")]
    assert found.value == pytest.approx(math.tanh(np.mean(np.arctanh(rs))))
    assert (found.x, found.y, found.role) == ("pre_update_loss", "forgetting", "past")
    assert (found.n_tasks, found.n_prompts, found.n_seeds) == (5, 12, 2)
    assert not found.method.startswith("descriptive")
    one = partial_correlation(
        df, y="generalization_loss", role="unseen", eval_task="unseen-1", n_permutations=0
    )
    alone = df[df["eval_task"] == "unseen-1"]
    same = partial_correlation(alone, y="generalization_loss", n_permutations=0)
    assert one.value == same.value


def test_a_result_of_training_held_fixed_is_found_and_called_descriptive(df):
    found = partial_correlation(
        df, role="past", given=["in_task_score", "prompt_length"], n_permutations=0
    )
    own = prompts_table(df, "score_after", "current").rename(columns={"score_after": "own"})
    points = prompts_table(df, "forgetting", "past").merge(
        own[["current_task", "prompt_id", "own"]]
    )
    lengths = df.drop_duplicates(["current_task", "prompt_id"])
    points = points.merge(lengths[["current_task", "prompt_id", "prompt_length"]])
    points = points.rename(columns={"pre_update_loss": "x", "forgetting": "y"})
    rs = [by_residuals(p, ["own", "prompt_length"]) for _, p in points.groupby("current_task")]
    assert found.value == pytest.approx(math.tanh(np.mean(np.arctanh(rs))))
    assert found.method.startswith("descriptive, as in_task_score came out of training: partial")
    loss = partial_correlation(df, role="past", given="in_task_loss", n_permutations=0)
    assert loss.method.startswith("descriptive, as in_task_loss")
    for name in ("impact_loss", "score_after"):
        some = partial_correlation(df, role="past", given=name, n_permutations=0)
        assert some.method.startswith(f"descriptive, as {name}")


def test_noise_trials_do_not_enter(df):
    main = df[df["purpose"] == "main"]
    noisy = df.assign(prompt_length=df["prompt_length"].mask(df["purpose"] == "noise"))
    found = partial_correlation(noisy, role="past", n_permutations=0)
    assert found.value == partial_correlation(main, role="past", n_permutations=0).value
    assert "left out" not in found.method


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"given": ()}, "names no column to hold fixed"),
        ({"given": ("a", "a")}, "names 'a' twice"),
        ({"given": ("a", "x")}, "'x' is x or y"),
        ({"given": "y"}, "'y' is x or y"),
        ({"given": ("lenght",)}, "Unknown column 'lenght'"),
        ({"given": ("prompt_id",)}, "Column 'prompt_id' is not numeric"),
        ({"given": ("in_task_score",)}, "Unknown column 'trial_id'"),
        ({"scope": "all"}, "Unknown scope 'all'"),
        ({"statistic": "rho"}, "Unknown statistic 'rho'. Known: pearson, spearman"),
        ({"statistic": "kendall"}, "alone. Choose pearson or spearman"),
        ({"n_permutations": -1}, "n_permutations is -1"),
        ({"role": "past"}, "no column 'role'"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        estimate(table_of(), **options)


def test_bad_tables_are_refused(df):
    with pytest.raises(InputError, match="several roles"):
        partial_correlation(df)
    with pytest.raises(InputError, match="Unknown role 'future'"):
        partial_correlation(df, role="future")
    with pytest.raises(InputError, match="infinite value"):
        estimate(table_of().assign(a=np.inf))
    with pytest.raises(InputError, match="DataFrame"):
        estimate([1, 2])
    twice = pd.concat([df, df[df["role"] == "current"]])
    with pytest.raises(InputError, match="has two rows for its current task"):
        partial_correlation(twice, role="past", given="in_task_score")


def test_the_report_holds_fixed_what_the_run_knows_of_its_prompts(tmp_path, df, synthetic):
    document = report(synthetic, n_permutations=9)
    # Outcomes, forms, what is held fixed, statistics, scopes.
    assert len(document["partial"]) == 3 * 2 * 4 * 2 * 2
    wanted = partial_correlation(
        df, y="forgetting_loss", role="retained", scope="these_tasks", n_permutations=9
    )
    assert wanted.to_dict() in [
        row["estimate"] for row in document["partial"] if row["given"] == ["prompt_length"]
    ]
    path = write_run(tmp_path, n_tasks=2, n_prompts=8, diverged=["t-current-0-para-07-0"])
    file = path / "tables/indicators/all.parquet"
    rows = pd.read_parquet(file)
    logs = rows[rows["name"] == "prompt_frequency"].copy()
    logs["value"], logs["name"] = np.sqrt(logs["value"]), "log_prompt_frequency"
    of_diverged = (logs["task"] == "current-0") & (logs["prompt_id"] == "para-07")
    pd.concat([rows, logs[of_diverged]]).to_parquet(file, index=False)
    no_values = report(open_run(path), n_permutations=0)
    assert ("prompt_length",) == tuple(no_values["partial"][0]["given"])
    assert not any("log_prompt_frequency" in row["given"] for row in no_values["partial"])
    pd.concat([rows, logs]).to_parquet(file, index=False)
    known = report(open_run(path), n_permutations=0)
    assert json.loads(json.dumps(known, allow_nan=False)) == known
    both = ["prompt_length", "log_prompt_frequency"]
    assert known["partial"][0]["given"] == both
    wanted = partial_correlation(
        impacts(open_run(path)), role="past", given=both, n_permutations=0
    ).to_dict()
    assert wanted in [row["estimate"] for row in known["partial"]]
