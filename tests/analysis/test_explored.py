"""What the Explore page asks beyond one run and the mean over seeds."""

import numpy as np
import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.scatter import centred
from sapo_analysis.analysis.trust import trust
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """The two seeds of one study as two runs, and a run of another model."""
    folder = tmp_path_factory.mktemp("halves")
    shared = {"n_tasks": 3, "n_prompts": 5}
    return [
        open_run(write_run(folder, name="a", seeds=(0,), **shared)),
        open_run(write_run(folder, name="b", seeds=(1,), **shared)),
        open_run(write_run(folder, name="c", seeds=(0,), fingerprint="e" * 16, **shared)),
    ]


@pytest.mark.parametrize(("y", "role"), [("forgetting", "past"), ("generalization_loss", "unseen")])
def test_seed_by_seed_comes_before_the_mean_over_seeds(df, y, role):
    each = analysis.seeds_table(df, y, role)
    means = analysis.prompts_table(df, y, role)
    keys = ["current_task", "prompt_id"]
    assert set(each.groupby(keys).size()) == {2}
    again = (
        each.groupby(keys)[["pre_update_loss", y]]
        .mean()
        .loc[list(map(tuple, means[keys].to_numpy()))]
    )
    np.testing.assert_allclose(again.to_numpy(), means[["pre_update_loss", y]].to_numpy())
    assert set(each["n_seeds"]) == {1} and set(each["unit"]) == set(means["unit"])


def test_a_seed_that_a_prompt_lacks_is_left_out_for_all(df):
    gone = (df["prompt_id"] == "para-03") & (df["seed"] == 1) & (df["current_task"] == "current-0")
    each = analysis.seeds_table(df[~gone], "forgetting", "past")
    sizes = each.groupby(["current_task", "prompt_id"]).size()
    assert set(sizes.loc["current-0"]) == {1} and set(sizes.loc["current-1"]) == {2}


def test_the_points_of_a_pair_are_those_its_correlation_is_of(df):
    points = analysis.impact_pairs(df, "past-0", "unseen-1")
    z = [
        np.arctanh(np.corrcoef(part["impact_i"], part["impact_j"])[0, 1])
        for _, part in points.groupby("current_task")
    ]
    row = analysis.impact_correlation(df).query("task_i == 'past-0' and task_j == 'unseen-1'")
    assert row["r"].iloc[0] == pytest.approx(np.tanh(np.mean(z)))
    one = analysis.impact_pairs(df, "past-0", "unseen-1", "current-2", "loss")
    assert set(one["current_task"]) == {"current-2"} and len(one) == 12


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("past-0", "past-0"), "given twice"),
        (("past-0", "Atlantis"), "Unknown other task 'Atlantis'"),
        (("past-0", "unseen-0", "Atlantis"), "Unknown current task 'Atlantis'"),
        (("past-0", "unseen-0", None, "prose"), "prose"),
    ],
)
def test_pairs_that_are_none_are_refused(df, asked, says):
    with pytest.raises(InputError, match=says):
        analysis.impact_pairs(df, *asked)


def test_a_task_that_is_being_learned_has_no_point_in_its_own_pairs(df):
    points = analysis.impact_pairs(df, "current-0", "unseen-1")
    assert "current-0" not in set(points["current_task"]) and len(points)


def test_only_the_current_task_is_tested_with_another_prompt(synthetic, df):
    original = analysis.impacts(synthetic, current_test="original")
    both = df.merge(original, on=["trial_id", "eval_task"], suffixes=("", "_original"))
    assert len(both) == len(df) == len(original)
    differs = both["score_after"] != both["score_after_original"]
    expected = (both["role"] == "current") & (both["prompt_id"] != "original")
    assert (differs == expected).all()
    assert analysis.current_tests(synthetic) == ("training", "original")


def test_keys_that_keep_runs_apart_are_listed_with_every_value(halves):
    assert analysis.differing_keys(halves[:2]).empty
    table = analysis.differing_keys(halves).set_index("key")
    assert list(table.columns) == [run.run_id for run in halves]
    assert list(table.index) == ["model"]
    values = table.loc["model"].tolist()
    assert values[0] == values[1] != values[2]


def test_forgotten_examples_count_the_seeds_of_joined_runs(halves):
    alone = [analysis.worst_forgotten(run, "current-1", "para-02", n=1000) for run in halves[:2]]
    both = analysis.worst_forgotten(halves[:2], "current-1", "para-02", n=1000)
    keys = ["eval_task", "example"]
    counts = sum(table.set_index(keys)["n_forgotten"] for table in alone)
    assert set(both["n_seeds"]) == {2}
    assert both.set_index(keys)["n_forgotten"].sort_index().equals(counts.sort_index())


def test_joining_is_something_to_look_at(halves):
    checks = trust(halves[:2], analysis.impacts(halves[:2]))
    (run,) = [check for check in checks if check.name == "Run"]
    assert not run.ok and "2 runs are joined" in run.text


def test_points_are_centred_on_the_means_of_others(df):
    means = analysis.prompts_table(df, "forgetting", "past")
    each = analysis.seeds_table(df, "forgetting", "past")
    moved = centred(each, ["forgetting"], "current_task", of=means)
    back = moved["forgetting"] + each["current_task"].map(
        means.groupby("current_task")["forgetting"].mean()
    )
    np.testing.assert_allclose(back, each["forgetting"])
