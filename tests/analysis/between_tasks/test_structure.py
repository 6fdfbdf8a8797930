"""Claim 2 taken apart, on tables whose parts are known."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis.between_tasks.structure import cross_task_structure, not_of_prompts
from sapo_analysis.analysis.claim_values import mean_pair_correlations
from sapo_analysis.analysis.claims import claims
from sapo_analysis.analysis.estimate import SCOPES
from sapo_analysis.analysis.prompt_means import cells_of
from sapo_analysis.errors import InputError


def table_of(values, tasks=None, others=None):
    """An impacts table of [current tasks, other tasks, prompts, seeds], in points."""
    values = np.asarray(values, dtype=float)
    k, v, p, s = values.shape
    names = (
        tasks or [f"task-{i:02d}" for i in range(k)],
        others or [f"other-{i:02d}" for i in range(v)],
        [f"p{i:02d}" for i in range(p)],
        range(s),
    )
    index = pd.MultiIndex.from_product(
        names, names=["current_task", "eval_task", "prompt_id", "seed"]
    )
    table = pd.DataFrame({"impact": values.ravel()}, index).reset_index()
    table["impact_loss"] = table["impact"] / 50
    return table.assign(role="unseen", purpose="main")


def simulated(seed, k=6, v=6, p=12, s=3, common=0.0, own=0.0, shared=0.0, noise=0.5):
    """sd of effects of prompts, common and each task's own, and of noise, of the trial and own."""
    rng = np.random.default_rng(seed)
    y = common * rng.normal(size=(k, 1, p, 1)) + own * rng.normal(size=(k, v, p, 1))
    return table_of(
        y + shared * rng.normal(size=(k, 1, p, s)) + noise * rng.normal(size=(k, v, p, s))
    )


def as_claim(table):
    """With rows of the current tasks themselves, as `claims` needs them."""
    own = table.drop_duplicates(["current_task", "prompt_id", "seed"]).copy()
    own["eval_task"], own["role"] = own["current_task"], "current"
    own[["impact", "impact_loss"]] = np.nan
    whole = pd.concat([table, own], ignore_index=True)
    whole[["generalization", "generalization_loss"]] = whole[["impact", "impact_loss"]]
    return whole.assign(pre_update_loss=1.0, score_after=1.0, loss_after=1.0)


def judged(table):
    return [v for v in claims(as_claim(table), n_permutations=0) if v.claim == "claim_2"]


@pytest.fixture(scope="module")
def noise_alone():
    return simulated(0, shared=1.0)


def test_parts_add_up_everywhere(df):
    found = cross_task_structure(df, n_permutations=0)
    for scope in ("new_tasks", "these_tasks"):
        parts = found.prompt[scope].value + found.seed[scope].value
        assert parts == pytest.approx(found.raw[scope].value, abs=1e-12)
    for raw, prompt, seed, table in (
        ("raw", "prompt", "seed", found.tasks),
        ("r", "r_prompt", "r_seed", found.pairs),
    ):
        assert (table[prompt] + table[seed]).tolist() == pytest.approx(table[raw].tolist())


@pytest.mark.parametrize("form", ["score", "loss"])
def test_raw_is_the_mean_r_of_the_values_that_claim_2_is_of(df, form):
    found = cross_task_structure(df, form, n_permutations=0)
    cells = cells_of(df, "impact" if form == "score" else "impact_loss", any_role=True).tasks
    assert found.tasks["current_task"].tolist() == list(cells)
    for cell, raw in zip(cells.values(), found.tasks["raw"], strict=True):
        r = np.corrcoef(cell.y)
        assert raw == pytest.approx(np.mean(r[np.triu_indices(len(r), k=1)]))
    values, errors = found.tasks["raw"], found.tasks["raw_error"]
    new, these = found.raw["new_tasks"], found.raw["these_tasks"]
    # t(0.975, 4) = 2.776.
    assert new.upper - new.value == pytest.approx(2.7764 * values.std() / math.sqrt(5), rel=1e-4)
    assert these.value - these.lower == pytest.approx(1.96 * math.sqrt((errors**2).sum()) / 5)
    assert (new.n_tasks, new.n_prompts, new.n_seeds, new.unit) == (5, 12, 2, these.unit)


def test_two_others_four_prompts_and_two_seeds_by_hand():
    # Prompts' means and half the difference of seeds: products 12 and 4, squares 20 and 4, 8.
    means = np.array([[3.0, 1, -1, -3], [1.0, 3, -3, -1]])
    halves = np.array([[1.0, -1, 1, -1], [2.0, -2, 0, 0]])
    found = cross_task_structure(
        table_of([np.stack([means + halves + 7, means - halves], axis=2)]), n_permutations=0
    )
    assert found.raw["these_tasks"].value == pytest.approx(0.6)
    assert found.seed["these_tasks"].value == pytest.approx(0.2 / 3)
    assert found.seed_alone == pytest.approx(math.sqrt(0.5))
    assert found.tasks.loc[0, "seed_alone"] == pytest.approx(math.sqrt(0.5))
    pair = found.pairs.iloc[0]
    assert pair["corrected"] == pytest.approx((1.6 / 3) / math.sqrt((2.8 / 3) * (2.6 / 3)))
    assert (pair["task_i"], pair["task_j"], pair["n_current_tasks"]) == ("other-00", "other-01", 1)
    assert found.first_component.share == pytest.approx(0.8)
    assert math.isnan(found.raw["new_tasks"].lower)


def test_noise_of_one_trial_is_no_structure_of_prompts_and_is_warned_of(noise_alone):
    found = {form: cross_task_structure(noise_alone, form, 999) for form in ("score", "loss")}
    score = found["score"]
    assert score.raw["new_tasks"].lower > 0.5
    assert score.prompt["new_tasks"].lower < 0 < score.prompt["new_tasks"].upper
    assert score.prompt["new_tasks"].p > 0.1
    assert score.null_lower < score.prompt["new_tasks"].value < score.null_upper
    error = (score.prompt["these_tasks"].upper - score.prompt["these_tasks"].value) / 1.96
    assert score.null_lower / error == pytest.approx(-2, abs=1)
    assert score.null_upper / error == pytest.approx(2, abs=1)
    assert math.isnan(score.raw["new_tasks"].p) and math.isnan(score.seed["new_tasks"].p)
    assert score.seed_alone == pytest.approx(0.8, abs=0.05)
    verdicts = judged(noise_alone)
    assert all(v.estimate.lower > 0 for v in verdicts)
    for v in verdicts:
        assert v.verdict == "unclear"
        assert v.reason.endswith(f"but {not_of_prompts(found[v.form], v.scope, 1)}.")


def test_effects_of_prompts_are_found_at_their_size_and_not_warned_of():
    table = simulated(1, k=8, v=8, p=24, common=1.0, own=0.5, shared=0.5)
    found = {form: cross_task_structure(table, form, 999) for form in ("score", "loss")}
    part = found["score"].prompt["new_tasks"]
    assert part.lower < 1 / (1 + 0.25 + 0.5 / 3) < part.upper
    assert part.value == pytest.approx(0.706, abs=0.08)
    assert part.p == pytest.approx(2 / 1000)
    assert part.value > found["score"].null_upper
    assert found["score"].pairs["corrected"].mean() == pytest.approx(1 / 1.25, abs=0.08)
    assert found["score"].first_component.share > found["score"].first_component.expected_upper
    assert not any(not_of_prompts(found[form], scope, 1) for form in found for scope in SCOPES)
    assert {v.verdict for v in judged(table)} == {"supported"}


@pytest.mark.parametrize(
    ("sign", "part", "alone", "said"),
    [
        (1, (0.02, -0.05, 0.09), 0.1, "the part of r that prompts make is +0.02, interval −0.05"),
        (1, (0.02, -0.05, 0.09), 0.35, "the seed alone would give +0.35"),
        (1, (0.2, 0.1, 0.3), 0.35, ""),
        (1, (0.2, math.nan, math.nan), 0.25, "+0.20, without an interval"),
        (1, (math.nan,) * 3, math.nan, "cannot be told without two seeds"),
        (1, (-0.2, -0.3, -0.1), 0.1, "prompts make is −0.20"),
        (-1, (-0.02, -0.05, 0.09), 0.1, "prompts make is −0.02"),
        (-1, (-0.2, -0.3, -0.1), 0.1, ""),
    ],
)
def test_r_that_prompts_may_have_no_part_in_is_not_theirs(noise_alone, sign, part, alone, said):
    structure = cross_task_structure(noise_alone, n_permutations=0)
    value, lower, upper = part
    own = replace(structure.prompt["these_tasks"], value=value, lower=lower, upper=upper)
    structure = replace(
        structure, prompt={**structure.prompt, "these_tasks": own}, seed_alone=alone
    )
    found = not_of_prompts(structure, "these_tasks", sign)
    assert said in found and bool(found) == bool(said)


def test_pairs_are_means_over_the_current_tasks_that_have_both(df):
    found = cross_task_structure(df, n_permutations=0).pairs
    main = df[(df["purpose"] == "main") & (df["role"] != "current")]
    for row in found.sample(6, random_state=0).itertuples():
        r = []
        for _, part in main.groupby("current_task"):
            wide = part.pivot_table("impact", "prompt_id", "eval_task")
            if {row.task_i, row.task_j} <= set(wide):
                r.append(wide[row.task_i].corr(wide[row.task_j]))
        assert (row.r, row.n_current_tasks) == (pytest.approx(np.mean(r)), len(r))
    assert (found["task_i"] < found["task_j"]).all()
    assert len(found) == 9 * 8 / 2


def test_a_pair_that_no_current_task_has_is_nan_and_left_out_of_the_clusters():
    rng = np.random.default_rng(2)
    one = table_of(rng.normal(size=(1, 3, 8, 2)), ["b"], ["a", "c", "d"])
    other = table_of(rng.normal(size=(1, 3, 8, 2)), ["a"], ["b", "c", "d"])
    found = cross_task_structure(pd.concat([one, other]), n_permutations=0)
    missing = found.pairs.set_index(["task_i", "task_j"]).loc[("a", "b")]
    assert missing["n_current_tasks"] == 0 and missing.drop("n_current_tasks").isna().all()
    assert found.clusters.left_out == ["a"]
    assert sorted(found.clusters.order) == ["b", "c", "d"]


def test_prompts_that_move_a_task_no_more_than_seeds_do_leave_nothing_to_correct():
    values = np.random.default_rng(3).normal(size=(1, 3, 8, 2))
    # The two seeds of this one cancel: its means hardly differ, and what differs is noise.
    values[0, 0, :, 1] = 0.1 * values[0, 0, :, 1] - values[0, 0, :, 0]
    found = cross_task_structure(table_of(values), n_permutations=0).pairs
    has_it = found["task_i"] == "other-00"
    assert found.loc[has_it, "corrected"].isna().all()
    assert found["r"].notna().all()


def test_with_one_seed_raw_is_there_and_the_parts_are_labelled_nan():
    table = simulated(4, s=1)
    found = cross_task_structure(table)
    assert found.raw["new_tasks"].n_tasks == 6 and math.isfinite(found.raw["new_tasks"].upper)
    for part in (found.prompt, found.seed):
        for estimate in part.values():
            assert all(math.isnan(x) for x in (estimate.value, estimate.lower, estimate.upper))
            assert "cannot be told; one seed" in estimate.method
            assert (estimate.n_tasks, estimate.n_seeds) == (0, 1)
    assert all(
        math.isnan(x) for x in (found.prompt["new_tasks"].p, found.null_lower, found.seed_alone)
    )
    assert math.isfinite(found.first_component.expected)
    assert found.pairs["r"].notna().all() and found.pairs["corrected"].isna().all()


def test_a_task_with_one_seed_is_left_out_where_others_have_two():
    table = simulated(5, k=4, s=2)
    less = table[(table["current_task"] != "task-01") | (table["seed"] == 0)]
    found = cross_task_structure(less, n_permutations=0)
    assert found.excluded == {"task-01": "one seed that all prompts share, two are needed"}
    assert "Left out: task-01: one seed" in found.raw["new_tasks"].method
    rest = cross_task_structure(table[table["current_task"] != "task-01"], n_permutations=0)
    assert found.raw["new_tasks"].value == rest.raw["new_tasks"].value


def test_tasks_are_left_out_as_claim_2_leaves_them_out():
    table = simulated(6, k=5, v=4)
    of = table.groupby("current_task").indices
    few = ~((table["current_task"] == "task-00") & (table["prompt_id"] > "p02"))
    table.iloc[of["task-01"], table.columns.get_loc("impact")] = 5.0
    one_moves = (table["current_task"] == "task-02") & (table["eval_task"] != "other-03")
    table.loc[one_moves, "impact"] = (table["prompt_id"] == "p03").astype(float)
    no_shared = (table["current_task"] == "task-03") & (
        table["seed"].astype(str) == table["prompt_id"].str[-1]
    )
    table = table[few & ~no_shared]
    found = cross_task_structure(table, n_permutations=9)
    assert found.excluded == mean_pair_correlations(table, "score").excluded
    assert len(found.excluded) == 4
    assert found.tasks["current_task"].tolist() == ["task-04"]


def test_missing_scores_and_repeats_of_a_noise_trial_enter_nothing():
    table = simulated(7, s=3)
    whole = cross_task_structure(table[table["seed"] < 2], n_permutations=99)
    holes = table.copy()
    holes.loc[(holes["seed"] == 2) & (holes["prompt_id"] == "p04"), "impact"] = np.nan
    noise = table[table["seed"] == 0].assign(seed=9, purpose="noise")
    found = cross_task_structure(pd.concat([holes, noise]), n_permutations=99)
    assert found.to_dict() == whole.to_dict()


def test_a_task_that_one_trial_was_not_evaluated_on_is_no_other_task():
    table = simulated(10, s=2)
    trial = (table["prompt_id"] == "p05") & (table["seed"] == 1)
    holes = table[~(trial & (table["eval_task"] == "other-02"))]
    found = cross_task_structure(holes, n_permutations=9)
    without = cross_task_structure(table[table["eval_task"] != "other-02"], n_permutations=9)
    assert found.to_dict() == without.to_dict()


def test_numbers_depend_on_neither_the_order_of_rows_nor_chance():
    table = simulated(8, k=2, s=2)
    once = cross_task_structure(table, n_permutations=99, seed=3)
    again = cross_task_structure(table.sample(frac=1, random_state=0), n_permutations=99, seed=3)
    assert again.to_dict() == once.to_dict()
    other = cross_task_structure(table, n_permutations=99, seed=4)
    assert other.prompt["new_tasks"].p != once.prompt["new_tasks"].p
    assert other.n_permutations == 99


def test_without_shuffles_there_is_no_p(noise_alone):
    found = cross_task_structure(noise_alone, n_permutations=0)
    chances = (found.prompt["new_tasks"].p, found.null_lower, found.null_upper)
    assert all(math.isnan(x) for x in (*chances, found.first_component.expected))
    assert found.n_permutations == 0
    assert math.isfinite(found.prompt["new_tasks"].upper)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_with_nothing_to_correlate_gives_nan(rows):
    found = cross_task_structure(simulated(9).iloc[:rows])
    assert math.isnan(found.raw["new_tasks"].value) and math.isnan(found.first_component.share)
    assert found.tasks.empty and found.pairs.empty and found.clusters.merges == []
    assert len(found.excluded) == rows
    assert list(found.pairs) == [
        *("task_i", "task_j", "r", "r_prompt", "r_seed", "corrected", "n_current_tasks")
    ]
    json.dumps(found.to_dict(), allow_nan=False)


def test_it_is_plain_data(noise_alone):
    document = cross_task_structure(noise_alone, n_permutations=9).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["prompt"]["new_tasks"]["level"] == "within_task"
    assert len(document["pairs"]) == 15 and len(document["tasks"]) == 6
    assert document["tasks"][0]["n_others"] == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="impact"), "Unknown column 'impact'"),
        (lambda t: t.drop(columns="eval_task"), "Unknown column 'eval_task'"),
        (lambda t: t.drop(columns="prompt_id"), "Unknown column 'prompt_id'"),
        (lambda t: t.drop(columns="current_task"), "Unknown column 'current_task'"),
        (lambda t: t.assign(impact="high"), "not numeric"),
        (lambda t: t.assign(impact=np.inf), "infinite value"),
        (lambda t: pd.concat([t, t]), "Two rows hold 'impact'"),
        (lambda t: t.to_dict(), "A table"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(noise_alone, change, message):
    with pytest.raises(InputError, match=message):
        cross_task_structure(change(noise_alone))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "both"}, "Unknown form 'both'"),
        ({"n_permutations": -1}, "n_permutations is -1"),
        ({"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_bad_arguments_are_refused(noise_alone, options, message):
    with pytest.raises(InputError, match=message):
        cross_task_structure(noise_alone, **options)


def test_prompts_that_all_say_the_same_have_a_null_without_bounds(df):
    two = (df["prompt_id"] < "para-05").astype(float)
    found = cross_task_structure(df.assign(impact=two / 3), n_permutations=99)
    assert found.prompt["new_tasks"].value == pytest.approx(1)
    assert np.isnan([found.null_lower, found.null_upper]).all()
