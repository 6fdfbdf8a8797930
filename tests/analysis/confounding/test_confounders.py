"""Partial correlations side by side, against pingouin and `partial_correlation` set by set."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import partial_correlation, prompts_table, within_task_correlation
from sapo_analysis.analysis.confounding.confounders import confounders
from sapo_analysis.errors import InputError

SETS = [
    ("prompt_length",),
    ("in_task_score",),
    ("prompt_length", "in_task_score"),
    ("in_task_loss",),
]


def found(df, *settings, **more):
    return confounders(df, *settings, **{"role": "past", "n_permutations": 0, **more})


@pytest.fixture(scope="module")
def known(df):
    """With a frequency for each prompt."""
    rng = np.random.default_rng(3)
    prompts = df["current_task"] + df["prompt_id"]
    values = {name: rng.standard_normal() for name in sorted(prompts.unique())}
    return df.assign(log_prompt_frequency=prompts.map(values))


# pingouin's own use of pandas, and of modules that it imports.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
@pytest.mark.parametrize("given", [("prompt_length",), ("prompt_length", "in_task_score")])
def test_one_task_agrees_with_pingouin(df, statistic, given):
    import pingouin

    one = df[df["current_task"] == "current-1"]
    points = prompts_table(one, "forgetting", "past")
    controls = prompts_table(one, "score_after", "current", x="prompt_length")
    points = points.merge(controls, on=["current_task", "prompt_id"])
    points = points.rename(columns={"score_after": "in_task_score"})
    again = pingouin.partial_corr(
        points, "pre_update_loss", "forgetting", list(given), method=statistic
    )
    (mine,) = (
        row.estimate
        for row in found(one)
        if row.given == given
        and row.estimate.statistic == f"partial_{statistic}"
        and row.estimate.scope == "these_tasks"
    )
    assert mine.value == pytest.approx(float(again["r"].iloc[0]), abs=1e-9)
    z, half = math.atanh(mine.value), 1.96 / math.sqrt(12 - 3 - len(given))
    half *= 1.03 if statistic == "spearman" else 1
    assert mine.upper == pytest.approx(math.tanh(z + half))


@pytest.mark.parametrize(("y", "role"), [("forgetting", "past"), ("generalization_loss", "unseen")])
def test_every_row_is_the_partial_correlation_of_its_set(known, y, role):
    rows = confounders(known, y=y, role=role, n_permutations=49, seed=5)
    sets = [("prompt_length", "log_prompt_frequency"), *SETS]
    assert list(dict.fromkeys(row.given for row in rows)) == sets
    assert len(rows) == 5 * 2 * 2
    for row in rows:
        again = partial_correlation(
            known,
            y=y,
            role=role,
            given=row.given,
            scope=row.estimate.scope,
            statistic=row.estimate.statistic.removeprefix("partial_"),
            n_permutations=49,
            seed=5,
        )
        assert row.estimate == again
        assert row.descriptive == any(name.startswith("in_task") for name in row.given)
        assert row.descriptive == row.estimate.method.startswith("descriptive")
        plain = within_task_correlation(
            known, y=y, role=role, scope=row.raw.scope, statistic=row.raw.statistic,
            n_permutations=0,
        )  # fmt: skip
        assert (row.raw.value, row.raw.lower) == pytest.approx((plain.value, plain.lower))
    ps = {row.estimate.p for row in rows}
    assert all(0 < p <= 1 for p in ps) and all(math.isnan(row.raw.p) for row in rows)


def test_a_confounder_takes_the_correlation_away(table_of):
    df = table_of([0.7, 0.6, 0.8], n=14).rename(columns={"x": "prompt_length"})
    rng = np.random.default_rng(2)
    df["x"] = df["prompt_length"] + 0.1 * rng.standard_normal(len(df))
    rows = confounders(df, "x", "y", n_permutations=0)
    assert {row.given for row in rows} == {("prompt_length",)}  # a bare table has no results
    assert rows[0].raw.value > 0.6 > 0.2 > abs(rows[0].estimate.value)


def test_the_raw_r_is_of_the_same_prompts_and_tasks(df):
    gone = df["prompt_id"].isin(["para-03", "para-05"]) & (df["current_task"] == "current-0")
    alike = df["current_task"] == "current-4"
    table = df.assign(prompt_length=df["prompt_length"].mask(gone).mask(alike, 7.0))
    row = found(table)[0]
    assert row.estimate.n_tasks == row.raw.n_tasks == 4 and row.raw.n_prompts == 10
    again = within_task_correlation(table[~gone & ~alike], role="past", n_permutations=0)
    assert row.raw.value == pytest.approx(again.value)
    assert "current-4: prompt_length is the same for every prompt" in row.raw.method
    assert "2 of current-0" in row.raw.method


def test_only_what_is_known_together_is_held_fixed(known):
    first = known["prompt_id"] < "para-05"
    apart = known.assign(
        prompt_length=known["prompt_length"].where(first),
        log_prompt_frequency=known["log_prompt_frequency"].mask(first),
        score_after=known["score_after"].mask(first),
    )
    sets = {row.given for row in found(apart)}
    assert sets == {("prompt_length",), ("in_task_score",), ("in_task_loss",)}
    bare = known.drop(columns=["prompt_length", "log_prompt_frequency", "trial_id"])
    assert found(bare) == []
    assert found(bare.assign(prompt_length=np.nan)) == []
    noise = known["purpose"] == "noise"
    assert found(bare.assign(prompt_length=known["prompt_length"].where(noise))) == []


def test_the_indicator_itself_is_not_held_fixed(known):
    assert {row.given for row in found(known, "prompt_length")} == {
        ("log_prompt_frequency",),
        ("in_task_score",),
        ("in_task_loss",),
    }


def test_tables_that_carry_nothing_give_labelled_nan(df):
    one = df[(df["current_task"] == "current-0") & (df["prompt_id"] < "para-04")]
    rows = found(one)
    assert {row.given for row in rows} == set(SETS)
    both = [row for row in rows if len(row.given) == 2]
    assert all(math.isnan(row.estimate.value) for row in both)
    assert "current-0: 4 prompts, at least 6 are needed" in both[0].estimate.method
    documents = [row.to_dict() for row in found(df.assign(pre_update_loss=1.0))]
    assert json.loads(json.dumps(documents, allow_nan=False)) == documents
    assert documents[0]["raw"]["value"] is None and documents[2]["given"] == ["prompt_length"]
    assert [d["descriptive"] for d in documents] == [False] * 4 + [True] * 12


def test_bad_tables_are_refused(df):
    for bad, settings, message in (
        (df, {"role": None}, "several roles"),
        (df, {"role": "future"}, "Unknown role 'future'"),
        (df, {"y": "prose"}, "Unknown column 'prose'"),
        (df, {"n_permutations": -1}, "n_permutations is -1"),
        (df.assign(prompt_length=np.inf), {}, "infinite value"),
        (pd.concat([df, df]), {}, "two rows for its current task"),
    ):
        with pytest.raises(InputError, match=message):
            found(bad, **settings)
