"""The numbers first: every arm has to compute the same before any of them is timed.

In float64 the stacked engine must give what separate fine-tunes give; in float32 `Trainer`, the
plain loop and the engine must agree as closely as float32 allows. All of it on a small model of the
preset's kind, with ragged texts and a gradient norm that is clipped at every step.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from sapo_analysis.bench.arms import ours, plain, trainer
from sapo_analysis.bench.arms.reloaded import reloaded
from sapo_analysis.bench.arms.weights import distance, relative_difference
from sapo_analysis.bench.harness import Say
from sapo_analysis.bench.largest import largest
from sapo_analysis.bench.workload import Workload, in_float64, make_workload, small_preset
from sapo_analysis.errors import WorkError
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.model_files import RANDOM, find_model
from sapo_analysis.models.loading import Device, choose_device, load_model
from sapo_analysis.pre_update_loss import batch_mean
from sapo_analysis.spec import LoraSettings

STEPS = 20
TRAINER_STEPS = 5
DROPOUT = 0.1
_SCORING_BATCH = 8
_AT_ONCE = 3
_MAX_GRAD_NORM = 0.02
_TOKENS = 12


@dataclass(frozen=True)
class Check:
    """One comparison: what was compared, the largest difference found, and its bound."""

    name: str
    difference: float
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the difference lies within the bound; NaN never does."""
        return self.difference <= self.bound


def gate_workload(work: Workload, device: Device) -> Workload:
    """A small workload of the same kind, in float32, whose every step is clipped."""
    small = make_workload(small_preset(work.preset), device, without_dropout(work.lora))
    training = small.training.model_copy(update={"max_grad_norm": _MAX_GRAD_NORM})
    return replace(small, training=training)


def run_gate(small: Workload, say: Say) -> list[Check]:
    """Every check, in order of importance.

    Raises:
        WorkError: a difference exceeds its bound.
    """
    precise = replace(small, model=in_float64(small.model))
    on_cpu = precise if small.device == "cpu" else replace(precise, model=_on_cpu(precise.model))
    checks: list[Callable[[], list[Check]]] = [
        lambda: [_trained_alike("weights, float64", precise, 0.0)],
        # Masks are peft's number for number on a CPU alone.
        lambda: [_trained_alike("weights with dropout, float64", on_cpu, DROPOUT)],
        lambda: _answered_alike(precise),
        lambda: _scored_alike(small, precise),
        lambda: [_trainer_scores(small)],
        lambda: _trainer_trains(small),
    ]
    done: list[Check] = []
    for run in checks:
        for check in run():
            say(f"  {check.name}: difference {check.difference:.2g}, allowed {check.bound:g}")
            require(check)
            done.append(check)
    return done


def require(check: Check) -> None:
    """Refuse to go on after a check that failed.

    Raises:
        WorkError: the difference exceeds its bound.
    """
    if not check.passed:
        raise WorkError(
            f"The arms do not compute the same, so no speed is given. {check.name}: they differ by"
            f" {check.difference:.3g}, allowed is {check.bound:g}."
            " Try another device or other settings, and report this with `sapo doctor`."
        )


def score_difference(
    expected: Sequence[Sequence[ExampleLoss]],
    found: Sequence[Sequence[ExampleLoss]],
    least: float = 1.0,
) -> float:
    """Largest difference of an example's loss, relative to it or to `least` nats per target token.

    The larger of the two: a loss near zero is the difference of numbers as large as the logits.
    """
    return largest(
        abs(b.nll_sum - a.nll_sum) / max(a.nll_sum, least * a.n_tokens)
        for own, other in zip(expected, found, strict=True)
        for a, b in zip(own, other, strict=True)
    )


def without_dropout(lora: LoraSettings, dropout: float = 0.0) -> LoraSettings:
    """The same adapters with another dropout, by default none."""
    return lora.model_copy(update={"lora_dropout": dropout})


def _trained_alike(name: str, work: Workload, dropout: float) -> Check:
    """Weights of stacked against separate fine-tunes after 20 clipped steps on ragged texts."""
    work = replace(work, lora=without_dropout(work.lora, dropout))
    n = len(work.train)
    separate = plain.train(work, n, STEPS)
    return Check(name, relative_difference(ours.train(work, n, STEPS), separate), 1e-10)


def _scored_alike(work: Workload, precise: Workload) -> list[Check]:
    """Losses on packed rows against the plain loop's.

    Relative to the loss itself they can agree only where it is of the logits' order: under random
    weights. A trained model is sure of many answers, and float32 alone moves the loss of such a one
    by per cents; there the error against float64 may not exceed twice the plain loop's.
    """
    n = len(work.scored)
    trained = work.preset.shape is None
    random = _untrained(work) if trained else work
    strict = score_difference(plain.score(random, n, _AT_ONCE), ours.score(random, n), least=0.0)
    checks = [Check("scores per example, random weights", strict, 1e-6)]
    if trained:
        truth = plain.score(precise, n, _AT_ONCE)
        own = score_difference(truth, ours.score(work, n))
        usual = score_difference(truth, plain.score(work, n, _AT_ONCE))
        checks.append(Check("float32 error of scores, in plain loop's", own / usual, 2.0))
    return checks


def _untrained(work: Workload) -> Workload:
    device = choose_device(work.device)
    return replace(work, model=load_model(find_model(RANDOM), device, "float32"))


def _answered_alike(work: Workload) -> list[Check]:
    """Answers and logits of trained adapters: in the stack, and reloaded by peft one by one."""
    n = len(work.train)
    ids = torch.tensor([work.train[0][0].ids[:_TOKENS]], device=work.model.device)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(k) for k in range(n)]
        with ours.trained(work, range(n), STEPS) as adapters:
            for k, folder in enumerate(folders):
                adapters.save(k, folder)
            with torch.no_grad():
                stacked = work.model(input_ids=ids.expand(n, -1)).logits
        reloaded = torch.cat([_logits_through_peft(work, folder, ids) for folder in folders])
        expected = plain.evaluate(work, folders, 1, _AT_ONCE)
        found = ours.evaluate(work, folders, 1, _AT_ONCE)
        through_trainer = trainer.evaluate(work, folders, 1, _AT_ONCE)
    differing = sum(
        a != b or a != c
        for one, two, (_, three) in zip(expected, found, through_trainer, strict=True)
        for a, b, c in zip(one.outputs, two.outputs, three, strict=True)
    )
    losses = largest(abs(b.loss - a.loss) / a.loss for a, b in zip(expected, found, strict=True))
    off = float((stacked - reloaded).abs().max() / reloaded.abs().max())
    return [
        Check("answers that differ, float64", differing, 0),
        Check("losses after training, float64", losses, 1e-10),
        Check("logits of adapters reloaded by peft, float64", off, 1e-12),
    ]


def _on_cpu(model: PreTrainedModel) -> PreTrainedModel:
    moved: Any = copy.deepcopy(model)
    found: PreTrainedModel = moved.to("cpu")
    return found


def _logits_through_peft(work: Workload, folder: Path, ids: torch.Tensor) -> torch.Tensor:
    with reloaded(work.model, folder) as adapted, torch.no_grad():
        logits: torch.Tensor = adapted(input_ids=ids).logits
    return logits


def _trainer_scores(work: Workload) -> Check:
    """`Trainer.evaluate`'s number against the same average of the plain loop's losses."""
    found = trainer.score(work, 2, _SCORING_BATCH)
    return Check("Trainer.evaluate", worst_average(plain.score(work, 2, _AT_ONCE), found, 8), 1e-5)


def worst_average(
    losses: Sequence[Sequence[ExampleLoss]], averages: Sequence[float], batch: int
) -> float:
    """Largest relative difference of means of batch means from those of given losses."""
    differences = []
    for some, average in zip(losses, averages, strict=True):
        own = batch_mean([x.nll_sum for x in some], [x.n_tokens for x in some], batch)
        differences.append(abs(average - own) / own)
    return largest(differences)


def _trainer_trains(work: Workload) -> list[Check]:
    """`Trainer`'s weights against the plain loop's, whole batches and micro-batches."""
    expected = plain.train(work, 1, TRAINER_STEPS)
    size = work.training.batch_size
    return [
        Check(
            f"Trainer's weights, micro-batch {micro} of {size}",
            distance(trainer.train(work, 1, TRAINER_STEPS, micro, seeded=True), expected),
            1e-4,
        )
        for micro in (size, size // 2)
    ]
