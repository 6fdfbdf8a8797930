"""Comparison at equal steps and at equal dev loss, against places worked out by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import (
    impacts,
    matched_comparison,
    prompts_table,
    report,
    within_task_correlation,
)
from sapo_analysis.analysis.confounding.matched import crossing
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import open_run
from tests.synthetic import STEPS, write_run
from tests.watched import Look, rewrite, write_watched_run

# Dev losses of six prompts at steps 0, 10, 20, 50; the lowest are .2 .5 .4 .6 .3 .55: level .6.
LOSSES = [
    [2.0, 1.0, 0.6, 0.2],  # at the level exactly at step 20
    [1.5, 1.2, 0.8, 0.5],  # 2/3 of the way from 20 to 50
    [3.0, 2.0, 1.0, 0.4],  # 2/3 of the way from 20 to 50
    [1.0, 0.9, 0.6, 0.75],  # comes no lower than at step 20, which decides the level
    [0.7, 0.5, 0.9, 0.3],  # first after half of the way from 0 to 10, though it rises again
    [0.55, 0.7, 0.8, 0.58],  # is below it before it is trained
]
PLACES = [(2, 3, 0), (2, 3, 2 / 3), (2, 3, 2 / 3), (2, 3, 0), (0, 1, 1 / 2), (0, 1, 0)]
MEASURED = [0, 10, 20, STEPS]
LEVEL = 0.6


def share(i, at):
    """Of the final change, prompt `i` has made so much at the `at`-th measurement."""
    return (0, 0.1 + 0.05 * i, 0.4 - 0.1 * (i % 3), 1)[at]


def norm(i, at):
    return (0, 1 + i, 2 + 1.5 * i, 4 + i)[at]


def look(i, seed, step, shift=0.0):
    at = MEASURED.index(step)
    return Look(LOSSES[i][at] + shift * seed, norm(i, at), share(i, at))


def between(i, value):
    """A value of prompt `i` where it first reaches the level."""
    before, after, part = PLACES[i]
    return (1 - part) * value(i, before) + part * value(i, after)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = write_watched_run(
        tmp_path_factory.mktemp("runs"), look, n_prompts=6, n_tasks=3, noise_seeds=[7]
    )
    return open_run(path)


@pytest.fixture(scope="module")
def found(run):
    return matched_comparison(run, y="forgetting", role="past", n_permutations=99)


@pytest.mark.parametrize("i", range(6))
def test_a_loss_curve_meets_the_level_where_worked_out_by_hand(i):
    before, after, part = PLACES[i]
    at = crossing(np.array(LOSSES[i]), LEVEL)
    assert at == pytest.approx(before + part * (after - before))


def test_a_level_that_is_never_reached_has_no_place():
    assert math.isnan(crossing(np.array([3.0, 2.0, 1.0]), 0.9))
    assert crossing(np.array([3.0, 2.0, 2.0]), 2.0) == 1.0


def test_the_table_holds_both_sides_of_every_prompt(run, found):
    points = prompts_table(impacts(run), "forgetting", "past").set_index(
        ["current_task", "prompt_id"]
    )
    table = found.table.set_index(["current_task", "prompt_id"])
    assert len(table) == len(points) == 18
    for (task, prompt), row in table.iterrows():
        i = 0 if prompt == "original" else int(prompt[-2:])
        point = points.loc[(task, prompt)]
        assert row["pre_update_loss"] == point["pre_update_loss"]
        assert row["outcome_at_equal_steps"] == pytest.approx(point["forgetting"])
        assert row["outcome_at_equal_loss"] == pytest.approx(
            point["forgetting"] * between(i, share)
        )
        assert (row["steps_taken_at_equal_steps"], row["dev_loss_at_equal_steps"]) == (
            STEPS,
            LOSSES[i][3],
        )
        assert row["delta_norm_at_equal_steps"] == norm(i, 3)
        assert row["delta_norm_at_equal_loss"] == pytest.approx(between(i, norm))
        steps = between(i, lambda _, at: MEASURED[at])
        assert row["steps_taken_at_equal_loss"] == pytest.approx(steps)
        # The one that was below from the start is taken as it was before it moved.
        reached = 0.55 if i == 5 else LEVEL
        assert row["dev_loss_at_equal_loss"] == pytest.approx(reached)
        assert (row["n_seeds"], row["unit"]) == (1, "points (0 to 100)")


def test_estimates_are_correlations_over_the_tables_points(run, found):
    table = found.table.rename(columns={"outcome_at_equal_loss": "y", "pre_update_loss": "x"})
    by_hand = within_task_correlation(table, "x", "y", n_permutations=99)
    assert found.equal_loss.value == pytest.approx(by_hand.value)
    assert (found.equal_loss.lower, found.equal_loss.upper) == pytest.approx(
        (by_hand.lower, by_hand.upper)
    )
    assert found.equal_loss.p == by_hand.p
    assert found.equal_loss.method.startswith("at the in-task dev loss that all prompts reach: ")
    at_end = within_task_correlation(impacts(run), y="forgetting", role="past", n_permutations=99)
    assert found.primary.value == at_end.value and found.primary.p == at_end.p
    assert found.primary.method == f"after {STEPS} steps: {at_end.method}"
    assert found.equal_loss.value != pytest.approx(at_end.value, abs=1e-3)
    assert list(found.equal_steps) == [10, 20, STEPS]
    early = within_task_correlation(
        impacts(run, step=10), y="forgetting", role="past", n_permutations=99
    )
    assert found.equal_steps[10].value == early.value != at_end.value
    assert "cannot support the claim alone" in found.note
    assert found.left_out == ()


def test_impacts_after_a_checkpoint_are_their_share_of_the_end(run):
    end, early = impacts(run), impacts(run, step=20)
    keys = ["trial_id", "eval_task", "score_before", "loss_before"]
    pd.testing.assert_frame_equal(early[keys], end[keys])
    numbers = [0 if p == "original" else int(p[-2:]) for p in end["prompt_id"]]
    shares = np.array([share(i, 2) for i in numbers])
    for column in ("score_change", "loss_change", "forgetting", "generalization_loss"):
        assert early[column].to_numpy() == pytest.approx(end[column] * shares, nan_ok=True)
    assert set(early["purpose"]) == {"main", "noise"}
    with pytest.raises(InputError, match=r"no scores after 15 steps. Measured after: 10, 20, 50"):
        impacts(run, step=15)


def test_the_level_is_each_tasks_and_seeds_own(tmp_path):
    # Seed 1 is 0.2 nats above seed 0 everywhere, so its level is too, and every place the same.
    path = write_watched_run(
        tmp_path, lambda i, s, step: look(i, s, step, 0.2), n_prompts=6, n_tasks=1, seeds=[0, 1]
    )
    table = matched_comparison(open_run(path), role="past", n_permutations=0).table
    assert list(table["n_seeds"]) == [2] * 6
    for i, row in enumerate(table.sort_values("prompt_id").itertuples()):
        assert row.steps_taken_at_equal_loss == pytest.approx(
            between(i, lambda _, at: MEASURED[at])
        )
        assert row.dev_loss_at_equal_loss == pytest.approx((0.55 if i == 5 else LEVEL) + 0.1)


def test_joined_runs_share_one_level(tmp_path):
    settings = {"n_tasks": 1, "n_prompts": 6}
    both = [
        open_run(write_watched_run(tmp_path, look, seeds=[seed], name=f"part-{seed}", **settings))
        for seed in (0, 1)
    ]
    whole = open_run(write_watched_run(tmp_path, look, seeds=[0, 1], name="whole", **settings))
    joined = matched_comparison(both, role="past", scope="these_tasks", n_permutations=9)
    alone = matched_comparison(whole, role="past", scope="these_tasks", n_permutations=9)
    pd.testing.assert_frame_equal(joined.table, alone.table)
    assert joined.equal_loss == alone.equal_loss
    assert matched_comparison([whole, both[0]], role="past", n_permutations=9).table.equals(
        alone.table
    )


def test_prompts_of_another_run_raise_the_level_of_this_one(tmp_path):
    """A trial of the second run alone never comes below 0.6; the first run's trials meet it too."""
    few = open_run(write_watched_run(tmp_path, look, n_prompts=3, n_tasks=1, name="few"))
    all_of_them = open_run(write_watched_run(tmp_path, look, n_prompts=6, n_tasks=1, name="all"))
    own = matched_comparison(few, role="past", n_permutations=0).table
    # The first three alone come down to .5: prompt 1 at its end.
    assert own.set_index("prompt_id")["steps_taken_at_equal_loss"]["para-01"] == STEPS
    joined = matched_comparison([few, all_of_them], role="past", n_permutations=0).table
    assert joined.set_index("prompt_id")["steps_taken_at_equal_loss"]["para-01"] == pytest.approx(
        40
    )


def test_a_diverged_trial_is_named_and_decides_no_level(tmp_path):
    path = write_watched_run(
        tmp_path, look, n_prompts=6, n_tasks=1, diverged=["t-current-0-para-03-0"]
    )
    found = matched_comparison(open_run(path), role="past", n_permutations=0)
    assert found.left_out == (
        "trial t-current-0-para-03-0 (current-0, prompt para-03, seed 0) diverged",
    )
    assert "para-03" not in set(found.table["prompt_id"]) and len(found.table) == 5
    # Without it the level is .55, which prompt 3 would not have reached.
    assert found.table["dev_loss_at_equal_loss"].to_numpy() == pytest.approx(0.55)


def test_outcomes_of_other_forms_and_roles_and_one_task(run):
    loss = matched_comparison(run, y="generalization_loss", role="unseen", n_permutations=0)
    assert set(loss.table["unit"]) == {"nats per target token"}
    for row in loss.table.itertuples():
        i = 0 if row.prompt_id == "original" else int(row.prompt_id[-2:])
        reached = row.outcome_at_equal_steps * between(i, share)
        assert row.outcome_at_equal_loss == pytest.approx(reached, abs=1e-12)
    one = matched_comparison(
        run, y="generalization_loss", role="unseen", eval_task="unseen-1", n_permutations=0
    )
    points = prompts_table(impacts(run), "generalization_loss", "unseen", eval_task="unseen-1")
    assert list(one.table["outcome_at_equal_steps"]) == pytest.approx(
        list(points["generalization_loss"])
    )
    assert list(one.table["outcome_at_equal_steps"]) != list(loss.table["outcome_at_equal_steps"])
    ranks = matched_comparison(run, role="past", scope="these_tasks", statistic="spearman")
    assert ranks.equal_loss.statistic == "spearman" and ranks.equal_loss.scope == "these_tasks"
    with pytest.raises(InputError, match="several roles"):
        matched_comparison(run, y="forgetting")


def test_where_nothing_has_moved_yet_the_table_keeps_its_other_side(tmp_path):
    """Two metrics: outcomes are divided by their spread, and at the start there is none."""

    def stuck(i, seed, step):
        return Look(1.0 + step, 0.1 * step, step / STEPS)  # the dev loss only rises

    path = write_watched_run(
        tmp_path,
        stuck,
        n_prompts=5,
        n_tasks=1,
        metrics={"unseen-0": "token_f1", "unseen-1": "exact_match"},
    )
    found = matched_comparison(open_run(path), "generalization", "unseen", n_permutations=0)
    assert len(found.table) == 5
    assert found.table["outcome_at_equal_loss"].isna().all()
    assert found.table["outcome_at_equal_steps"].notna().all()
    # Sizes keep their own units where outcomes are taken in standard deviations.
    assert (found.table["delta_norm_at_equal_steps"] == 0.1 * STEPS).all()
    assert (found.table["steps_taken_at_equal_steps"] == STEPS).all()
    assert (found.table["steps_taken_at_equal_loss"].fillna(0) == 0).all()
    assert math.isnan(found.equal_loss.value)
    assert "no evaluated task differs between prompts" in found.equal_loss.method
    one_metric = matched_comparison(open_run(path), role="past", n_permutations=0)
    assert (one_metric.table["steps_taken_at_equal_loss"] == 0).all()
    assert (one_metric.table["outcome_at_equal_loss"] == 0).all()
    assert "forgetting is the same for every prompt" in one_metric.equal_loss.method


def test_a_run_without_checkpoints_says_how_to_get_them(synthetic):
    with pytest.raises(InputError, match=r"has no checkpoints.*--set 'evaluation.checkpoints="):
        matched_comparison(synthetic, role="past")


def test_a_run_whose_trials_are_all_to_come_has_nothing_to_compare(tmp_path):
    diverged = [f"t-current-0-{p}-0" for p in ("original", "para-01")]
    path = write_watched_run(tmp_path, look, n_prompts=2, n_tasks=1, diverged=diverged)
    with pytest.raises(InputError, match="no trial is finished yet"):
        matched_comparison(open_run(path), role="past")


@pytest.mark.parametrize("series", ["dev_loss", "delta_norm"])
def test_a_missing_look_is_an_error_that_names_run_trial_and_step(tmp_path, series):
    path = write_watched_run(tmp_path, look, n_prompts=4, n_tasks=1)
    trial = "t-current-0-para-02-0"

    def without(table):
        gone = (table["trial_id"] == trial) & (table["step"] == 20) & (table["series"] == series)
        return table[~gone]

    rewrite(path, "curves", without)
    with pytest.raises(RunError, match=rf"{path.name}: trial {trial} has no {series} after 20"):
        matched_comparison(open_run(path), role="past")


def test_missing_scores_are_errors_and_never_those_of_a_checkpoint(tmp_path):
    path = write_watched_run(tmp_path, look, n_prompts=4, n_tasks=1)
    trial = "t-current-0-para-02-0"
    rewrite(
        path,
        "scores",
        lambda table: table[(table["trial_id"] != trial) | (table["step"] != STEPS)],
    )
    run = open_run(path)
    with pytest.raises(RunError, match=f"trial {trial} has no score after 50 steps"):
        impacts(run)
    rewrite(
        path, "scores", lambda table: table[(table["trial_id"] != trial) | (table["step"] != 10)]
    )
    with pytest.raises(RunError, match=f"trial {trial} has no score after 10 steps"):
        impacts(open_run(path), step=10)


def test_the_report_has_a_matched_section_for_runs_with_checkpoints_alone(run, tmp_path):
    document = report(run, n_permutations=9)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    matched = document["matched"]
    assert len(matched["outcomes"]) == 3 * 2 * 2  # outcomes, forms, scopes
    wanted = matched_comparison(
        run, y="forgetting_loss", role="retained", scope="these_tasks", n_permutations=9
    ).to_dict()
    (row,) = [
        row
        for row in matched["outcomes"]
        if (row["quantity"], row["role"], row["scope"])
        == ("forgetting_loss", "retained", "these_tasks")
    ]
    assert {key: row[key] for key in ("equal_steps", "equal_loss")} == {
        key: wanted[key] for key in ("equal_steps", "equal_loss")
    }
    assert matched["note"] == wanted["note"] and matched["left_out"] == []
    assert len(matched["progress"]) == 18
    row = next(
        r
        for r in matched["progress"]
        if (r["current_task"], r["prompt_id"]) == ("current-1", "para-01")
    )
    assert row["steps_taken_at_equal_loss"] == pytest.approx(40)
    assert row["delta_norm_at_equal_steps"] == norm(1, 3)
    json.dumps(wanted, allow_nan=False)
    plain = report(open_run(write_run(tmp_path, n_tasks=1, n_prompts=4)), n_permutations=0)
    assert "matched" not in plain


def test_estimates_at_the_end_are_those_of_a_run_without_checkpoints(run, tmp_path):
    bare = open_run(write_run(tmp_path, n_tasks=3, n_prompts=6, noise_seeds=[7]))
    columns = [c for c in impacts(run).columns if c != "run_id"]
    pd.testing.assert_frame_equal(impacts(run)[columns], impacts(bare)[columns])
