"""How far a run is: steps, trials, candidates, curves, and the sentence on what it does now."""

import pytest

from sapo_analysis.analysis.progress import (
    candidates_table,
    curves_table,
    now_in_words,
    progress,
    trials_table,
)
from sapo_analysis.analysis.sequences.live import Choice
from sapo_analysis.plan import plan_of
from sapo_analysis.store import create_run, open_run
from sapo_analysis.store.status import Status, running_here
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence
from tests.under_way import begun, put

STUDY = tiny_study()
PLAN = plan_of(STUDY)


def steps(run, plan=PLAN):
    return [(s.label, s.done, s.total, s.is_now) for s in progress(plan, run).steps]


def test_a_run_that_waits_has_everything_before_it(tmp_path):
    run = open_run(create_run(tmp_path, STUDY))
    n = len(PLAN.trials)
    assert steps(run) == [
        ("Base scores", 0, 1, False),
        ("Past tasks", 0, 2, False),
        ("Score prompts", 0, 2, False),
        ("Train and evaluate", 0, n, False),
    ]
    assert set(trials_table(PLAN, run)["mark"]) == {"waiting"}
    assert candidates_table(run).empty and curves_table(run).empty


def test_at_work_the_group_in_flight_is_now(tmp_path):
    first = PLAN.groups[5]
    failed = first.trials[0].trial_id
    path = begun(tmp_path, STUDY, groups=6, failed=[failed])
    assert not any(is_now for *_, is_now in steps(open_run(path)))
    assert "training" not in set(trials_table(PLAN, open_run(path))["mark"])
    put(path, "running")
    run = open_run(path)
    assert steps(run)[:3] == [
        ("Base scores", 1, 1, False),
        ("Past tasks", 2, 2, False),
        ("Score prompts", 2, 2, False),
    ]
    label, done, total, is_now = steps(run)[3]
    assert (done, total, is_now) == (len(first.trials), len(PLAN.trials), True)
    assert (progress(PLAN, run).group, progress(PLAN, run).n_groups) == (7, len(PLAN.groups))
    marks = trials_table(PLAN, run)
    counts = marks["mark"].value_counts().to_dict()
    assert counts["failed"] == 1 and counts["done"] == len(first.trials) - 1
    assert counts["training"] == len(PLAN.groups[6].trials)
    assert marks["prompt_id"][0] == PLAN.originals["sentiment"].prompt_id and marks["place"][0] == 0


def test_trials_done_under_another_engine_count_though_its_groups_are_others(tmp_path):
    path = begun(tmp_path, STUDY, groups=6)
    plain = plan_of(STUDY, "plain")
    assert not {g.group_id for g in plain.groups[5:]} & open_run(path).finished_groups
    assert steps(open_run(path), plain)[3][1] == len(PLAN.groups[5].trials)


def test_a_done_run_has_nothing_left(tmp_path):
    path = create_run(tmp_path, STUDY)
    put(path, "done", done=1, total=1)
    found = progress(PLAN, open_run(path))
    assert found.group == 0 and all(step.is_done for step in found.steps)


def test_steps_of_a_sequence_are_its_stages(tmp_path):
    study = tiny_sequence()
    path, plan = begun(tmp_path, study, groups=2), plan_of(study)
    put(path, "running")
    assert steps(open_run(path), plan) == [
        ("Base scores", 1, 1, False),
        ("Score prompts at the base model", 1, 1, False),
        ("Stage 1 of 2", 0, 2, True),
        ("Stage 2 of 2", 0, 2, False),
    ]


def test_candidates_and_curves_of_finished_groups(tmp_path):
    run = open_run(begun(tmp_path, STUDY, groups=6))
    losses = candidates_table(run)
    assert list(losses.columns[:5]) == ["task", "state_id", "state", "prompt_id", "loss"]
    assert losses.groupby("task")["is_lowest"].sum().eq(1).all()
    assert losses.groupby("task")["is_original"].sum().eq(1).all()
    assert losses.loc[losses["is_lowest"], "loss"].tolist() == pytest.approx([1.8, 1.8])
    curves = curves_table(run, most_trials=2, most_points=50)
    assert curves["trial_id"].nunique() == 2
    assert curves.groupby("trial_id").size().max() <= 50 and curves["step"].min() == 0


def test_now_names_the_leader_and_how_far_it_is_under_the_original():
    status = running_here(phase="stage 2 of 5: scoring prompts")
    leader, own = Choice("p-07", 1.82, 250, False), Choice("p-00", 1.88, 250, False)
    said = now_in_words(status, [leader, own], "p-00")
    assert said == (
        "Stage 2 of 5: scoring prompts; leader is p-07 (1.820 nats/token), 0.060 under the"
        " original."
    )
    stopped = Choice("p-00", 1.88, 48, True)
    assert "at least 0.060 under" in now_in_words(status, [leader, stopped], "p-00")
    assert "the original itself" in now_in_words(status, [own, leader], "p-00")
    assert now_in_words(status, [leader], None).endswith("(1.820 nats/token).")


def test_now_without_losses_is_the_phase_and_the_last_choice():
    status = running_here(phase="stage 1 of 5, 8 fine-tunes: training")
    assert now_in_words(status, [], None, "sapo takes p-07").endswith(
        "training. Last choice: sapo takes p-07."
    )
    assert "Getting ready" in now_in_words(running_here(), [], None)
    assert now_in_words(Status(state="failed", phase="x"), [], None) == ""
