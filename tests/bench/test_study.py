"""The arms of a whole study measure the same things, one process or many."""

import json
import math
from dataclasses import replace

import pytest

from sapo_analysis.bench import run, study, trial
from sapo_analysis.bench.arms import trainer
from sapo_analysis.bench.floor import Peak
from sapo_analysis.bench.study import StudySettings, bench_study, measure_study
from sapo_analysis.errors import WorkError
from sapo_analysis.spec import LoraSettings


@pytest.fixture
def tiny_bench_study():
    whole = bench_study(LoraSettings(), "cpu")
    assert whole.current == ("sentiment",) and whole.prompts == 4  # and the original: five
    small = {
        "prompts": 1,
        "retained": ("last_word",),
        "training": whole.training.model_copy(update={"steps": 2, "examples": 12, "batch_size": 4}),
        "scoring": whole.scoring.model_copy(update={"examples": 9}),
        "evaluation": whole.evaluation.model_copy(update={"examples": 5}),
    }
    return whole.model_copy(update=small)


@pytest.fixture
def in_this_process(monkeypatch):
    """Processes cost seconds each; what they do is the same here."""
    asked = []

    def ask(payload):
        asked.append(payload)
        return json.loads(json.dumps(trial.answer(json.loads(json.dumps(payload)))))

    monkeypatch.setattr(study, "_ask", ask)
    return asked


def test_all_arms_agree_and_trainer_has_a_process_per_trial(tiny_bench_study, in_this_process):
    settings = StudySettings(1, 2, 4, 1, 1)
    seconds, agreement = measure_study(tiny_bench_study, settings, 1, lambda line: None)
    assert set(seconds) == {"trainer", "trainer_in_process", "plain", "ours"}
    assert agreement["max_relative_difference"] < 1e-6
    assert agreement["max_training_loss_difference"] < 1e-3
    assert agreement["max_score_difference_points"] <= 20  # one of five answers, by rounding
    parts = [payload["part"] for payload in in_this_process if "part" in payload]
    assert parts == ["state", 0, 1, "all"]
    engines = [payload["engine"] for payload in in_this_process if "engine" in payload]
    assert engines == ["plain", "stacked"]
    assert {payload["micro_batch"] for payload in in_this_process if "part" in payload} == {2}


def test_a_trainer_that_does_not_train_is_found():
    ours = {"p0": 1.10, "p1": 0.90}
    assert study.training_loss_difference(ours, {"p0": 1.10, "p1": 0.909}) == pytest.approx(0.01)
    untrained = {"p0": 2.3, "p1": 2.3}  # the loss it started from, at every step
    assert study.training_loss_difference(ours, untrained) > 0.2
    assert math.isnan(study.training_loss_difference(ours, {"p0": math.nan, "p1": 0.9}))
    assert math.isinf(study.training_loss_difference(ours, {"p0": 1.1}))
    assert math.isinf(study.training_loss_difference({}, {}))


def test_a_study_whose_trainer_does_nothing_gets_no_speed(
    work, tiny_bench_study, in_this_process, monkeypatch
):
    monkeypatch.setattr(trainer, "fine_tune", lambda *rest: 0.0)
    monkeypatch.setattr(run, "bench_study", lambda lora, device: tiny_bench_study)
    pocket = replace(work, preset=replace(work.preset, study_repeats=1))
    settings = StudySettings(1, 2, 4, 1, 1)
    with pytest.raises(WorkError, match="mean training losses of the study: they differ by 1"):
        run._study(pocket, Peak(1e9, 1e9), settings, lambda line: None)


def test_a_process_that_fails_is_named(monkeypatch):
    monkeypatch.setattr(study.sys, "executable", "/bin/false")
    with pytest.raises(WorkError, match="process of the study's arm failed"):
        study._ask({})
