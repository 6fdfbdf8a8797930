"""The gate opens for arms that agree, and names what differs when one is made wrong."""

import math
import re

import pytest

from sapo_analysis.bench import gate, run
from sapo_analysis.bench.arms import ours, trainer
from sapo_analysis.bench.gate import Check, gate_workload, require, run_gate
from sapo_analysis.errors import WorkError
from sapo_analysis.models.loading import choose_device
from sapo_analysis.spec import LoraSettings


def quiet(line):
    pass


@pytest.fixture(scope="module")
def small(work):
    return gate_workload(work, choose_device("cpu"))


def test_all_arms_agree(small):
    checks = run_gate(small, quiet)
    assert len(checks) >= 8
    bounds = {check.name: check.bound for check in checks}
    assert bounds["weights, float64"] == bounds["weights with dropout, float64"] == 1e-10
    assert bounds["scores per example, random weights"] == 1e-6
    assert bounds["answers that differ, float64"] == 0
    # The checks mean something: float32 rounds, float64 rounds less, and neither is a copy.
    found = {check.name: check.difference for check in checks}
    assert 0 < found["weights, float64"] < 1e-10 < found["scores per example, random weights"]


@pytest.mark.parametrize("difference", [math.nan, math.inf, 1.1])
def test_a_failed_check_names_itself_the_difference_and_the_bound(difference):
    with pytest.raises(WorkError, match=re.escape(f"some check: they differ by {difference:.3g}")):
        require(Check("some check", difference, 1.0))
    require(Check("some check", 1.0, 1.0))


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(gate, "STEPS", 2)


@pytest.mark.usefixtures("few_steps")
def test_wrong_weights_are_found(small, monkeypatch):
    right = ours.train

    def wrong(work, n, steps):
        found = right(work, n, steps)
        name = next(iter(found[1]))
        found[1][name][0, 0] += 1e-8
        return found

    monkeypatch.setattr(ours, "train", wrong)
    with pytest.raises(WorkError, match=r"no speed is given. weights, float64: .* 1e-10"):
        run_gate(small, quiet)


@pytest.mark.usefixtures("few_steps")
def test_wrong_scores_are_found(small, monkeypatch):
    right = ours.score
    monkeypatch.setattr(ours, "score", lambda work, n: right(work, n)[::-1])
    with pytest.raises(WorkError, match="scores per example, random weights"):
        run_gate(small, quiet)


@pytest.mark.usefixtures("few_steps")
def test_wrong_answers_are_found(small, monkeypatch):
    right = ours.evaluate

    def wrong(*arguments):
        found = right(*arguments)
        found[-1].outputs[-1] += "x"
        return found

    monkeypatch.setattr(ours, "evaluate", wrong)
    with pytest.raises(WorkError, match="answers that differ, float64: they differ by 1, allowed"):
        run_gate(small, quiet)


@pytest.mark.usefixtures("few_steps")
def test_a_trainer_with_other_settings_is_found(small, monkeypatch):
    right = trainer.fine_tune

    def wrong(model, rows, settings, *rest):
        return right(model, rows, settings.model_copy(update={"max_grad_norm": 9.0}), *rest)

    monkeypatch.setattr(trainer, "fine_tune", wrong)
    with pytest.raises(WorkError, match="Trainer's weights, micro-batch 4 of 4"):
        run_gate(small, quiet)


@pytest.mark.usefixtures("few_steps")
def test_nothing_is_timed_after_a_failed_gate(micro, monkeypatch):
    def never(*_, **__):
        raise AssertionError("timed although the numbers differ")

    right = ours.score
    monkeypatch.setattr(ours, "score", lambda work, n: right(work, n)[::-1])
    monkeypatch.setattr("sapo_analysis.bench.harness.clock", never)
    monkeypatch.setattr(run, "measure_peak", never)
    with pytest.raises(WorkError, match="no speed"):
        run.bench(micro, LoraSettings(), "cpu", say=quiet)
