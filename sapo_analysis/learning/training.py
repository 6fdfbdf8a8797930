"""One fine-tune by a plain loop: the reference that faster paths are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel, get_scheduler

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.members import Batches, Member
from sapo_analysis.learning.penalties import Penalty
from sapo_analysis.learning.perturbation import Perturber, met_in_padded_rows
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import set_adapter_dropout
from sapo_analysis.models.spread import reading_device
from sapo_analysis.models.stacked_lora import Dropout, DropoutStream
from sapo_analysis.spec import TrainingSettings

_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


@dataclass(frozen=True)
class Fit:
    """What training left behind.

    Attributes:
        losses: mean loss of each step's batch before the step (nats per target token), of the texts
            as they are where perturbed ones are trained on too; shorter than the plan if training
            diverged.
        grad_norms: gradient norm of each step before clipping.
        diverged: whether a loss or gradient became NaN or infinite; training stopped there.
        tokens: tokens read in all passes, padding left out.
        logits: tokens at which the head was computed.
        reread: rows read beside one clean pass over each batch: perturbed, or to perturb them.
        searched: of the tokens, those of passes that looked for a perturbation: gradients were
            taken by the input alone.
    """

    losses: list[float]
    grad_norms: list[float]
    diverged: bool
    tokens: int
    logits: int
    reread: int = 0
    searched: int = 0


def train(
    model: PreTrainedModel,
    rows: Sequence[Encoded],
    settings: TrainingSettings,
    seed: int,
    pad_id: int,
) -> Fit:
    """One fine-tune from its beginning to its end; see `Training`."""
    training = Training(model, Member(rows, settings, seed), pad_id)
    training.advance()
    return training.fit


class Training:
    """One fine-tune, carried out as far as wanted: where it pauses decides nothing.

    It minimises the token mean of each batch's loss over the trainable parameters with AdamW, or
    that mean and the one of the perturbed texts, weighted; see `learning.perturbation`. The
    order of examples is a function of the seed, the dropout stream of each step one of the seed and
    the step, so two prompts with one seed meet the same examples in the same order under the same
    streams. (Within a step, texts of unequal length take unequally many numbers from the stream;
    all passes of a step drop the same.) The frozen base stays in eval mode: dropout is the
    adapter's own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        member: Member,
        pad_id: int,
        parameters: Sequence[Tensor] | None = None,
        dropout: Dropout | None = None,
    ):
        """Make ready.

        Args:
            model: what reads.
            member: what is learned, and how.
            pad_id: fills batches up.
            parameters: what is trained; default: the model's trainable parameters.
            dropout: of a stack of one among them, whose masks are drawn at each step.
        """
        self._model, self._member, self._pad_id = model, member, pad_id
        self._dropout = dropout if dropout is not None and dropout.probability else None
        if parameters is None:
            parameters = [p for p in model.parameters() if p.requires_grad]
        self._parameters = list(parameters)
        self._optimizer, self._scheduler = make_optimizer(self._parameters, member.settings)
        self._batches = Batches(member)
        perturbed = member.perturbed
        self._perturber = None if perturbed is None else Perturber(model, perturbed)
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._tokens = self._reread = self._searched = 0
        self._diverged = False

    @property
    def total_steps(self) -> int:
        """Optimizer steps until the end."""
        return self._member.settings.steps

    @property
    def fit(self) -> Fit:
        """What training left behind so far."""
        # Copies: training may go on after this look.
        return Fit(
            list(self._losses),
            list(self._norms),
            self._diverged,
            tokens=self._tokens,
            logits=self._tokens,
            reread=self._reread,
            searched=self._searched,
        )

    def advance(self, until: int | None = None) -> None:
        """Train on until `until` steps are taken, to the end without it; a divergence stops it."""
        steps = self._member.settings.steps
        until = steps if until is None else min(until, steps)
        set_adapter_dropout(self._model, on=True)
        with torch.random.fork_rng():
            while len(self._losses) < until and not self._diverged:
                self._step()
        set_adapter_dropout(self._model, on=False)

    def _step(self) -> None:
        batch = self._batches.take()
        self._optimizer.zero_grad()
        perturber = self._perturber
        loss = self._pass(batch, 1.0 if perturber is None else 1 - perturber.share)
        perturbed = 0.0 if perturber is None else self._perturbed_pass(batch, perturber)
        if self._member.penalty is not None:
            add_gradient(self._parameters, self._member.penalty)
        limit = self._member.settings.max_grad_norm
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, limit)
        self._losses.append(loss)
        self._norms.append(float(norm))
        if not all(map(math.isfinite, (loss, perturbed, self._norms[-1]))):
            self._diverged = True
            return
        self._optimizer.step()
        self._scheduler.step()

    def _pass(self, batch: Sequence[Encoded], weight: float) -> float:
        """Add the gradient of a batch's loss, times a weight; the loss (nats per target token)."""
        loss = self._loss(batch)
        torch.autograd.backward(loss, torch.full_like(loss, weight))
        self._end_dropout()
        return float(loss.detach())

    def _perturbed_pass(self, batch: Sequence[Encoded], perturber: Perturber) -> float:
        """`_pass` of a batch's perturbed texts."""
        seed, step = self._member.seed, len(self._losses)
        rows = perturber.rows(batch, seed, step)

        def search() -> Tensor:
            self._reread += len(rows)
            self._searched += sum(len(row.ids) for row in rows)
            return self._loss(rows)

        with perturber.reading(met_in_padded_rows(rows, seed, step), search):
            self._reread += len(rows)
            return self._pass(rows, perturber.share)

    def _loss(self, batch: Sequence[Encoded]) -> Tensor:
        """Mean loss per target token of a batch, under this step's dropout."""
        torch.manual_seed(self._member.seed + len(self._losses))
        inputs, labels = collate(batch, self._pad_id, reading_device(self._model))
        if self._dropout is not None:
            self._dropout.begin([self._stream(labels)], labels[:, :0])
        self._tokens += sum(len(row.ids) for row in batch)
        per_token = token_losses(self._model(**inputs, use_cache=False).logits, labels)
        return per_token.sum() / sum(row.n_target for row in batch)

    def _end_dropout(self) -> None:
        if self._dropout is not None:
            self._dropout.end()

    def _stream(self, labels: Tensor) -> DropoutStream:
        """This step's masks, one place per token of the padded batch."""
        seed = self._member.seed + len(self._losses)
        return DropoutStream(
            seed, labels.numel(), torch.arange(labels.numel(), device=labels.device)
        )


def add_gradient(parameters: Sequence[Tensor], penalty: Penalty) -> None:
    """Add a penalty's gradient to that of the loss."""
    flat = torch.cat([p.detach().flatten() for p in parameters])
    sizes = [p.numel() for p in parameters]
    parts = torch.split(penalty.gradient(flat), sizes)
    for parameter, part in zip(parameters, parts, strict=True):
        assert parameter.grad is not None, "every trained weight is in the loss"
        parameter.grad += part.view_as(parameter)


def make_optimizer(
    parameters: Sequence[Tensor], settings: TrainingSettings
) -> tuple[torch.optim.AdamW, LRScheduler]:
    """AdamW and its learning rate schedule."""
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = get_scheduler(
        _SCHEDULES[settings.schedule], optimizer, settings.warmup_steps, settings.steps
    )
    return optimizer, schedule
