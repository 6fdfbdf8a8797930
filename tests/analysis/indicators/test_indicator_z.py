"""z of several indicators at once: each as on its own, in shuffles that they share."""

import numpy as np
import pytest

from sapo_analysis.analysis import within_task_correlation
from sapo_analysis.analysis.indicators.board import indicator_board
from sapo_analysis.analysis.indicators.indicator_z import indicator_z
from sapo_analysis.analysis.levels.permutation import shuffled
from sapo_analysis.analysis.prompt_means import prompt_means

NAMES = ["pre_update_loss", "prompt_length", "pre_update_loss_content"]


def z_of(df, names, y="y", role=None, m=0, seed=0):
    return indicator_z(df, y, names, role, "current_task", None, m, seed)


def test_z_is_that_of_each_indicator_alone(df):
    found = z_of(df, NAMES, "forgetting", "past")
    assert found.role == "past" and found.names == tuple(NAMES)
    assert found.tasks == tuple(sorted(df["current_task"].unique()))
    for j, name in enumerate(NAMES):
        means = prompt_means(df, "forgetting", role="past", x=name)
        for i, one in enumerate(found.tasks):
            own = means.tasks[one]
            assert found.z[i, j, 0] == pytest.approx(np.arctanh(np.corrcoef(own.x, own.y)[0, 1]))
            assert found.n[i, j] == len(own.x)


def test_shuffles_are_those_of_one_correlation_where_all_is_known(df):
    found = z_of(df, NAMES, "forgetting", "past", m=199, seed=3)
    for j, name in enumerate(NAMES):
        mean = found.z[:, j].mean(axis=0)
        p = (np.sum(np.abs(mean[1:]) >= abs(mean[0]) - 1e-9) + 1) / 200
        alone = within_task_correlation(df, name, role="past", n_permutations=199, seed=3)
        assert p == alone.p


def test_an_indicator_without_some_prompts_keeps_the_order_that_all_are_shuffled_into(table_of):
    df = table_of([0.5, -0.3], n=9).assign(some=lambda t: t["y"] + np.arange(len(t)) % 4)
    df.loc[[1, 5, 12], "some"] = np.nan
    found = z_of(df, ["x", "some"], m=50, seed=4)
    assert found.n.tolist() == [[9, 7], [9, 8]]
    assert found.left_out[1] == ("Prompts left out for lack of a value: 2 of task-00, 1 of task-01")
    for i, (_, own) in enumerate(df.groupby("current_task")):
        orders = shuffled(np.arange(9.0), 50, 4, i)
        kept = own["some"].notna().to_numpy()
        x, y = own.loc[kept, "some"].to_numpy(), own.loc[kept, "y"].to_numpy()
        for s in range(50):
            places = orders[s][kept]
            moved = y[[int((places < place).sum()) for place in places]]
            assert found.z[i, 1, 1 + s] == pytest.approx(np.arctanh(np.corrcoef(x, moved)[0, 1]))


def test_a_seed_that_one_indicator_lacks_is_left_out_for_it_alone(df):
    one = df["trial_id"].iloc[0]
    gap = df.assign(prompt_length=df["prompt_length"].where(df["trial_id"] != one))
    whole, less = (z_of(t, NAMES, "forgetting", "past", m=20) for t in (df, gap))
    i = less.tasks.index(df["current_task"].iloc[0])
    assert np.allclose(less.z[:, [0, 2]], whole.z[:, [0, 2]], rtol=0, atol=1e-12)
    alone = prompt_means(gap, "forgetting", role="past", x="prompt_length").tasks[less.tasks[i]]
    assert alone.n_seeds == 1
    assert less.z[i, 1, 0] == pytest.approx(np.arctanh(np.corrcoef(alone.x, alone.y)[0, 1]))
    assert not np.allclose(less.z[i, 1], whole.z[i, 1])


def test_a_row_without_a_prompt_is_one_for_all_indicators_whatever_the_order(table_of):
    df = table_of([0.6, 0.1, -0.4]).assign(turned=lambda t: -t["x"]).drop(columns="prompt_id")
    mixed = df.sample(frac=1, random_state=1)
    one, two = (z_of(t, ["x", "turned"], m=30) for t in (df, mixed))
    assert np.array_equal(one.z, two.z)
    assert np.allclose(one.z[:, 1], -one.z[:, 0], rtol=0, atol=1e-12)
    boards = [indicator_board(t, "y", x="x", n_permutations=30) for t in (df, mixed)]
    assert boards[0].to_dict() == boards[1].to_dict()


def test_where_an_indicator_does_not_enter_it_has_no_weight(table_of):
    df = table_of([0.6, 0.1]).assign(flat=1.0)
    df.loc[df["current_task"] == "task-01", "flat"] = np.arange(12.0)
    found = z_of(df, ["x", "flat"], m=5)
    assert found.n.tolist() == [[12, 0], [12, 12]]
    assert found.variances[0].tolist() == [1 / 9, 0.0] and not found.z[0, 1].any()
    assert found.left_out == ("", "Left out: task-00: flat is the same for every prompt")
    only = found.only([1])
    assert only.names == ("flat",) and only.z.shape == (2, 1, 6)
