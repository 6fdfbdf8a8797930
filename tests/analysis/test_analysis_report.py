import json
from dataclasses import replace

import numpy as np
import pytest

from sapo_analysis.analysis import (
    claim_1_from_the_seed_alone,
    claims,
    impacts,
    past_gains,
    report,
    rivals,
    tasks_table,
    training_check,
    within_task_correlation,
)
from sapo_analysis.analysis.cautions import claim_1_warnings
from sapo_analysis.analysis.trust import UNEQUAL_LEARNING, trust
from sapo_analysis.store import create_run, open_run
from tests.synthetic import Truth, study_of, write_run


@pytest.fixture(scope="module")
def document(synthetic):
    return report(synthetic, n_permutations=99)


def test_it_is_json_without_nan_and_the_same_every_time(synthetic, document):
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert report(synthetic, n_permutations=99) == document


def test_estimates_are_those_of_the_functions(df, document):
    found = [
        e
        for e in document["estimates"]
        if (e["y"], e["role"], e["level"], e["scope"], e["statistic"])
        == ("forgetting_loss", "retained", "within_task", "these_tasks", "spearman")
    ]
    assert len(found) == 1
    assert (
        found[0]
        == within_task_correlation(
            df,
            y="forgetting_loss",
            role="retained",
            scope="these_tasks",
            statistic="spearman",
            n_permutations=99,
        ).to_dict()
    )
    # 3 outcomes x 2 forms x 2 statistics x (2 scopes + 5 tasks + pooled)
    assert len(document["estimates"]) == 3 * 2 * 2 * 8


def test_counts_spreads_and_noise_floor(df, document):
    assert (document["n_trials"], document["n_main_trials"], document["n_diverged"]) == (
        160,
        120,
        0,
    )
    assert (document["state"], document["model"]["n_parameters"]) == ("done", 3_000_000)
    main = df[(df["purpose"] == "main") & (df["role"] == "current")]
    mine = main[main["current_task"] == "current-0"].groupby("prompt_id")["score_after"].mean()
    row = next(r for r in document["in_task"] if r["task"] == "current-0")
    assert (row["mean"], row["sd"]) == pytest.approx((mine.mean(), mine.std(ddof=1)))
    noise = df[(df["purpose"] == "noise") & (df["role"] == "past")]
    variances = noise.groupby(["current_task", "prompt_id"])["forgetting"].var(ddof=1)
    floor = next(r for r in document["noise_floor"] if r["quantity"] == "forgetting")
    assert floor["sd"] == pytest.approx(np.sqrt(variances.mean()))
    assert floor["n"] == 5 * 2 * 4
    assert len(document["verdicts"]) == 20 and document["no_verdict"] is None
    assert document["definitions"]["forgetting"]["score_form"] == "-(score after - score before)"
    assert len(document["cross_task_correlation"]) == 2 * 36
    by_chance = document["claim_1_from_the_seed_alone"]
    assert by_chance == claim_1_from_the_seed_alone(df) and by_chance["score"] > 0
    judged = claims(df, n_permutations=0)
    assert document["warnings"] == claim_1_warnings(judged, by_chance) != []


def test_claim_1_is_held_against_the_seed_alone_on_both_sides(df):
    (one, *_) = [v for v in claims(df, n_permutations=0) if v.claim == "claim_1"]
    e = one.estimate
    for verdict, chance, warned in (
        ("supported", e.lower, True),
        ("supported", e.lower - 0.01, False),
        ("contradicted", e.upper, True),
        ("contradicted", e.upper + 0.01, False),
        ("unclear", e.value, False),
    ):
        found = claim_1_warnings([replace(one, verdict=verdict)], {one.form: chance})
        assert bool(found) == warned, (verdict, chance)
        assert all(f"is {verdict}" in text for text in found)


def test_tasks_and_training_are_those_of_the_tables(synthetic, df, document):
    rows = [r for r in document["tasks"] if (r["quantity"], r["role"]) == ("forgetting", "past")]
    mine = tasks_table(df, "forgetting", "past", predicted=1).to_dict("records")
    assert [row["current_task"] for row in rows] == [f"current-{i}" for i in range(5)]
    for row, expected in zip(rows, mine, strict=True):
        assert {**expected, "quantity": "forgetting", "role": "past"} == row
    unseen = [r for r in document["tasks"] if r["quantity"] == "generalization"]
    assert all(row["holds"] == (row["r"] < 0) for row in unseen) and len(unseen) == 5
    assert len(document["tasks"]) == 3 * 2 * 5
    rows = [r for r in document["rivals"] if (r["quantity"], r["role"]) == ("forgetting", "past")]
    for row, expected in zip(
        rows, rivals(df, "forgetting", "past").to_dict("records"), strict=True
    ):
        assert {**expected, "quantity": "forgetting", "role": "past"} == row
    assert document["training"] == training_check(df).to_dict("records")
    assert document["past_gains"] == past_gains(synthetic).to_dict("records") != []


def test_a_run_that_is_not_done_has_numbers_and_no_verdict(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=2, n_prompts=6, finish=False))
    found = report(run, n_permutations=9)
    assert found["verdicts"] == [] and "until it is done" in found["no_verdict"]
    assert 0 < found["n_trials"] < 12
    json.dumps(found, allow_nan=False)


def test_a_run_that_has_not_started_can_be_reported(tmp_path):
    found = report(open_run(create_run(tmp_path, study_of())))
    assert (found["n_trials"], found["estimates"], found["verdicts"]) == (0, [], [])
    json.dumps(found, allow_nan=False)


def test_random_weights_get_no_verdict_but_a_warning(tmp_path):
    found = report(open_run(write_run(tmp_path, weights="random")), n_permutations=0)
    assert found["verdicts"] == []
    assert any("random weights" in warning for warning in found["warnings"])


def test_roles_that_the_base_model_belies_are_warned_of(tmp_path):
    truth = Truth(base_scores={"unseen-0": 95.0, "retained-0": 60.0})
    found = report(open_run(write_run(tmp_path, truth=truth)), n_permutations=0)
    assert (
        "Task 'unseen-0' is evaluated as unseen, but θ_0 scores 95.0 on it: it can only lose."
        in (found["warnings"])
    )
    assert (
        "Task 'retained-0' is declared retained, but θ_0 scores only 60.0 on it."
        in (found["warnings"])
    )


def test_diverged_trials_are_reported(tmp_path):
    path = write_run(tmp_path, n_prompts=6, diverged=["t-current-0-para-01-0"])
    found = report(open_run(path), n_permutations=0)
    assert found["n_diverged"] == 1
    assert any("1 trial of" in warning and "diverged" in warning for warning in found["warnings"])


def test_shape_and_unequal_learning_are_warned_of(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=6))
    scores, indicators = run.table("scores"), run.table("indicators")
    prompts = [f"t-current-0-{p}-0" for p in ("original", *(f"para-0{i}" for i in range(1, 6)))]
    # Five prompts fall, one outlier rises far: Pearson is positive, Spearman negative.
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0, 60.0], [5.0, 4.0, 3.0, 2.0, 1.0, 40.0]
    for trial, value in zip(prompts, y, strict=True):
        row = (scores["trial_id"] == trial) & (scores["eval_task"] == "past-0")
        scores.loc[row, "value"] = 70.0 - value
        scores.loc[row, "loss"] = 1.0 + value / 50
        own = (scores["trial_id"] == trial) & (scores["eval_task"] == "current-0")
        scores.loc[own, "loss"] = 1.0 - value / 100
        kept = (scores["trial_id"] == trial) & (scores["eval_task"] == "retained-0")
        scores.loc[kept, "loss"] = 1.0 + value / 50
    loss = indicators["name"] == "pre_update_loss"
    indicators.loc[loss, "value"] = x
    run._tables.update(scores=scores, indicators=indicators)
    found = report(run, n_permutations=0)
    assert any(w.startswith("Shape matters for forgetting (past)") for w in found["warnings"])
    unequal = [w for w in found["warnings"] if w.startswith("Unequal learning in current-0")]
    assert [w.split()[-2] for w in unequal] == ["past", "retained"]
    # What one role lost says nothing of the other.
    scores.loc[scores["eval_task"] == "retained-0", "loss"] = 1.0
    run._tables.update(scores=scores)
    (alone,) = [w for w in report(run, n_permutations=0)["warnings"] if "Unequal" in w]
    assert "loss rise of past tasks" in alone
    checks = {
        role: {c.name: c for c in trust(run, impacts(run), role=role)}[UNEQUAL_LEARNING]
        for role in ("past", "retained")
    }
    assert not checks["past"].ok and checks["past"].text == alone
    assert not checks["retained"].ok and checks["retained"].text.startswith("On no task could it")


def test_equal_learning_says_on_how_many_tasks_it_was_looked_for(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=3, n_prompts=8))
    (check,) = [c for c in trust(run, impacts(run)) if c.name == UNEQUAL_LEARNING]
    assert check.ok and check.text.startswith("On none of 3 tasks did prompts that forgot less")


def test_joined_runs_are_reported_as_one(tmp_path):
    runs = [
        open_run(write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=[s], name=f"part-{s}"))
        for s in (0, 1)
    ]
    found = report(runs, n_permutations=0)
    assert found["run_id"] == [run.run_id for run in runs]
    assert found["n_trials"] == impacts(runs)["trial_id"].nunique() == 20
    assert found["estimates"][0]["n_seeds"] == 2
    assert any(text.startswith("2 runs are joined: verdicts") for text in found["warnings"])
    assert not any("are joined" in text for text in report(runs[0], n_permutations=0)["warnings"])
