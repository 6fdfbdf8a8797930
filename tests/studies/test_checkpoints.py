"""Studies with checkpoints: what is measured when, and that nothing else changes by it."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.mean_loss import MeanLoss
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.plan import make_plan
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies import stacked
from sapo_analysis.studies.calibrate import calibrate
from sapo_analysis.studies.runner import run_to_end
from sapo_analysis.studies.watch import Watch
from sapo_analysis.tasks.base import Task
from tests.tiny import tiny_study

pytestmark = pytest.mark.slow

CHECKPOINTS = (1, 2)
WATCHED = ["delta_norm", "dev_loss"]
KEYS = ["trial_id", "eval_task", "test_prompt"]


def with_settings(study, training=None, **evaluation):
    return study.model_copy(
        update={
            "training": study.training.model_copy(update=training or {}),
            "evaluation": study.evaluation.model_copy(update=evaluation),
        }
    )


@pytest.fixture(scope="module")
def tiny():
    return tiny_study().model_copy(update={"seeds": (0,)})


@pytest.fixture(scope="module")
def watched_study(tiny):
    return with_settings(tiny, checkpoints=CHECKPOINTS)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    def run(study, engine="stacked"):
        path = create_run(tmp_path_factory.mktemp("runs"), study)
        run_to_end(path, engine=engine)
        return open_run(path)

    return run


@pytest.fixture(scope="module")
def watched(watched_study, run_of):
    return run_of(watched_study)


@pytest.fixture(scope="module")
def unwatched(tiny, run_of):
    return run_of(tiny)


def with_names(run, table):
    """A table with what a trial is in place of its id, which differs between the two studies."""
    names = ["trial_id", "state_id", "prompt_id", "seed", "purpose", "current_task"]
    trials = run.table("trials")[names].rename(columns={"state_id": "parent"})
    return run.table(table).merge(trials, on="trial_id", how="left").drop(columns="trial_id")


@pytest.mark.parametrize("engine", ["stacked", "plain"])
def test_a_study_with_checkpoints_trains_and_ends_as_without(
    tiny, watched_study, watched, unwatched, run_of, engine
):
    if engine == "plain":
        small = {"seeds": (0,), "current": tiny.current[:1], "noise_seeds": ()}
        watched = run_of(watched_study.model_copy(update=small), engine)
        unwatched = run_of(tiny.model_copy(update=small), engine)
    last = tiny.training.steps
    scores = with_names(watched, "scores")
    scores = scores[(scores["step"] == last) | scores["purpose"].isna()].reset_index(drop=True)
    pd.testing.assert_frame_equal(scores, with_names(unwatched, "scores"), check_exact=True)
    curves = with_names(watched, "curves")
    curves = curves[~curves["series"].isin(WATCHED)].reset_index(drop=True)
    pd.testing.assert_frame_equal(curves, with_names(unwatched, "curves"), check_exact=True)
    for table in ("predictions", "indicators", "states"):
        made = with_names if table == "predictions" else lambda run, name: run.table(name)
        pd.testing.assert_frame_equal(
            made(watched, table), made(unwatched, table), check_exact=True
        )


def test_without_checkpoints_nothing_new_is_measured(unwatched, tiny):
    assert set(unwatched.table("curves")["series"]) == {"train_loss", "grad_norm"}
    scores = unwatched.table("scores")
    assert set(scores.loc[scores["trial_id"].notna(), "step"]) == {tiny.training.steps}
    assert "dev" not in set(unwatched.table("examples")["split"])


def test_every_main_and_noise_trial_is_measured_at_every_step_and_no_other(watched, watched_study):
    trials = watched.table("trials").set_index("trial_id")["purpose"]
    scores, curves = watched.table("scores"), watched.table("curves")
    last = watched_study.training.steps
    assert set(trials) == {"past", "main", "noise", "repeat"}
    for trial_id, purpose in trials.items():
        mine = scores[scores["trial_id"] == trial_id]
        looks = curves[(curves["trial_id"] == trial_id) & curves["series"].isin(WATCHED)]
        if purpose in ("past", "repeat"):
            assert set(mine["step"]) <= {last} and looks.empty
            continue
        at_end = mine[mine["step"] == last]
        for step in CHECKPOINTS:
            then = mine[mine["step"] == step]
            fixed = ["eval_task", "test_prompt", "role", "metric", "n_examples", "state_id"]
            assert list(map(tuple, then[fixed].to_numpy())) == list(
                map(tuple, at_end[fixed].to_numpy())
            )
        assert set(mine["step"]) == {*CHECKPOINTS, last}
        assert list(looks["step"]) == [s for s in (0, *CHECKPOINTS, last) for _ in WATCHED]
        assert list(looks["series"]) == WATCHED * 4
    assert not scores.duplicated([*KEYS, "state_id", "step"]).any()
    assert not curves.duplicated(["trial_id", "step", "series"]).any()
    predictions = watched.table("predictions")
    assert set(predictions.loc[predictions["trial_id"].notna(), "step"]) == {last}


def test_at_the_start_nothing_has_moved_and_the_dev_loss_is_the_states(
    tiny, run_of, pocket_model, encoder
):
    # From θ_0, so that the state is the shipped model.
    study = with_settings(
        tiny.model_copy(update={"past": (), "seeds": (0,), "noise_seeds": ()}), checkpoints=(1,)
    )
    run = run_of(study)
    plan = make_plan(study)
    curves = run.table("curves").set_index(["trial_id", "step", "series"])["value"]
    examples = run.table("examples").query("split == 'dev'")
    n = study.evaluation.examples
    for trial in plan.trials:
        task = plan.tasks[trial.task]
        rows = encoder.encode_split(task, "dev", n, trial.prompt)
        losses = example_losses(pocket_model, rows, 64, encoder.pad_id)
        mean = sum(x.nll_sum for x in losses) / sum(x.n_tokens for x in losses)
        assert curves[trial.trial_id, 0, "delta_norm"] == 0
        assert curves[trial.trial_id, 0, "dev_loss"] == pytest.approx(mean, rel=1e-5)
        stored = examples[examples["task"] == trial.task]
        read = [(e.input, e.target) for e in task.examples("dev")[:n]]
        assert list(zip(stored["input"], stored["target"], strict=True)) == read
    assert set(examples["task"]) == set(study.current)


def test_a_checkpoint_is_the_end_of_a_shorter_study(tiny, run_of):
    # From θ_0: another past would draw other streams, as its settings differ.
    alone = tiny.model_copy(update={"past": (), "seeds": (0,), "noise_seeds": ()})
    long = run_of(with_settings(alone, training={"steps": 4}, checkpoints=(1, 3)))
    short = run_of(with_settings(alone, training={"steps": 3}, checkpoints=(1,)))
    columns = ["current_task", "prompt_id", "eval_task", "test_prompt", "value", "loss"]
    ends = with_names(short, "scores").query("step == 3")[columns].reset_index(drop=True)
    then = with_names(long, "scores").query("step == 3")[columns].reset_index(drop=True)
    assert len(ends) == len(alone.current) * (3 * 3 + 2)
    pd.testing.assert_frame_equal(then, ends, check_exact=True)
    columns = ["current_task", "prompt_id", "series", "value"]
    of = [
        with_names(run, "curves").query("series in @WATCHED and step == 3") for run in (long, short)
    ]
    long_looks, short_looks = (table[columns].reset_index(drop=True) for table in of)
    pd.testing.assert_frame_equal(long_looks, short_looks, check_exact=True)


@pytest.fixture(scope="module")
def one_stack(watched_study):
    """Three trials of one task, at once."""
    return watched_study.model_copy(
        update={"past": (), "current": ("sentiment",), "noise_seeds": ()}
    )


@pytest.fixture(scope="module")
def undisturbed(one_stack, run_of):
    return run_of(one_stack)


@pytest.mark.parametrize("moment", ["training", "a look"])
def test_a_stack_halved_by_memory_is_looked_at_in_the_same_order(
    undisturbed, one_stack, run_of, monkeypatch, moment
):
    failed = []
    if moment == "training":
        advance = stacked.StackedTraining.advance

        def scarce(training, until=None):
            if until == 2 and len(training.fits) > 2:
                failed.append(until)
                raise torch.OutOfMemoryError("CUDA out of memory")
            advance(training, until)

        monkeypatch.setattr(stacked.StackedTraining, "advance", scarce)
    else:
        measure = stacked.evaluate_stacked

        def scarce(model, encoder, task, examples, rows, size):
            if len(rows) > 2:
                failed.append(len(rows))
                raise torch.OutOfMemoryError("CUDA out of memory")
            return measure(model, encoder, task, examples, rows, size)

        monkeypatch.setattr(stacked, "evaluate_stacked", scarce)
    run = run_of(one_stack)
    assert failed
    assert set(run.table("trials").query("purpose == 'main'")["chunk"]) == {1, 2}
    for table, keys in (
        ("scores", ["state_id", *KEYS, "step"]),
        ("curves", ["trial_id", "step", "series"]),
    ):
        found, expected = run.table(table), undisturbed.table(table)
        pd.testing.assert_frame_equal(found[keys], expected[keys])
        value = "loss" if table == "scores" else "value"
        assert np.allclose(found[value], expected[value], rtol=1e-3, atol=1e-6)


def test_a_trial_that_diverges_keeps_its_looks_from_before(tiny, run_of):
    # The warm-up's first step has a learning rate of zero, the second one breaks the weights.
    study = with_settings(
        tiny.model_copy(update={"past": (), "seeds": (0,), "noise_seeds": ()}),
        training={"learning_rate": 1e30, "warmup_steps": 1, "steps": 5},
        checkpoints=(1, 2, 4),
    )
    run = run_of(study)
    assert set(run.table("trials")["status"]) == {"diverged"}
    scores, curves = run.table("scores"), run.table("curves")
    assert set(scores.loc[scores["trial_id"].notna(), "step"]) == {1}
    looks = curves[curves["series"].isin(WATCHED)]
    assert set(looks["trial_id"]) == set(run.table("trials")["trial_id"])
    for _, own in looks.groupby("trial_id"):
        assert list(own["step"]) == [0, 0, 1, 1]
        assert own["value"].iloc[0] == own["value"].iloc[2] == 0
        assert own["value"].iloc[1] == own["value"].iloc[3]


class FakeTuned:
    """Three adapters: one trains well, one has diverged, one's update has just overflowed."""

    fits = [SimpleNamespace(diverged=d) for d in (False, True, False)]

    def mean_losses(self, rows):
        # One that has diverged keeps its last good weights, so its numbers can look well.
        return [MeanLoss(value, 10, 3) for value in (1.5, 1.2, float("inf"))]

    def delta_norms(self):
        return [0.5, 9.0, 2.0]


def test_in_a_stack_those_that_diverged_are_not_looked_at(watched_study):
    plan = make_plan(watched_study)
    group = next(g for g in plan.groups if g.kind == "trials")
    assert len(group.trials) == 3
    result = SimpleNamespace(value=50.0, loss=1.0, outputs=["a"])
    engine = SimpleNamespace(
        plan=plan,
        say=lambda phase: None,
        dev_rows=lambda task, prompt: [0, 0],
        measure_trials=lambda trials, tuned, meter: [
            [(trial.task, trial.prompt, 0, result)] for trial in trials
        ],
    )
    counted = []
    meter = SimpleNamespace(
        time=lambda phase: nullcontext(),
        add=lambda *amounts: counted.append(amounts),
    )
    watch = Watch(engine, group.trials, meter)
    assert watch.steps == (0, 1, 2, 3)
    watch.look(FakeTuned(), 2)
    assert [len(rows) for rows in watch.scores] == [1, 0, 0]
    assert [[row["value"] for row in rows] for rows in watch.curves] == [[0.5, 1.5], [], []]
    assert counted == [("evaluate", 2, 10, 3)] * 3
    watch.look(FakeTuned(), 3)
    assert [len(rows) for rows in watch.scores] == [1, 0, 0]  # the end's scores are not its affair
    assert [len(rows) for rows in watch.curves] == [4, 0, 0]


def test_calibration_counts_the_checkpoints(watched, watched_study):
    costs = watched.table("costs").groupby("phase")[["examples", "tokens"]].sum()
    answer = calibrate(watched_study, "stacked")
    assert answer["evaluated_examples"] == costs.loc["evaluate", "examples"]
    assert answer["evaluated_tokens"] == pytest.approx(costs.loc["evaluate", "tokens"], rel=0.25)
    assert answer["train_examples"] == costs.loc["train", "examples"]
    n_watched = answer["n_trials_main"] + answer["n_trials_noise"]
    assert answer["dev_examples"] == n_watched * 4 * watched_study.evaluation.examples


def test_fewer_dev_examples_than_wanted_are_taken_and_none_is_refused(tiny, run_of, monkeypatch):
    study = with_settings(
        tiny.model_copy(update={"past": (), "seeds": (0,), "noise_seeds": (), "prompts": 1}),
        checkpoints=(1,),
    )
    examples = Task.examples
    held = {"n": 2}

    def few(task, split, n=None):
        rows = examples(task, split, None if split == "dev" else n)
        return rows[: held["n"]][:n] if split == "dev" else rows

    monkeypatch.setattr(Task, "examples", few)
    run = run_of(study)
    assert (run.table("examples")["split"] == "dev").sum() == 2 * len(study.current)
    held["n"] = 0
    with pytest.raises(InputError, match=r"has no dev examples.*evaluation.checkpoints"):
        run_of(study)
