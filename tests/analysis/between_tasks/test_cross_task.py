import math

import numpy as np
import pytest

from sapo_analysis.analysis import impact_correlation
from sapo_analysis.errors import InputError


def cell(table, i, j):
    return table[(table["task_i"] == i) & (table["task_j"] == j)].iloc[0]


def r_of(df, current, i, j, column="impact"):
    part = df[(df["purpose"] == "main") & (df["current_task"] == current)]
    a, b = (part[part["eval_task"] == t].groupby("prompt_id")[column].mean() for t in (i, j))
    return np.corrcoef(a, b)[0, 1]


def test_one_current_task_is_numpys_correlation_over_prompts(df):
    table = impact_correlation(df, "current-3")
    found = cell(table, "past-0", "unseen-1")
    r = r_of(df, "current-3", "past-0", "unseen-1")
    assert found["r"] == pytest.approx(r)
    assert found["lower"] == pytest.approx(math.tanh(math.atanh(r) - 1.96 / 3))
    assert (found["n_prompts"], found["n_current_tasks"]) == (12, 1)
    assert "current-3" not in set(table["task_i"])


def test_all_current_tasks_are_averaged_by_fisher_z(df):
    table = impact_correlation(df, form="loss")
    r = [r_of(df, f"current-{k}", "past-0", "retained-0", "impact_loss") for k in range(5)]
    assert cell(table, "past-0", "retained-0")["r"] == pytest.approx(
        math.tanh(np.mean(np.arctanh(r)))
    )
    # A current task is an evaluated one only while another is learned.
    assert cell(table, "current-0", "current-1")["n_current_tasks"] == 3
    assert cell(table, "current-0", "past-0")["n_current_tasks"] == 4


def test_both_orders_and_no_diagonal(df):
    table = impact_correlation(df)
    assert len(table) == 9 * 8
    assert (table["task_i"] != table["task_j"]).all()
    assert cell(table, "past-0", "unseen-0")["r"] == cell(table, "unseen-0", "past-0")["r"]


def test_cells_below_noise_are_flagged(df):
    loud = df["purpose"] == "noise"
    assert not impact_correlation(df)["below_noise"].any()
    noisy = df.copy()
    noisy.loc[loud & (df["eval_task"] == "past-0"), "impact"] *= np.where(
        noisy.loc[loud & (df["eval_task"] == "past-0"), "seed"] % 2, 40, -40
    ) * np.where(noisy.loc[loud & (df["eval_task"] == "past-0"), "prompt_id"] == "original", 1, -1)
    table = impact_correlation(noisy)
    touches = (table["task_i"] == "past-0") | (table["task_j"] == "past-0")
    assert table.loc[touches, "below_noise"].all()
    assert not table.loc[~touches, "below_noise"].any()
    assert impact_correlation(df[~loud])["below_noise"].isna().all()


def test_an_impact_that_is_the_same_for_every_prompt_has_no_r(df):
    flat = df.copy()
    flat.loc[flat["eval_task"] == "unseen-0", "impact"] = -3.0
    found = cell(impact_correlation(flat), "unseen-0", "past-0")
    assert math.isnan(found["r"]) and found["n_current_tasks"] == 0


def test_tasks_that_one_prompt_alone_moves_have_no_r(df):
    moved = df.copy()
    for task in ("unseen-0", "unseen-1"):
        here = moved["eval_task"] == task
        moved.loc[here, "impact"] = np.where(moved.loc[here, "prompt_id"] == "para-02", -50.0, 0.0)
    assert (moved["impact"] == -50).any()
    found = cell(impact_correlation(moved), "unseen-0", "unseen-1")
    assert math.isnan(found["r"]) and found["n_current_tasks"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"current_task": "x"}, "Unknown current task 'x'"),
        ({"form": "both"}, "Unknown form 'both'"),
    ],
)
def test_bad_arguments_are_refused(df, options, message):
    with pytest.raises(InputError, match=message):
        impact_correlation(df, **options)
