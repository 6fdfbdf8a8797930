"""Soft prompts as point clouds: squares, whose persistence is known, averaged by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from sapo_analysis.analysis.methods_compared import (
    chosen_pairs,
    fine_tunes_of,
    has_topology,
    persistence_pairs,
    topology_associations,
    topology_change,
    topology_curves,
    trains_soft_prompts,
)
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.clouds import totals
from tests.methods_runs import ORDERS, write_lora, write_promot, write_prompt_tuning, write_sequence

SMALL = {"n_tasks": 3, "n_prompts": 5, "n_shots": (0,)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(write_prompt_tuning(tmp_path_factory.mktemp("clouds"), **SMALL))


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    """Squares whose side is 1 at the start, 3 at the end; under ProMoT it stays 1."""

    def side(strategy, tuned, step):
        return 1.0 if strategy.endswith("promot") else 1.0 + step / 25

    folder = tmp_path_factory.mktemp("chains")
    return open_run(write_sequence(folder, orders=ORDERS[:2], n_shots=(0,), kept=0, side=side))


def looked(run, name):
    """What was looked at, by tuned task, prompt and seed."""
    trials = run.table("trials").query("purpose == 'main'")
    seen = run.table("diagnostics").query("name == @name")
    return trials.merge(seen, on="trial_id")


def test_curves_are_means_over_tasks_with_their_interval(run):
    found = topology_curves(run).set_index(["series", "step"])
    # All soft prompts begin as a square of side 1.
    for series, value in totals(1.0).items():
        assert found.loc[(series, 0), "value"] == pytest.approx(value)
        assert math.isnan(found.loc[(series, 0), "lower"])  # the same in every task
    own = looked(run, "h1_persistence").query("step == 50")
    per_task = own.groupby("current_task")["value"].mean()
    row = found.loc[("h1_persistence", 50)]
    assert row["value"] == pytest.approx(per_task.mean())
    ends = stats.t.interval(0.95, 2, loc=per_task.mean(), scale=stats.sem(per_task))
    assert (row["lower"], row["upper"]) == pytest.approx(ends)
    assert (row["n_tasks"], row["n_prompts"], row["n_seeds"]) == (3, 5, 2)
    assert (row["fewest_tokens"], row["most_tokens"]) == (4, 4)
    by_task = topology_curves(run, "prompt-tuning").query("series == 'h1_persistence'")
    assert by_task.query("step == 50").set_index("name")["value"].to_dict() == pytest.approx(
        per_task.to_dict()
    )


def test_the_change_is_the_last_look_minus_the_first(run):
    found = topology_change(run).set_index("series")
    per_task = looked(run, "compactness").query("step == 50").groupby("current_task")["value"]
    row = found.loc["compactness"]
    assert row["before"] == pytest.approx(totals(1.0)["compactness"])
    assert row["after"] == pytest.approx(per_task.mean().mean())
    assert row["value"] == pytest.approx(row["after"] - row["before"])


def test_strategies_of_sequences_have_a_line_each(chains):
    found = topology_curves(chains).query("series == 'h0_persistence'").set_index(["name", "step"])
    assert found.loc[("sapo+lora", 50), "value"] == pytest.approx(9.0)
    assert found.loc[("sapo+promot", 50), "value"] == pytest.approx(3.0)
    assert found.loc[("sapo+promot", 50), "n_orders"] == 2
    assert topology_associations(chains).empty
    pairs = chosen_pairs(persistence_pairs(chains), task="b", fine_tune="a > b > c, seed 1")
    assert set(pairs["name"]) == set(found.index.get_level_values("name"))
    assert set(pairs["stage"]) == {2}


def test_a_diagram_is_that_of_its_look(run):
    pairs = persistence_pairs(run)
    assert len(pairs) == 3 * 5 * 2 * 3 * 4  # tasks, prompts, seeds, looks, pairs
    assert fine_tunes_of(pairs, "current-1")[:2] == ["original, seed 0", "para-01, seed 0"]
    one = chosen_pairs(pairs, task="current-1", fine_tune="para-01, seed 1")
    assert one.groupby("moment")["step"].unique().map(list).to_dict() == {"end": [50], "start": [0]}
    start = one[one["moment"] == "start"]
    assert start.query("dimension == 0")[["birth", "death"]].to_numpy().tolist() == [[0, 1]] * 3
    (loop,) = start.query("dimension == 1")[["birth", "death"]].to_numpy().tolist()
    assert loop == pytest.approx([1, math.sqrt(2)])
    end = one[one["moment"] == "end"]
    seen = looked(run, "h0_persistence").query(
        "step == 50 and current_task == 'current-1' and prompt_id == 'para-01' and seed == 1"
    )
    lasting = (end["death"] - end["birth"]).groupby(end["dimension"]).sum()
    assert lasting[0] == pytest.approx(seen["value"].item())
    middle = chosen_pairs(pairs, step=25)
    assert set(middle["moment"]) == {""} and len(middle) == 3 * 5 * 2 * 4
    assert len(chosen_pairs(pairs, task="current-1")) == 5 * 2 * 2 * 4
    with pytest.raises(InputError, match=r"step '26'.*0, 25, 50"):
        chosen_pairs(pairs, step=26)
    with pytest.raises(InputError, match="tuned task 'x'"):
        chosen_pairs(pairs, task="x")


def test_associations_are_correlations_over_prompts_within_tasks(run):
    found = topology_associations(run).set_index(["series", "outcome", "role"])
    trials = run.table("trials").query("purpose == 'main'")
    scores = (
        run.table("scores")
        .query("step == 50")
        .merge(trials[["trial_id", "current_task", "prompt_id"]], on="trial_id")
    )
    own = scores.query("eval_task == current_task and test_prompt == prompt_id")
    wide = looked(run, "h0_persistence").query("step == 50")[["trial_id", "value"]]
    both = own.merge(wide, on="trial_id", suffixes=("", "_of_cloud"))
    means = both.groupby(["current_task", "prompt_id"])[["value", "value_of_cloud"]].mean()
    z = [
        np.arctanh(stats.pearsonr(of_task["value"], of_task["value_of_cloud"]).statistic)
        for _, of_task in means.groupby(level=0)
    ]
    row = found.loc[("h0_persistence", "score_after", "current")]
    assert row["value"] == pytest.approx(np.tanh(np.mean(z)))
    # Three tasks are too few to speak of new ones: errors are those of 5 prompts, 1 / √(5 − 3).
    half = stats.norm.ppf(0.975) * np.sqrt(3 / 2) / 3
    ends = np.tanh([np.mean(z) - half, np.mean(z) + half])
    assert (row["lower"], row["upper"]) == pytest.approx(ends, abs=1e-4)
    assert row["scope"] == "these_tasks"
    assert (row["n_tasks"], row["n_prompts"], row["n_seeds"]) == (3, 5, 2)
    # By construction a prompt that is learned better has a wider square: longer, less compact.
    assert row["value"] > 0.9
    assert found.loc[("compactness", "score_after", "current"), "value"] < -0.9
    assert len(found) == 3 * 4


def test_too_few_prompts_have_no_correlation_and_other_runs_say_why(tmp_path, run):
    small = {"n_tasks": 1, "n_prompts": 3, "n_shots": (0,)}
    few = open_run(write_prompt_tuning(tmp_path, **small))
    lora = open_run(write_lora(tmp_path, **small))
    assert set(topology_curves([few, lora])["name"]) == {"prompt-tuning"}
    with pytest.raises(InputError, match="No fine-tune trains a soft prompt here"):
        topology_curves([few, lora], "lora")
    assert topology_associations(few).empty and len(topology_curves(few)) == 9
    old = open_run(write_promot(tmp_path, n_tasks=1, n_prompts=1, n_shots=(0,)))
    assert has_topology([run]) and not has_topology([old])
    assert trains_soft_prompts([old])
    for make in (topology_curves, topology_change, topology_associations, persistence_pairs):
        with pytest.raises(InputError, match="were not looked at"):
            make(old)


def test_a_run_without_a_soft_prompt_says_which_method_has_one(pair):
    lora = pair[0]
    assert not has_topology([lora]) and not trains_soft_prompts([lora])
    for make in (topology_curves, persistence_pairs):
        with pytest.raises(InputError, match="method=prompt-tuning"):
            make(lora)
