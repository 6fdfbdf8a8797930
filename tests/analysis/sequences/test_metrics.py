"""Score matrices and metrics against numbers worked by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from sapo_analysis.analysis.sequences import (
    chain_metrics,
    furthest,
    sequence_scores,
    stage_means,
    summary,
    task_metrics,
)
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import open_run
from tests.synthetic_sequence import write_sequence_run
from tests.watched import rewrite

R0 = [50, 20, 10]
R = [[80, 30, 20], [70, 85, 25], [60, 75, 90]]
"""The worked example of the released definitions: AP 75, BWT −12.5, FWT 12.5."""


def worked(strategy, order, seed, stage, position, prompt):
    return float(R0[position - 1] if stage == 0 else R[stage - 1][position - 1])


def test_the_worked_example_comes_out_of_a_run(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["original"]))
    (row,) = (
        chain_metrics(sequence_scores(run)).query("test_prompts == 'original'").to_dict("records")
    )
    assert (row["ap"], row["bwt"], row["fwt"]) == (75.0, -12.5, 12.5)
    # Last row alone: (60 − 80) and (75 − 85).
    assert row["bwt_final"] == -15.0
    # Losses are (100 − score) / 50: they rose by 20/50 and 10/50.
    assert row["forgetting_loss"] == pytest.approx((0.4 + 0.2) / 2)
    scores = sequence_scores(run).query("test_prompts == 'original' and not is_final")
    matrix = scores.pivot(index="stage", columns="position", values="value")
    assert matrix.to_numpy().tolist() == [[float(x) for x in row] for row in [R0, *R]]


def test_ap_takes_all_examples_and_no_difference_does(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["original"], final_offset=3.0))
    (row,) = (
        chain_metrics(sequence_scores(run)).query("test_prompts == 'original'").to_dict("records")
    )
    assert row["ap"] == 78.0
    assert (row["bwt"], row["bwt_final"], row["fwt"]) == (-12.5, -15.0, 12.5)


def by_prompt(strategy, order, seed, stage, position, prompt):
    """Test prompts 00, 01, 02 and 09 give 10, 20, 30 and 40 more."""
    return {"00": 10.0, "01": 20.0, "02": 30.0, "09": 40.0}[prompt[-2:]] + 5 * stage


def test_each_kind_of_test_prompt_is_its_own_column(tmp_path):
    run = open_run(
        write_sequence_run(tmp_path, by_prompt, strategies=["sapo"], chosen={"sapo": "02"})
    )
    scores = sequence_scores(run)
    at = scores[~scores["is_final"]].set_index(["test_prompts", "stage", "eval_task"])["value"]
    assert at["original", 2, "a"] == 20.0 and at["test-only", 2, "a"] == 50.0
    # Trained with prompt 02 from the stage that learned it on; before that, with the original.
    assert [at["training", 1, task] for task in "abc"] == [35.0, 15.0, 15.0]
    assert [at["training", 3, task] for task in "abc"] == [45.0, 45.0, 45.0]


def test_without_test_only_prompts_there_are_two_columns(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, test_only=False))
    assert set(sequence_scores(run)["test_prompts"]) == {"training", "original"}


def noisy(strategy, order, seed, stage, position, prompt):
    draw = np.random.default_rng([len(strategy), seed, stage, position, ord(order[0])])
    return float(50 + 10 * draw.standard_normal())


ORDERS = [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]


def test_intervals_are_students_t_over_orders_with_seeds_averaged_within(tmp_path):
    run = open_run(write_sequence_run(tmp_path, noisy, orders=ORDERS, seeds=[0, 1]))
    metrics = chain_metrics(sequence_scores(run)).query("test_prompts == 'original'")
    found = summary(metrics).set_index(["strategy", "metric"])
    own = metrics[metrics["strategy"] == "sapo+lora"]
    per_order = [own[own["order"] == order]["ap"].mean() for order in own["order"].unique()]
    expected = stats.t.interval(0.95, 2, np.mean(per_order), stats.sem(per_order))
    row = found.loc[("sapo+lora", "ap")]
    assert row["value"] == pytest.approx(np.mean(per_order))
    assert (row["lower"], row["upper"]) == pytest.approx(expected)
    assert (row["unit"], row["n_orders"], row["n_seeds"]) == ("orders", 3, 2)


def test_one_order_has_intervals_over_its_seeds_and_says_so(tmp_path):
    run = open_run(write_sequence_run(tmp_path, noisy, seeds=[0, 1, 2]))
    metrics = chain_metrics(sequence_scores(run)).query("test_prompts == 'original'")
    row = summary(metrics).set_index(["strategy", "metric"]).loc[("sapo+lora", "ap")]
    values = metrics[metrics["strategy"] == "sapo+lora"]["ap"]
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert (row["lower"], row["upper"]) == pytest.approx(expected)
    assert row["unit"] == "seeds of one order"


def test_one_of_each_has_no_interval(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked))
    found = summary(chain_metrics(sequence_scores(run)))
    assert found["lower"].isna().all() and found["upper"].isna().all()


def test_tasks_are_followed_through_their_places(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["original"]))
    found = task_metrics(sequence_scores(run)).query("test_prompts == 'original'")
    found = found.set_index("eval_task")
    assert list(found["final"]) == [60, 75, 90]
    assert list(found["just_learned"]) == [80, 85, 90]
    assert list(found["change"])[:2] == [-20, -10] and math.isnan(found.loc["c", "change"])
    # b gains 30 − 20 before it is learned; c gains 20 − 10 and 25 − 10.
    assert math.isnan(found.loc["a", "gain_before"])
    assert list(found["gain_before"])[1:] == [10, 12.5]


def test_the_final_score_is_over_all_examples_and_a_change_over_those_that_stages_share(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["original"], final_offset=4.0))
    found = task_metrics(sequence_scores(run)).query("test_prompts == 'original'")
    found = found.set_index("eval_task")
    assert list(found["final"]) == [64, 79, 94] and list(found["change"])[:2] == [-20, -10]


def test_single_tasks_have_intervals_over_orders_too(tmp_path):
    run = open_run(write_sequence_run(tmp_path, noisy, orders=ORDERS, seeds=[0, 1]))
    scores = sequence_scores(run).query("strategy == 'sapo+lora' and test_prompts == 'original'")
    row = task_metrics(scores).set_index("eval_task").loc["b"]
    last = scores[scores["is_final"] & (scores["eval_task"] == "b") & (scores["stage"] == 3)]
    per_order = last.groupby("order")["value"].mean()
    expected = stats.t.interval(0.95, 2, per_order.mean(), stats.sem(per_order))
    assert row["final"] == pytest.approx(per_order.mean())
    assert (row["final_lower"], row["final_upper"]) == pytest.approx(expected)
    # In one of three orders b comes last: two remain to have changed since.
    assert (row["unit"], row["final_n"], row["change_n"]) == ("orders", 3, 2)
    assert math.isnan(row["change_lower"]) and math.isfinite(row["change"])


def test_of_several_orders_one_is_no_sample_and_its_seeds_do_not_stand_in(tmp_path):
    orders = [["a", "b"], ["b", "a"]]
    run = open_run(write_sequence_run(tmp_path, noisy, orders=orders, seeds=[0, 1, 2]))
    scores = sequence_scores(run).query("strategy == 'sapo+lora' and test_prompts == 'original'")
    row = task_metrics(scores).set_index("eval_task").loc["a"]
    # Only where a comes first can it change since.
    assert (row["unit"], row["change_n"], row["final_n"]) == ("orders", 1, 2)
    assert math.isfinite(row["change"]) and math.isnan(row["change_lower"])


def test_two_orders_have_no_interval(tmp_path):
    run = open_run(write_sequence_run(tmp_path, noisy, orders=ORDERS[:2], seeds=[0, 1, 2]))
    found = summary(chain_metrics(sequence_scores(run)))
    assert found["value"].notna().all() and found["lower"].isna().all()


def test_the_race_weighs_orders_as_average_performance_does(tmp_path):
    one = open_run(write_sequence_run(tmp_path, noisy, orders=ORDERS[:1], seeds=[0, 1, 2]))
    two = open_run(write_sequence_run(tmp_path, noisy, name="two", orders=ORDERS[1:], seeds=[0]))
    scores = sequence_scores([one, two])
    at_the_end = stage_means(scores).query("stage == 3").set_index(["strategy", "test_prompts"])
    ap = summary(chain_metrics(scores)).query("metric == 'ap'")
    for row in ap.itertuples():
        own = at_the_end.loc[(row.strategy, row.test_prompts)]
        assert own["learned"] == pytest.approx(row.value) and own["n_chains"] == 5


def constant(strategy, order, seed, stage, position, prompt):
    return {"a": 0.0, "b": 50.0, "c": 90.0}[order[position - 1]]


def test_a_mean_by_stage_is_over_the_same_chains_at_every_stage(tmp_path):
    orders = [["a", "b", "c"], ["c", "a", "b"]]
    run = open_run(write_sequence_run(tmp_path, constant, orders=orders, strategies=["original"]))
    scores = sequence_scores(run).query("test_prompts == 'original' and not is_final")
    # The second order ends after its first stage. No score ever changes, so no mean may either.
    short = scores[(scores["order"] == "a > b > c") | (scores["stage"] <= 1)]
    means = furthest(short).groupby(["stage", "position"])["value"].mean().unstack("stage")
    assert means.eq(means[0], axis=0).all().all() and list(means[0]) == [0, 50, 90]
    assert stage_means(short)["n_chains"].eq(1).all()
    assert list(stage_means(short)["learned"]) == pytest.approx([0, 25, 140 / 3])
    assert stage_means(scores)["n_chains"].eq(2).all()


def test_the_race_is_the_mean_over_learned_tasks(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["original"]))
    found = stage_means(sequence_scores(run)).query("test_prompts == 'original'")
    assert list(found["learned"]) == [80, 77.5, 75]
    assert list(found["ahead"])[:2] == [10, 15] and math.isnan(found["ahead"].iloc[2])


@pytest.mark.parametrize("stages", [0, 1, 2])
def test_a_chain_that_is_under_way_has_stages_and_no_metrics(tmp_path, stages):
    run = open_run(write_sequence_run(tmp_path, worked, stages=stages, state="interrupted"))
    scores = sequence_scores(run)
    assert set(scores["stage"]) == (set(range(stages + 1)) if stages else set())
    assert chain_metrics(scores).empty and summary(chain_metrics(scores)).empty
    assert task_metrics(scores).empty
    assert stage_means(scores)["stage"].nunique() == stages


def test_a_chain_that_diverged_is_left_out_and_the_others_stay(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, seeds=[0, 1], diverged=[("sapo+lora", 2)]))
    metrics = chain_metrics(sequence_scores(run))
    assert set(metrics["strategy"]) == {"original+lora", "random+lora"}


def test_a_missing_score_is_an_error_that_names_the_run_and_the_state(tmp_path):
    path = write_sequence_run(tmp_path, worked, strategies=["original"])
    rewrite(path, "scores", lambda t: t[~((t["eval_task"] == "b") & (t["state_id"] != "theta-0"))])
    with pytest.raises(RunError, match=r"made-00000000: state s-.* has no score on 'b'"):
        sequence_scores(open_run(path))


def test_runs_of_other_orders_are_read_as_one_and_the_same_order_twice_is_refused(tmp_path):
    runs = [
        open_run(write_sequence_run(tmp_path, noisy, name=f"order-{i}", orders=[order]))
        for i, order in enumerate(ORDERS)
    ]
    joined = chain_metrics(sequence_scores(runs))
    whole = open_run(write_sequence_run(tmp_path, noisy, name="whole", orders=ORDERS))
    expected = chain_metrics(sequence_scores(whole))
    keys = ["order", "strategy", "seed", "test_prompts"]
    both = joined.merge(expected, on=keys)
    assert len(both) == len(joined) == len(expected)
    assert both["ap_x"].tolist() == both["ap_y"].tolist()
    with pytest.raises(InputError, match="is in two of these runs"):
        sequence_scores([runs[0], runs[0]])


def test_runs_that_are_not_of_one_study_are_refused(tmp_path):
    one = open_run(write_sequence_run(tmp_path, worked, name="one"))
    tasks = open_run(write_sequence_run(tmp_path, worked, name="two", orders=[["a", "b"]]))
    with pytest.raises(InputError, match="learn other tasks"):
        sequence_scores([one, tasks])
    model = open_run(
        write_sequence_run(
            tmp_path, worked, name="three", orders=[["b", "a", "c"]], model={"fingerprint": "g"}
        )
    )
    with pytest.raises(InputError, match="differ in model"):
        sequence_scores([one, model])
    pool = write_sequence_run(tmp_path, worked, name="four", orders=[["b", "a", "c"]])
    rewrite(pool, "prompts", lambda table: table[table["prompt_id"] != "a-02"])
    with pytest.raises(InputError, match=r"candidates of a: .*orders, strategies and seeds only"):
        sequence_scores([one, open_run(pool)])
