"""Rows of a plan that methods beside LoRA read, and what their speed is measured on."""

from contextlib import contextmanager

import pytest

from sapo_analysis.plan import Amounts, amounts_of, plan_of, to_measure
from sapo_analysis.spec import parse_study, read_preset
from sapo_analysis.studies.calibrate import calibrate
from sapo_analysis.studies.sequence.calibrate import calibrate_sequence
from sapo_analysis.studies.short_fine_tunes import timed_fine_tunes
from sapo_analysis.tasks import get_task


def smoke_of(method, **changes):
    return parse_study({**read_preset(f"smoke-{method}"), **changes}, "a study")


def test_stages_and_the_dev_rows_that_judge_them_add_rows():
    plain = amounts_of(plan_of(smoke_of("lora")))
    found = amounts_of(plan_of(smoke_of("promot")))
    # Eight trials with ten more steps each, judged twice in each stage on ten dev rows.
    assert found.trained == plain.trained + 8 * 10 * 16
    assert found.evaluated == plain.evaluated + 8 * 4 * 10
    uneven = smoke_of("promot", promot={"steps": 12, "select_every": 5, "dev_examples": 10**6})
    # After steps 5, 10 and 12, then 5 and 10, on every dev row there is.
    judged = amounts_of(plan_of(uneven)).evaluated - plain.evaluated
    assert judged == 8 * 5 * len(get_task("sentiment").examples("dev"))
    joint = amounts_of(plan_of(smoke_of("promot-joint")))
    assert joint.trained == plain.trained and joint.evaluated == plain.evaluated + 8 * 2 * 10
    assert amounts_of(plan_of(smoke_of("prompt-tuning"))) == plain


def test_a_mixture_takes_a_tasks_steps_as_often_as_it_has_tasks():
    two = ("original", "original+multi-task")
    orders = [["sentiment", "add", "rate"]]
    found = amounts_of(plan_of(smoke_of("multi-task", orders=orders, strategies=two)))
    assert found.trained == (3 + 1 + 2 + 3) * 10 * 16
    promot = smoke_of("promot-multi-task", orders=orders)
    with_stages = amounts_of(plan_of(promot))
    assert with_stages.trained == found.trained + 3 * 10 * 16
    # Twice in stage 1; the mixture of one, two and three tasks two, four and six times.
    assert with_stages.evaluated == found.evaluated + (3 * 2 + 2 + 4 + 6) * 10


def test_a_stack_of_several_tasks_is_judged_once_per_task():
    both = [["sentiment", "add"], ["add", "sentiment"]]
    alone = amounts_of(plan_of(smoke_of("promot-multi-task", orders=both), "plain"))
    stacked = amounts_of(plan_of(smoke_of("promot-multi-task", orders=both)))
    judgements = 2 * (2 + 2 + 2 + 4)
    assert stacked.evaluated - alone.evaluated == judgements * 10


def test_the_length_of_stages_changes_no_speed_and_the_method_does():
    other = smoke_of("promot", promot={"steps": 50, "select_every": 3, "dev_examples": 7})
    assert to_measure(other) == to_measure(smoke_of("promot"))
    assert to_measure(smoke_of("ia3")) != to_measure(other)


@pytest.fixture
def measured(monkeypatch):
    """Methods whose fine-tunes are timed, each with how many at once and steps of one."""
    seen = {}

    @contextmanager
    def timed(engine, model, method, begun, rows, tuners=None):
        with timed_fine_tunes(engine, model, method, begun, rows, tuners) as (tuned, seconds):
            seen[method.name] = len(begun), tuned.total_steps
            assert 0 < seconds < 60
            yield tuned, seconds

    monkeypatch.setattr("sapo_analysis.plan.amounts.MEASURED_STEPS", 2)
    for module in ("calibrate", "sequence.calibrate"):
        monkeypatch.setattr(f"sapo_analysis.studies.{module}.timed_fine_tunes", timed)
    return seen


FEW = {"prompts": 1, "training": {"examples": 16, "steps": 10, "batch_size": 4}, "device": "cpu"}
FEW |= {"scoring": {"examples": 8}, "evaluation": {"examples": 4, "n_predictions_kept": 0}}


def test_the_speed_of_a_paraphrase_study_is_measured_of_its_method(measured):
    study = smoke_of("promot", **FEW)
    found = calibrate(study, "stacked")
    assert measured == {"promot": (2, 2 + 2)}
    assert found["train_examples"] == amounts_of(plan_of(study)).trained
    assert found["seconds_per_row"]["trained"] > 0


def test_what_writes_for_each_text_is_timed_alone_and_its_labels_are_counted(measured):
    small = {"past": [], "retained": [], "noise_seeds": []}
    found = calibrate(smoke_of("metatuner", **FEW | small), "stacked")
    assert measured == {"metatuner": (1, 2)}
    # Two candidates, whose eight rows are scored and whose sixteen are labelled.
    assert found["scored_examples"] == 2 * 8 + 2 * 16
    # The actor reads each batch, and half the layers read it once to write and choose, and then
    # another one to learn from its labels.
    assert found["train_examples"] == 2 * 10 * 4
    assert 20 < found["train_tokens"] / found["train_examples"] < 90
    assert found["seconds_per_row"]["trained"] > 0


def test_speeds_of_a_sequence_are_measured_of_every_kind_of_fine_tune(measured, monkeypatch):
    strategies = [f"original+{m}" for m in ("o-lora", "replay", "promot", "full")]
    study = smoke_of("ewc", **FEW, strategies=strategies, promot={"steps": 10})
    found = calibrate_sequence(study, "stacked")
    # One adapter trains as fast as another; of whole models there is one at a time.
    assert measured == {"lora": (4, 2), "promot": (4, 4), "full": (1, 2)}
    # The mean over steps: o-lora and replay 20 each, promot 40, full 20.
    each = {"lora": 1.0, "promot": 2.0, "full": 10.0}
    monkeypatch.setattr(
        "sapo_analysis.studies.sequence.calibrate._of_method",
        lambda work, name, n: Amounts(trained=each[name], evaluated=each[name]),
    )
    speeds = calibrate_sequence(study, "stacked")["seconds_per_row"]
    assert speeds["trained"] == pytest.approx((40 * 1 + 40 * 2 + 20 * 10) / 100)
    assert found["n_chains"] == 4
