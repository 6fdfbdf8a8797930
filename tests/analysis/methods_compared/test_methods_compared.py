"""Methods beside each other: every number from the run's own tables by hand, intervals by scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.analysis.methods_compared import (
    BASE,
    OUTCOMES,
    OVER_TASKS,
    alignment_curves,
    format_curves,
    format_rise,
    method_table,
    method_tasks,
    paired_difference,
    same_in_words,
    side_by_side,
    sides,
    trade_off,
    unequal_steps,
)
from sapo_analysis.analysis.methods_compared.averages import Mean
from sapo_analysis.analysis.methods_compared.paired import verdict_of
from sapo_analysis.analysis.methods_compared.rise import _verdict
from sapo_analysis.analysis.sequences import sequence_scores
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.methods_runs import write_lora, write_promot, write_sequence

SMALL = {"n_tasks": 1, "n_prompts": 2}


def at_end(run, n_shots=0):
    """Scores of the main trials at their end, with what each trial learned."""
    scores = run.table("scores").query("trial_id.notna() and n_shots == @n_shots")
    trials = run.table("trials").query("purpose == 'main'")
    return scores.merge(trials[["trial_id", "current_task", "prompt_id", "seed"]], on="trial_id")


def t_interval(values):
    return stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))


@pytest.fixture(scope="module")
def table(pair):
    return method_table(pair)


@pytest.fixture(scope="module")
def paired(pair):
    return paired_difference(pair, "lora").set_index(["outcome", "n_shots"])


def row_of(table, name, n_shots=0, task=OVER_TASKS):
    own = table.query("name == @name and n_shots == @n_shots and tuned_task == @task")
    (row,) = own.to_dict("records")
    return row


def test_tuned_score_is_that_of_the_training_prompt_over_tasks(pair, table):
    own = at_end(pair[1]).query("eval_task == current_task and test_prompt == prompt_id")
    per_task = own.groupby("current_task")["value"].mean()
    row = row_of(table, "promot")
    assert row["tuned_score"] == pytest.approx(per_task.mean())
    assert (row["tuned_score_lower"], row["tuned_score_upper"]) == pytest.approx(
        t_interval(per_task)
    )
    assert (row["n_tasks"], row["n_prompts"], row["n_seeds"]) == (5, 3, 2)
    one = row_of(table, "promot", task="current-2")
    assert one["tuned_score"] == pytest.approx(per_task["current-2"])
    assert np.isnan(one["tuned_score_lower"]) and one["n_tasks"] == 1


@pytest.mark.parametrize("n_shots", [0, 1])
def test_averages_are_plain_means_with_original_prompts(pair, table, n_shots):
    own = at_end(pair[0], n_shots).query("test_prompt == 'original'")
    others = own.query("eval_task != current_task")
    row = row_of(table, "lora", n_shots)
    trial = others.groupby(["current_task", "trial_id"])["value"].mean()
    assert row["normalized_average_others"] == pytest.approx(
        trial.groupby("current_task").mean().mean()
    )
    trial = own.groupby(["current_task", "trial_id"])["value"].mean()
    assert row["normalized_average"] == pytest.approx(trial.groupby("current_task").mean().mean())
    assert np.isnan(row["tuned_score"]) == (n_shots == 1)  # asked with original prompts alone


def test_differences_to_the_base_model_and_where_there_are_none(table):
    # By construction 45 on current, 80 past, 50 on two unseen, 95 on the retained task.
    others = (80 + 4 * 45 + 2 * 50 + 95) / 8
    base, lora = row_of(table, BASE), row_of(table, "lora")
    assert base["tuned_score_original"] == 45 and base["normalized_average_others"] == others
    gained = lora["normalized_average_others"] - others
    assert lora["normalized_average_others_to_base"] == pytest.approx(gained)
    assert base["normalized_average"] == pytest.approx((8 * others + 45) / 9)
    # The base model was tested with original prompts alone: the past came before the others.
    assert np.isnan(base["tuned_score"]) and np.isnan(lora["tuned_score_to_base"])


def test_without_a_past_the_base_model_was_tested_with_training_prompts(tmp_path):
    run = open_run(write_lora(tmp_path, **SMALL, n_past=0, n_shots=(0,)))
    row = row_of(method_table(run), "lora")
    assert row["tuned_score_to_base"] == pytest.approx(
        row["tuned_score"] - row_of(method_table(run), BASE)["tuned_score"]
    )


def test_scores_by_task_leave_out_its_own_fine_tunes(pair):
    found = method_tasks(pair).query("n_shots == 0")
    own = at_end(pair[0]).query("eval_task == 'current-1' and test_prompt == 'original'")
    means = own.query("current_task != 'current-1'").groupby("current_task")["value"].mean()
    (row,) = found.query(
        "name == 'lora' and eval_task == 'current-1' and tuned_task == ''"
    ).to_dict("records")
    assert row["score"] == pytest.approx(means.mean()) and row["n_tasks"] == 4
    assert row["score_upper"] == pytest.approx(t_interval(means)[1])
    assert row["to_base"] == pytest.approx(means.mean() - 45)
    (single,) = found.query(
        "name == 'lora' and eval_task == 'current-1' and tuned_task == 'current-1'"
    ).to_dict("records")
    assert single["score"] == pytest.approx(
        own.query("current_task == 'current-1'")["value"].mean()
    )


def test_paired_differences_are_on_the_same_task_prompt_and_seed(pair, paired):
    one, other = (
        at_end(run).query("eval_task == current_task and test_prompt == prompt_id") for run in pair
    )
    key = ["current_task", "prompt_id", "seed"]
    both = one.merge(other, on=key, suffixes=("_lora", "_promot"))
    per_task = (both["value_promot"] - both["value_lora"]).groupby(both["current_task"]).mean()
    row = paired.loc["tuned_score", 0]
    assert row["value"] == pytest.approx(per_task.mean())
    assert (row["lower"], row["upper"]) == pytest.approx(t_interval(per_task))
    assert row["n_units"] == 5 and row["unit"] == "tuned tasks"
    assert row["own"] - row["of_reference"] == pytest.approx(row["value"])


def test_forgetting_is_read_by_role_and_its_sign_is_of_points_lost(paired):
    # Both share every random number, so the difference is the 8 points that ProMoT loses less.
    for outcome in ("forgetting_past", "forgetting_retained"):
        row = paired.loc[outcome, 0]
        assert row["value"] == pytest.approx(-8) and row["better"] == "low"
    assert paired.loc["generalization", 0]["value"] == pytest.approx(8)
    assert paired.loc["format_ratio", 0]["value"] == pytest.approx(0.3 - 0.8)
    assert set(OUTCOMES) - {"ap", "bwt", "fwt"} == set(paired.index.get_level_values(0))


def test_verdicts_say_on_which_side_the_interval_lies():
    assert verdict_of(Mean(2, 1, 3, 5), "high", "tuned tasks") == "better"
    assert verdict_of(Mean(2, 1, 3, 5), "low", "tuned tasks") == "worse"
    assert verdict_of(Mean(-2, -3, -1, 5), "low", "tuned tasks") == "better"
    assert verdict_of(Mean(2, -1, 5, 5), "high", "tuned tasks") == "unclear"
    assert verdict_of(Mean(2, np.nan, np.nan, 5), "high", "tuned tasks") == "unclear"
    assert verdict_of(Mean(2, 1, 3, 3), "high", "tuned tasks") == "too few"
    assert verdict_of(Mean(2, 1, 3, 3), "high", "orders") == "better"
    assert verdict_of(Mean(2, 1, 3, 5), "high", "seeds of one order") == "too few"


def test_sentences_tell_unit_direction_and_verdict(pair, paired):
    said = paired.loc["forgetting_past", 0]["sentence"]
    assert said.startswith("ProMoT − LoRA, forgetting on past tasks: −8.0 points lost (")
    assert "lower is better." in said and said.endswith("Unclear.")  # no spread, no interval
    assert "1-shot" in paired.loc["generalization", 1]["sentence"]


def test_no_verdict_while_a_run_is_under_way_or_of_random_weights(pair, tmp_path):
    control = open_run(write_promot(tmp_path, **SMALL, weights="random"))
    found = paired_difference([pair[0], control], "lora")
    assert set(found["verdict"]) == {""} and found["value"].notna().all()
    running = open_run(write_promot(tmp_path / "running", **SMALL, finish=False))
    found = paired_difference([pair[0], running], "lora")
    assert set(found["verdict"]) == {""}


def test_runs_are_compared_where_only_methods_differ(pair, tmp_path):
    assert [side.name for side in sides(pair)] == ["lora", "promot"]
    slow = open_run(write_promot(tmp_path, **SMALL, soft_prompt={"learning_rate": 0.05}))
    names = [side.name for side in sides([*pair, slow])]
    assert names == ["lora", f"promot in {pair[1].run_id}", f"promot in {slow.run_id}"]
    with pytest.raises(InputError, match="method or strategy of these runs 'promot'"):
        paired_difference([*pair, slow], "promot")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fingerprint": "e" * 16}, "model: "),
        ({"lora": {"r": 4}}, "lora.r: 8 and 4"),
        ({"seeds": (0, 2)}, "seeds: 0, 1 and 0, 2"),
    ],
)
def test_others_are_refused_with_the_keys_that_differ(pair, tmp_path, settings, said):
    other = open_run(write_promot(tmp_path, **SMALL, **settings))
    with pytest.raises(InputError, match=f"cannot be compared by method, they differ in {said}"):
        sides([pair[0], other])


def test_missing_intervals_of_equal_values_are_told_from_those_of_too_few(paired, chains, tmp_path):
    # Forgetting differs by 8 points in every task; the tuned scores differ from task to task.
    assert paired.loc["forgetting_past", 0]["same"] and not paired.loc["tuned_score", 0]["same"]
    own = method_table(chains)
    row = row_of(own, "original+lora")
    assert np.isnan(row["tuned_score_lower"]) and "tuned_score" in row["same"]
    alone = open_run(write_lora(tmp_path, **SMALL))
    assert row_of(method_table(alone), "lora")["same"] == ()
    assert same_in_words("tuned tasks") == "No ±: the same in every tuned task."


def test_unequal_steps_are_one_sentence(pair, chains, paired):
    said = "ProMoT took 100 optimizer steps (50 of them stage 1), LoRA 50."
    assert unequal_steps(pair) == said and set(paired["steps"]) == {said}
    assert unequal_steps(pair[0]) == ""
    assert unequal_steps(chains).count("LoRA") == 1  # not once per policy


def test_the_base_model_is_asked_with_the_training_prompts_where_it_was_measured(pair, tmp_path):
    run = open_run(write_lora(tmp_path, **SMALL, n_past=0, n_shots=(0,)))
    base = trade_off(run).iloc[0]
    assert base["tuned"] == row_of(method_table(run), BASE)["tuned_score"]
    assert base["tuned_prompts"] == "training"
    assert trade_off(pair)["tuned_prompts"].tolist() == ["original"] + ["training"] * 10


def test_runs_that_cannot_be_joined_for_their_method_are_told_where_it_is_compared(pair, tmp_path):
    asked = f"`sapo export {pair[0].run_id} {pair[1].run_id} --table method_differences`, or"
    with pytest.raises(InputError, match="differ in method: .*") as said:
        check_joinable(pair)
    assert asked in str(said.value)
    other = open_run(write_promot(tmp_path, **SMALL, lora={"r": 4}))
    with pytest.raises(InputError, match="cannot be joined") as said:
        check_joinable([pair[0], other])
    assert "method_differences" not in str(said.value)


def test_two_kinds_of_studies_are_not_compared(pair, chains):
    with pytest.raises(InputError, match="two kinds"):
        sides([pair[0], chains])
    with pytest.raises(InputError, match="No run was given"):
        sides([])


def test_curves_of_the_format(pair):
    found = format_curves(pair)
    # 0.1 at the start to 0.8 after 50 steps; to 0.3 after 50 steps of stage 1 and 50 of stage 2.
    lora = found.query("name == 'lora' and series == 'format_ratio'").set_index("step")
    assert lora["value"].to_dict() == pytest.approx({0: 0.1, 25: 0.45, 50: 0.8})
    promot = found.query("name == 'promot' and series == 'format_ratio'").set_index("step")
    assert list(promot.index) == [0, 25, 50, 75, 100] and promot.loc[50, "value"] == pytest.approx(
        0.2
    )
    assert set(promot["floor"]) == {0.05} and set(promot["first_stage_ends"]) == {50.0}
    assert lora["first_stage_ends"].isna().all()
    scores = found.query("series == 'tuned_score'")
    assert scores["floor"].isna().all()
    seen = pair[0].table("diagnostics").query("name == 'tuned_score' and step == 25")
    trials = pair[0].table("trials").query("purpose == 'main'")
    means = seen.merge(trials, on="trial_id").groupby("current_task")["value"].mean()
    row = scores.query("name == 'lora' and step == 25").iloc[0]
    assert row["value"] == pytest.approx(means.mean())
    assert (row["lower"], row["upper"]) == pytest.approx(t_interval(means))


def test_the_rise_of_the_format_ratio_is_the_last_look_minus_the_first(pair):
    found = format_rise(pair).set_index("name")
    seen = pair[0].table("diagnostics").query("name == 'format_ratio'")
    trials = pair[0].table("trials").query("purpose == 'main'")
    rows = trials.merge(seen[["trial_id", "step", "value"]], on="trial_id")
    by_task = rows.groupby(["step", "current_task"])["value"].mean()
    steps = sorted(seen["step"].unique())
    rise = by_task[steps[-1]] - by_task[steps[0]]
    assert found.loc["lora", "value"] == pytest.approx(rise.mean())
    assert found.loc["lora", "before"] == pytest.approx(by_task[steps[0]].mean())
    assert found.loc["lora", "n_units"] == len(rise)
    # Every task rises by the same here, so there is no interval and nothing is concluded.
    assert found.loc["lora", "verdict"] == "unclear"


@pytest.mark.parametrize(
    ("ends", "n", "verdict"),
    [
        ((0.1, 0.3), 5, "supported"),
        ((-0.3, -0.1), 5, "contradicted"),
        ((-0.1, 0.1), 5, "unclear"),
        ((0.1, 0.3), 3, "too few"),
    ],
)
def test_the_rise_is_judged_by_its_interval(ends, n, verdict):
    assert _verdict(Mean(0.0, *ends, n), "tuned tasks") == verdict


def test_curves_of_the_gradients(pair):
    found = alignment_curves(pair).query("name == 'lora'")
    assert list(dict.fromkeys(found["module"])) == ["q_proj", "mlp.down_proj"]
    assert found.query("module == 'q_proj'")["value"].tolist() == pytest.approx([1.0, 0.6, 0.2])
    assert set(found["floor"]) == {0.25}


def test_a_run_that_looked_at_nothing_says_how_to_look(tmp_path):
    run = open_run(write_lora(tmp_path, **SMALL, diagnostics={"every": 0}))
    with pytest.raises(InputError, match="diagnostics.every"):
        format_curves(run)
    assert set(trade_off(run)["kind"]) == {"base", "end"}


def test_other_amounts_of_looking_are_not_compared(pair, tmp_path):
    other = open_run(write_promot(tmp_path, **SMALL, diagnostics={"every": 25, "examples": 16}))
    with pytest.raises(InputError, match=r"32 examples.*16 examples"):
        format_curves([pair[0], other])


def test_trade_off_has_base_checkpoints_and_ends(pair, table):
    found = trade_off(pair)
    assert found.groupby("name")["kind"].value_counts().to_dict() == {
        **{(BASE, "base"): 1, ("lora", "checkpoint"): 3, ("lora", "end"): 1},
        **{("promot", "checkpoint"): 5, ("promot", "end"): 1},
    }
    end = found.query("name == 'promot' and kind == 'end'").iloc[0]
    of_table = row_of(table, "promot")
    assert end["tuned"] == of_table["tuned_score"]
    assert end["others"] == of_table["normalized_average_others"]
    assert end["others_lower"] == of_table["normalized_average_others_lower"]
    assert found.iloc[0][["tuned", "others"]].tolist() == [45, (80 + 4 * 45 + 2 * 50 + 95) / 8]


def test_outputs_stand_side_by_side(pair):
    found = side_by_side(pair, tuned_task="current-1", n=4)
    assert set(found["tuned_task"]) == {"current-1"} and set(found["prompt_id"]) == {"original"}
    assert list(dict.fromkeys(found["name"])) == [BASE, "lora", "promot"]
    kept = (
        pair[1]
        .table("predictions")
        .query(
            "trial_id == 't-current-1-original-0' and eval_task == 'past-0'"
            " and n_shots == 0 and example < 4"
        )
    )
    own = found.query("name == 'promot' and eval_task == 'past-0'")
    assert own["output"].tolist() == kept.sort_values("example")["output"].tolist()
    assert own["input"].iloc[1] == "text 1 of past-0" and own["gold"].iloc[1] == "yes"
    assert set(own["role"]) == {"past"}
    # The tuned task's labels are yes and no: "maybe" is none, and its own outputs are not asked.
    others = found[found["eval_task"] != "current-1"]
    assert (others["in_format"] == (others["output"] != "maybe")).all()
    assert found[found["eval_task"] == "current-1"]["in_format"].isna().all()
    with pytest.raises(InputError, match="evaluated task of these runs 'nothing'"):
        side_by_side(pair, eval_task="nothing")
    with pytest.raises(InputError, match="seed of these runs '7'"):
        side_by_side(pair, seed=7)


def test_strategies_of_a_sequence_are_compared_over_orders(chains):
    found = paired_difference(chains, "original+lora")
    assert {"sapo+lora", "original+promot", "sapo+promot"} == set(found["name"])
    promot = found.query("name == 'original+promot' and n_shots == 0").set_index("outcome")
    # Learned 2 points better; of each learned task 3 points less are lost at every later stage.
    assert promot.loc["tuned_score", "value"] == pytest.approx(2)
    assert promot.loc["forgetting_past", "value"] == pytest.approx(-3)
    # After three stages the tasks have had two, one and no stage to be forgotten in.
    assert promot.loc["ap", "value"] == pytest.approx(2 + 3 * (2 + 1 + 0) / 3)
    assert promot.loc["format_ratio", "value"] == pytest.approx(-0.4)
    assert promot.loc["ap", "unit"] == "orders" and promot.loc["ap", "n_units"] == 3
    sapo = found.query("name == 'sapo+lora' and outcome == 'ap'").iloc[0]
    per_order = [0.0, 3.0, 3.0]  # what the made-up score gives where `a` does not come first
    assert sapo["value"] == pytest.approx(np.mean(per_order))
    assert (sapo["lower"], sapo["upper"]) == pytest.approx(t_interval(per_order))


def test_the_table_of_a_sequence_reads_tasks_when_just_learned(chains):
    row = row_of(method_table(chains), "original+lora")
    # 40 + position − 1 + seed + 30, mean over positions 1 to 3 and seeds 0 and 1.
    assert row["tuned_score"] == pytest.approx(40 + 1 + 0.5 + 30)
    # The base model is one for all seeds, that of seed 0.
    assert row["tuned_score_original_to_base"] == pytest.approx(30 + 0.5)
    assert row["ap"] == pytest.approx(40 + 1 + 0.5 + 30 - 5 * (2 + 1 + 0) / 3)
    shown = row_of(method_table(chains), "original+lora", n_shots=1)
    assert shown["tuned_score_original"] == pytest.approx(row["tuned_score_original"] + 1)
    assert np.isnan(shown["tuned_score"]) and np.isnan(shown["ap"])


def test_outputs_of_chains_are_those_of_the_state_after_the_stage(chains):
    found = side_by_side(chains, tuned_task="b")
    assert set(found["order"]) == {"a > b > c"} and set(found["stage"]) == {2}
    roles = found.drop_duplicates("eval_task").set_index("eval_task")["role"].to_dict()
    assert roles == {"a": "past", "b": "current", "c": "unseen"}
    assert found.groupby("name").size().nunique() == 1


def test_few_shot_rows_change_nothing_else(tmp_path, chains):
    bare = open_run(write_sequence(tmp_path, n_shots=(0,), look=None))
    one, other = sequence_scores(bare), sequence_scores(chains)
    numbers = ["order", "strategy", "seed", "stage", "eval_task", "test_prompts", "value", "loss"]
    assert one[numbers].equals(other[numbers]) and len(one) > 100
    assert sequence_scores(bare, 1).empty
    assert set(sequence_scores(chains, 1)["test_prompts"]) == {"original"}


def test_a_table_of_one_task_has_no_interval(tmp_path):
    run = open_run(write_lora(tmp_path, **SMALL))
    row = row_of(method_table(run), "lora")
    assert np.isnan(row["tuned_score_lower"]) and row["tuned_score"] > 0
    assert isinstance(method_table(run), pd.DataFrame)
