"""Variance components and their shares: by hand, against pingouin, over tasks, on poor tables."""

import math

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from sapo_analysis.analysis import impacts
from sapo_analysis.analysis.noise.components import COLUMNS, variance_components
from sapo_analysis.analysis.noise.intraclass import (
    BELOW_CHANCE,
    NO_SEED_COMPONENT,
    NO_SPREAD,
    ONE_PROMPT,
    ONE_SEED,
    Intraclass,
    intraclass,
    pooled_reliability,
)
from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import write_run

INTERVALS = ["share_lower", "share_upper", "reliability_lower", "reliability_upper"]
# Means of prompts 1.5, 4, 5 and of seeds 3, 4: MS_p = 6.5, residuals 0 or ±1/2 with MS_e = 1/2.
BY_HAND = np.array([[1.0, 2.0], [3.0, 5.0], [5.0, 5.0]])


def long(*tasks, quantity="forgetting"):
    """A table without roles: each task is prompts x seeds of one quantity."""
    rows = [
        {"current_task": f"t{t}", "prompt_id": f"p{i:02d}", "seed": j, quantity: y}
        for t, values in enumerate(tasks)
        for i, row in enumerate(values)
        for j, y in enumerate(row)
    ]
    return pd.DataFrame(rows)


def draw(rng, prompts, seeds, sigma_prompt=1.0, sigma_seed=1.0):
    own = rng.normal(0, sigma_prompt, (prompts, 1)) + rng.normal(0, 5, (1, seeds))
    return own + rng.normal(0, sigma_seed, (prompts, seeds))


def rows_of(table):
    """The rows of the tasks, and the row over them."""
    found = variance_components(table).to_dict("records")
    return found[:-1], found[-1]


def icc(values, kind):
    return (
        pingouin.intraclass_corr(
            long(values), targets="prompt_id", raters="seed", ratings="forgetting"
        )
        .set_index("Type")["ICC CI95".split()]
        .loc[kind]
    )


def test_three_prompts_and_two_seeds_worked_by_hand():
    (row,), over = rows_of(long(BY_HAND))
    assert row["sigma_prompt"] == pytest.approx(math.sqrt(3))
    assert row["sigma_seed"] == pytest.approx(math.sqrt(0.5))
    assert row["share"] == pytest.approx(6 / 7)
    assert row["reliability"] == pytest.approx(12 / 13)
    # F = 13, and with 2 and 2 degrees of freedom F is below 39 with probability 39 / 40.
    assert row["share_upper"] == pytest.approx(506 / 508)
    assert row["reliability_upper"] == pytest.approx(506 / 507)
    assert row["share_lower"] == row["reliability_lower"] == 0
    assert (row["n_prompts"], row["n_seeds"], row["n_tasks"], row["note"]) == (3, 2, 1, "")
    assert over["share"] == pytest.approx(6 / 7) and math.isnan(over["share_lower"])
    assert over["reliability_upper"] == row["reliability_upper"]
    assert over["note"] == "one task: no interval of the share for new tasks"
    assert over["current_task"] is None and over["role"] is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("prompts", "seeds", "seed"), [(12, 3, 0), (6, 2, 1), (24, 5, 2)])
def test_share_and_reliability_are_the_two_intraclass_correlations(
    prompts, seeds, seed, monkeypatch
):
    monkeypatch.setitem(pingouin.options, "round.column.CI95", 12)
    values = draw(np.random.default_rng(seed), prompts, seeds, sigma_prompt=2.0)
    (row,), _ = rows_of(long(values))
    for name, kind in (("share", "ICC(C,1)"), ("reliability", "ICC(C,k)")):
        other = icc(values, kind)
        assert row[name] == pytest.approx(other["ICC"], abs=1e-8)
        bounds = [row[f"{name}_lower"], row[f"{name}_upper"]]
        assert bounds == pytest.approx(list(np.maximum(other["CI95"], 0)), abs=1e-8)
        assert bounds[1] < 1


@pytest.mark.filterwarnings("ignore")
def test_where_prompts_do_little_a_share_falls_below_zero_and_is_held_there():
    values = draw(np.random.default_rng(5), 8, 3, sigma_prompt=0.0)
    one = intraclass(values)
    assert one.share == pytest.approx(icc(values, "ICC(C,1)")["ICC"], abs=1e-8)
    assert one.share < 0
    (row,), over = rows_of(long(values))
    assert row["share"] == row["reliability"] == row["share_lower"] == row["sigma_prompt"] == 0
    assert 0 < row["share_upper"] < row["reliability_upper"] < 1
    assert over["share"] == pytest.approx(one.share)


def test_prompts_more_alike_than_seeds_would_make_them_fit_no_share():
    # Each prompt has the same mean: F = 0.
    (row,), over = rows_of(long([[1.0, -1.0], [-1.0, 1.0], [2.0, -2.0]]))
    assert row["share"] == row["reliability"] == 0
    assert all(math.isnan(row[name]) for name in INTERVALS)
    assert row["note"] == BELOW_CHANCE and BELOW_CHANCE in over["note"]
    assert over["share"] == -1 and over["reliability"] == 0


def test_over_tasks_the_share_is_the_mean_of_shares_not_held_at_zero():
    rng = np.random.default_rng(5)
    tasks = [draw(rng, 8, 3, sigma) for sigma in (0.0, 0.5, 1.0, 2.0)]
    shares = [intraclass(values).share for values in tasks]
    assert min(shares) < 0
    found, over = rows_of(long(*tasks))
    assert [row["share"] for row in found] == pytest.approx([max(0, share) for share in shares])
    low, high = stats.t.interval(0.95, 3, np.mean(shares), stats.sem(shares))
    assert [over[name] for name in ("share", "share_lower", "share_upper")] == pytest.approx(
        [np.mean(shares), low, high]
    )
    variances = np.array([intraclass(values).variances for values in tasks])
    assert over["sigma_prompt"] ** 2 == pytest.approx(variances[:, 0].mean())
    assert over["sigma_seed"] ** 2 == pytest.approx(variances[:, 1].mean())
    assert (over["n_tasks"], over["n_prompts"], over["n_seeds"]) == (4, 8, 3)


def test_reliability_over_tasks_is_one_less_summed_noise_over_summed_spread():
    rng = np.random.default_rng(6)
    tasks = [draw(rng, 12, 3, 1.0, scale) for scale in (1.0, 2.0)]
    noise = [values.var(axis=0, ddof=1).mean() for values in tasks]  # of one trial, prompts in it
    spread = [values.mean(axis=1).var(ddof=1) for values in tasks]
    # Mean variance within a seed is (MS_p + (S - 1) MS_e) / S, and MS_p is S times the spread.
    noise = [(3 * v - 3 * s) / 2 / 3 for v, s in zip(noise, spread, strict=True)]
    _, over = rows_of(long(*tasks))
    assert over["reliability"] == pytest.approx(1 - sum(noise) / sum(spread))
    df = [sum(m) ** 2 / sum(v**2 / n for v in m) for m, n in ((spread, 11), (noise, 22))]
    f = sum(spread) / sum(noise)
    bounds = [1 - stats.f.ppf(p, *df) / f for p in (0.975, 0.025)]
    assert [over["reliability_lower"], over["reliability_upper"]] == pytest.approx(bounds)


@pytest.mark.parametrize("scales", [[1, 1, 1, 1], [1, 2, 3, 4], [1, 1, 1, 5]])
def test_its_interval_covers_the_truth_whatever_the_tasks_scales(scales):
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        layouts = [
            Intraclass(
                scale**2 * 1.5 * rng.chisquare(11) / 11,
                scale**2 * 0.5 * rng.chisquare(11) / 11,
                12,
                2,
                "",
            )
            for scale in scales
        ]
        _, lower, upper = pooled_reliability(layouts)
        covered += lower <= 2 / 3 <= upper
    # Three standard errors of 1000 draws below 95 %; Satterthwaite's is a little wide.
    assert 0.929 <= covered / 1000 <= 0.98


def test_an_indicator_that_is_the_same_at_every_seed_has_no_seed_component():
    steady = np.repeat([[0.1], [0.3], [0.7]], 3, axis=1)
    (one, two), over = rows_of(long(steady, 2 * steady, quantity="pre_update_loss"))
    for row in (one, two, over):
        assert row["share"] == row["reliability"] == 1 and row["sigma_seed"] == 0
        assert all(math.isnan(row[name]) for name in INTERVALS)
        assert row["note"] == NO_SEED_COMPONENT
    assert one["sigma_prompt"] == pytest.approx(steady[:, 0].std(ddof=1))


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([[1.0], [2.0], [4.0]], ONE_SEED),
        ([[1.0, 2.0]], ONE_PROMPT),
        (np.full((4, 3), 0.1), NO_SPREAD),
        (np.tile([0.1, 0.2, 0.4], (4, 1)), NO_SPREAD),
    ],
)
def test_where_nothing_can_be_told_apart_the_share_is_nan_and_says_why(values, note):
    (row,), over = rows_of(long(values))
    for name in ("share", "reliability", *INTERVALS):
        assert math.isnan(row[name]) and math.isnan(over[name])
    assert row["note"] == note and over["note"] == f"left out t0: {note}"
    assert (over["n_tasks"], over["n_prompts"]) == (0, len(values))
    # A task that can be used stays.
    _, both = rows_of(long(values, BY_HAND))
    assert both["n_tasks"] == 1 and both["share"] == pytest.approx(6 / 7)


def test_every_quantity_of_a_run_has_a_row_per_task_and_one_over_tasks(df):
    found = variance_components(df)
    assert tuple(found.columns) == COLUMNS
    assert found[["share", "reliability"]].notna().all(axis=None)
    outcomes = [("forgetting", "past"), ("forgetting", "retained"), ("generalization", "unseen")]
    score = [("score_after", "current"), ("impact", None), *outcomes]
    loss = [("loss_after", "current"), *((f"{name}_loss", role) for name, role in score[1:])]
    expected = [
        *((name, role, "score") for name, role in score),
        *((name, role, "loss") for name, role in loss),
        ("pre_update_loss", None, "loss"),
    ]
    keys = found[["quantity", "role", "form"]].to_records(index=False).tolist()
    assert list(dict.fromkeys(keys)) == expected
    assert len(found) == len(expected) * 6
    over = found[[name is None for name in found["current_task"]]]
    assert len(over) == len(expected) and (over["n_tasks"] == 5).all()
    assert (found["n_seeds"] == 2).all() and (found["n_prompts"] == 12).all()
    units = found.groupby("form")["unit"].unique()
    assert list(units["score"]) == ["points (0 to 100)"]
    assert list(units["loss"]) == ["nats per target token"]


def test_impact_is_the_mean_over_all_other_tasks_and_noise_trials_are_left_out(df):
    main = df[df["purpose"] == "main"]
    task = main["current_task"].iloc[0]
    others = main[(main["current_task"] == task) & (main["role"] != "current")]
    values = others.groupby(["prompt_id", "seed"])["impact"].mean().unstack().to_numpy()
    found = variance_components(df)
    row = found[(found["quantity"] == "impact") & (found["current_task"] == task)].iloc[0]
    assert row["share"] == pytest.approx(max(0, intraclass(values).share))
    pd.testing.assert_frame_equal(found, variance_components(main))


def test_outcomes_of_different_metrics_are_in_units_of_their_spread(tmp_path):
    kinds = {"past-1": "exact_match"}
    path = write_run(tmp_path, n_past=2, n_prompts=6, seeds=[0, 1], metrics=kinds)
    found = variance_components(impacts(open_run(path))).set_index(["quantity", "role"])
    assert set(found.loc[("forgetting", "past"), "unit"]) == {SD_UNIT}
    assert SD_UNIT not in set(found.drop(index=("forgetting", "past"))["unit"])


def test_only_shared_seeds_count_and_the_task_may_have_another_name():
    table = long(np.column_stack([BY_HAND, [9.0, 0.0, 4.0]])).rename(
        columns={"current_task": "name"}
    )
    gap = (table["prompt_id"] == "p01") & (table["seed"] == 2)
    table.loc[gap, "forgetting"] = np.nan
    row = variance_components(table, task="name").iloc[0]
    assert row["share"] == pytest.approx(6 / 7) and row["n_seeds"] == 2


def test_poor_tables_are_refused_or_have_no_rows():
    table = long(BY_HAND)
    with pytest.raises(InputError, match="Unknown column 'current_task'"):
        variance_components(pd.DataFrame())
    with pytest.raises(InputError, match="A table"):
        variance_components("table")
    with pytest.raises(InputError, match="infinite"):
        variance_components(table.replace(5.0, np.inf))
    with pytest.raises(InputError, match="Two rows hold 'forgetting'"):
        variance_components(pd.concat([table, table]))
    with pytest.raises(InputError, match="not numeric"):
        variance_components(table.assign(impact="much"))
    for empty in (table.iloc[:0], table.assign(forgetting=np.nan), table[["current_task"]]):
        found = variance_components(empty)
        assert found.empty and tuple(found.columns) == COLUMNS
    apart = table[table["seed"] == (table["prompt_id"] == "p00").astype(int)]
    (over,) = variance_components(apart).to_dict("records")
    assert math.isnan(over["share"]) and "that all prompts share" in over["note"]
