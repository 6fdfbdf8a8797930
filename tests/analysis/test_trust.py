"""The checks before a headline is believed: each fails where it should, and says what it saw."""

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import impacts, within_task_correlation
from sapo_analysis.analysis.noise.reliability import reliability
from sapo_analysis.analysis.trust import UNEQUAL_LEARNING, trust
from sapo_analysis.analysis.wording import signed
from sapo_analysis.store import open_run
from tests.analysis.conftest import exact
from tests.synthetic import write_run

KEYS = ("current_task", "prompt_id")
OUTCOMES = [
    ("forgetting", "forgetting_loss", "past"),
    ("forgetting", "forgetting_loss", "retained"),
    ("generalization", "generalization_loss", "unseen"),
    ("score_after", "loss_after", "current"),
]


@pytest.fixture
def check(synthetic, df):
    """One check of a changed table, by the start of its name."""

    def of(name, table=None, **settings):
        rows = trust(synthetic, df if table is None else table, **settings)
        (found,) = [row for row in rows if row.name.startswith(name)]
        return found

    return of


def of_prompts(df, values):
    """A column of one number per current task and prompt, from values [tasks, prompts]."""
    tasks, prompts = (np.unique(df[name], return_inverse=True)[1] for name in KEYS)
    return pd.Series(np.asarray(values)[tasks, prompts], df.index)


def drawn(df, seed=0):
    """A standard normal number per current task and prompt."""
    return of_prompts(df, np.random.default_rng(seed).standard_normal((5, 12)))


def with_r(df, correlations, seed=0):
    """Exactly these correlations of pre-update loss and forgetting, task by task."""
    rng = np.random.default_rng(seed)
    x, y = np.moveaxis([exact(r, 12, rng) for r in correlations], 1, 0)
    table = with_forgetting(df, of_prompts(df, y))
    return table.assign(pre_update_loss=of_prompts(df, x))


def with_forgetting(df, values):
    """Forgetting as given, in points; the loss form goes with it."""
    there = df["forgetting"].notna()
    return df.assign(forgetting=values.where(there), forgetting_loss=values.where(there) / 50)


@pytest.mark.parametrize(("score", "loss", "role"), OUTCOMES)
@pytest.mark.parametrize("form", ["score", "loss"])
def test_no_outcome_has_more_than_eight_rows(synthetic, df, score, loss, role, form):
    rows = trust(synthetic, df, score, loss, role, form)
    expected = [
        *("Tasks and prompts", "Seed noise", "Form and shape", "One prompt or task"),
        *("Within, pooled, each task", "Prompt length"),
        *([UNEQUAL_LEARNING] if score == "forgetting" else []),
        "Run",
    ]
    assert [row.name for row in rows] == expected and len(rows) <= 8
    assert all(row.text.endswith(".") and "nan" not in row.text for row in rows)


def test_reliability_stands_beside_the_noise(check, df):
    assert reliability(df, "forgetting", "past").text in check("Seed noise").text
    # Another number at every seed: prompts have nothing of their own.
    rng = np.random.default_rng(5)
    noisy = with_forgetting(df, pd.Series(rng.standard_normal(len(df)), df.index))
    noise = noisy["purpose"] == "noise"
    quiet = noisy.assign(forgetting=noisy["forgetting"].mask(noise, noisy["forgetting"] / 1e3))
    again = quiet[noise].assign(seed=quiet["seed"] + 10)
    for table in (noisy[~noise], pd.concat([quiet, again], ignore_index=True)):
        low = check("Seed noise", table)
        assert not low.ok and "most of the spread over prompts is the seed's" in low.text
    assert "(8 noise seeds)" in low.text and "hardly differ" not in low.text


def test_seeds_tell_noise_where_there_are_no_noise_trials(check, df):
    main = df[df["purpose"] == "main"]
    row = check("Seed noise", main)
    assert row.ok and row.text.startswith("No noise trials. Reliability over 2 seeds")
    alone = check("Seed noise", main[main["seed"] == 0])
    assert not alone.ok and "is not known" in alone.text and "Reliability" not in alone.text


def test_forms_and_shapes_that_disagree_are_named(check, df):
    assert check("Form").ok
    r = within_task_correlation(df, y="forgetting_loss", role="past", n_permutations=0).value
    assert f"{signed(r)} in loss" in check("Form").text
    turned = check("Form", df.assign(forgetting_loss=-df["forgetting_loss"]))
    assert not turned.ok and "The forms disagree" in turned.text
    flat = check("Form", df.assign(forgetting_loss=df["forgetting_loss"] * 0))
    assert not flat.ok and "One form has no correlation." in flat.text
    # One far prompt in each task: Pearson rises, ranks fall.
    u = drawn(df)
    far = df["prompt_id"] == "para-04"
    table = with_forgetting(df, (-u + 0.5 * drawn(df, 1)).mask(far, 60.0))
    table = table.assign(pre_update_loss=u.mask(far, 60.0))
    shape = check("Form", table)
    assert not shape.ok and "Pearson and Spearman differ in sign" in shape.text
    one = df["prompt_id"].eq("para-04") & df["forgetting"].notna()
    mild = df.assign(forgetting=df["forgetting"].mask(one, 900.0))
    mild = mild.assign(pre_update_loss=df["pre_update_loss"].mask(one, 9.0))
    apart = check("Form", mild)
    assert not apart.ok and "A few far prompts carry much of it." in apart.text


def test_a_planted_outlier_is_named(check, df):
    weak = with_r(df, [0.3, 0.35, 0.3, 0.4, 0.35])
    row = check("One prompt", weak)
    assert row.ok and row.text.startswith("Leaving out any one prompt, r stays between +0.")
    one = (df["current_task"] == "current-2") & (df["prompt_id"] == "para-07")
    planted = weak.assign(
        forgetting=weak["forgetting"].mask(one & weak["forgetting"].notna(), -1e6),
        pre_update_loss=weak["pre_update_loss"].mask(one, 1e3),
    )
    row = check("One prompt", planted)
    assert not row.ok
    assert "One prompt decides the sign: without para-07 of current-2 r is +0." in row.text


def test_one_task_that_carries_the_interval_is_named(check, df):
    row = check("One prompt", with_r(df, [0.05, 0.02, -0.04, 0.97, 0.1]))
    assert not row.ok
    assert "Without task current-3 the interval for these tasks contains 0." in row.text
    assert "new tasks" not in row.text  # that one contains 0 with every task in
    few = with_r(df, [0.6, 0.65, 0.5, 0.5, 0.5])
    few = few[few["current_task"] < "current-2"]
    assert check("One prompt", few).ok  # of new tasks there is no verdict with two


def test_levels_that_disagree_are_named(check, df):
    alike = with_r(df, [0.4, 0.5, 0.3, 0.4, 0.2])
    row = check("Within", alike)
    assert row.ok and "(5 of 5 tasks with that sign)" in row.text
    level = df["current_task"].str[-1].astype(int) * 100
    apart = with_forgetting(alike, alike["forgetting"] - level)
    apart = apart.assign(pre_update_loss=alike["pre_update_loss"] + level)
    row = check("Within", apart)
    assert not row.ok and "Task differences hide the prompts' effect." in row.text
    some = check("Within", with_r(df, [0.9, 0.9, 0.9, -0.2, -0.2]))
    assert not some.ok and "(3 of 5 tasks with that sign)" in some.text
    assert "Tasks disagree" in some.text


def test_length_that_is_behind_it_is_named(check, df):
    assert check("Prompt length").ok
    size = df["prompt_length"]
    behind = with_forgetting(df, size + 0.5 * drawn(df)).assign(
        pre_update_loss=size + 0.5 * drawn(df, 1)
    )
    row = check("Prompt length", behind)
    assert not row.ok and row.text.startswith("With length held fixed r = ")
    turned = with_forgetting(df, size + drawn(df)).assign(
        pre_update_loss=size - drawn(df) + 0.1 * drawn(df, 1)
    )
    row = check("Prompt length", turned)
    assert not row.ok and "The sign turns" in row.text
    weaker = with_forgetting(df, size + 2 * drawn(df) + 6 * drawn(df, 2)).assign(
        pre_update_loss=size + 2 * drawn(df)
    )
    row = check("Prompt length", weaker)
    assert not row.ok and "Most of it goes with length." in row.text


def test_length_that_cannot_be_held_fixed_says_why(check, df):
    for unknown in (df.drop(columns="prompt_length"), df.assign(prompt_length=np.nan)):
        row = check("Prompt length", unknown)
        assert not row.ok and row.text.startswith("Not known")
    row = check("Prompt length", df.assign(prompt_length=7.0))
    assert row.ok and row.text == "Prompts of one task are equally long."
    assert check("Prompt length", x="prompt_length").ok
    few = df[df["prompt_id"].isin(["original", "para-01", "para-02", "para-03"])]
    row = check("Prompt length", few)
    assert not row.ok and row.text == "Too few prompts to hold it fixed."


def test_a_small_study_is_told_what_it_cannot_carry(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=3))
    rows = {row.name: row for row in trust(run, impacts(run))}
    assert rows.pop("Run").ok
    assert not any(row.ok for row in rows.values())
    assert rows["Tasks and prompts"].text.startswith("1 current task, at least 3 prompts each.")
    assert rows["One prompt or task"].text == "Too few prompts to leave one out."
    for name in ("Form and shape", "Within, pooled, each task"):
        assert "There is no correlation to check." in rows[name].text
