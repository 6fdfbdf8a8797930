"""Many fine-tunes of one frozen model in one loop: what `training.train` does, K at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import label_losses
from sapo_analysis.learning.members import Batches, Member
from sapo_analysis.learning.perturbation import Perturber, met_in_packed_rows
from sapo_analysis.learning.training import Fit, make_optimizer
from sapo_analysis.models.encoding import IGNORED, Encoded
from sapo_analysis.models.packed import PackedModel, packed
from sapo_analysis.models.packing import Pack
from sapo_analysis.models.stacked_lora import Dropout, DropoutStream


class Trained(Protocol):
    """Weights of K fine-tunes that stand in a model: a stack of adapters, of soft prompts, ….

    Attributes:
        values: all weights, row k those of fine-tune k [K, parameters].
        dropout: of the adapters; what has none leaves it at probability 0.
    """

    values: Tensor
    dropout: Dropout

    def gradients(self, loss: Tensor) -> Tensor:
        """Gradient of a scalar by all weights, in the places of `values`."""
        ...


def train_stacked(
    model: PreTrainedModel, adapters: Trained, members: Sequence[Member], pad_id: int
) -> list[Fit]:
    """Train adapter k on member k from their beginning to their ends; see `StackedTraining`."""
    training = StackedTraining(model, adapters, members, pad_id)
    training.advance()
    return training.fits


class StackedTraining:
    """Adapter k trained on member k, carried out as far as wanted: where it pauses decides nothing.

    The same algorithm as one `Training` per member, each with its own settings, order, dropout,
    clipping and end: in float64 their weights agree to 1e-10. A member whose loss or gradient
    becomes NaN or infinite stops before that update; the others go on.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        adapters: Trained,
        members: Sequence[Member],
        pad_id: int,
    ):
        """Make ready.

        Args:
            model: what reads.
            adapters: what is trained.
            members: what each of them learns, and how; all are perturbed alike.
            pad_id: fills rows up.
        """
        self._model, self._adapters, self._pad_id = model, adapters, pad_id
        self._learners = [
            _Learner(member, weights)
            for member, weights in zip(members, adapters.values, strict=True)
        ]
        if any(member.perturbed != members[0].perturbed for member in members):
            raise ValueError("fine-tunes of one stack are all perturbed alike")
        perturbed = members[0].perturbed
        self._perturber = None if perturbed is None else Perturber(model, perturbed)
        self._share = adapters.dropout.probability == 0
        self._steps = 0  # what every member that still trains has taken

    @property
    def total_steps(self) -> int:
        """Optimizer steps until the last member's end."""
        return max(learner.member.settings.steps for learner in self._learners)

    @property
    def fits(self) -> list[Fit]:
        """What training left behind so far, member by member."""
        return [learner.fit() for learner in self._learners]

    def leave_out(self, k: int) -> None:
        """Do not train member k: it diverged before."""
        self._learners[k].diverged = True

    def advance(self, until: int | None = None) -> None:
        """Train on until every member has taken `until` steps, diverged or come to its end."""
        with packed(self._model) as reader:
            while self._goes_on(until):
                self._step(reader)
                self._steps += 1

    def _goes_on(self, until: int | None) -> bool:
        active = any(learner.active for learner in self._learners)
        return active and (until is None or self._steps < until)

    def _step(self, reader: PackedModel) -> None:
        learners = self._learners
        prefixes = [learner.prefix() if self._share else 0 for learner in learners]
        batches = [learner.next_batch() for learner in learners]
        losses, gradients = self._pass(reader, batches, prefixes)
        perturbed = torch.zeros(len(losses))
        if self._perturber is not None:
            perturbed, more = self._perturbed_pass(reader, batches, self._perturber)
            gradients = torch.lerp(gradients, more, self._perturber.share)
        for learner, gradient in zip(learners, gradients, strict=True):
            learner.penalise(gradient)
        norms = gradients.norm(dim=1)
        steps = zip(learners, losses.tolist(), perturbed.tolist(), norms.tolist(), strict=True)
        for k, (learner, loss, other, norm) in enumerate(steps):
            if learner.active:
                learner.update(loss, other, gradients[k], norm)

    def _pass(
        self, reader: PackedModel, batches: Sequence[Sequence[Encoded]], prefixes: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Each member's loss on its batch [K] and that loss's gradient [K, parameters]."""
        losses = self._losses(reader, batches, prefixes)
        gradients = self._adapters.gradients(losses.sum())
        self._adapters.dropout.end()
        return losses.detach(), gradients

    def _perturbed_pass(
        self, reader: PackedModel, batches: Sequence[Sequence[Encoded]], perturber: Perturber
    ) -> tuple[Tensor, Tensor]:
        """`_pass` of perturbed texts. No prefix is shared: each copy has a perturbation of its own.

        All passes of a step drop the same.
        """
        seeds = [learner.member.seed for learner in self._learners]
        rows = [
            perturber.rows(batch, seed, self._steps)
            for batch, seed in zip(batches, seeds, strict=True)
        ]
        alone = [0] * len(rows)

        def search() -> Tensor:
            for learner, own in zip(self._learners, rows, strict=True):
                learner.reread += len(own)
                learner.searched += sum(len(row.ids) for row in own)
            return self._losses(reader, rows, alone).sum()

        with perturber.reading(met_in_packed_rows(rows, seeds, self._steps), search):
            for learner, own in zip(self._learners, rows, strict=True):
                learner.reread += len(own)
            return self._pass(reader, rows, alone)

    def _losses(
        self, reader: PackedModel, batches: Sequence[Sequence[Encoded]], prefixes: Sequence[int]
    ) -> Tensor:
        """Each member's loss on its batch [K], under this step's dropout."""
        pack = Pack(batches, prefixes, self._pad_id, reader.device)
        if not self._share:
            streams = map(_stream, self._learners, batches)
            self._adapters.dropout.begin(list(streams), pack.wanted)
        for learner, tokens, labels in zip(
            self._learners, pack.row_tokens, pack.row_labels, strict=True
        ):
            learner.count(tokens, labels)
        return _member_losses(reader, pack)


def _member_losses(reader: PackedModel, pack: Pack) -> Tensor:
    """Each row's loss [K]: nats per target token over its batch; zero for an empty row."""
    nll = label_losses(reader.logits(pack), pack.labels)
    counts = (pack.labels != IGNORED).sum(dim=1).clamp(min=1)
    return nll.sum(dim=1) / counts


def _stream(learner: _Learner, batch: Sequence[Encoded]) -> DropoutStream | None:
    """A member's dropout stream of this step; where its tokens stand in a padded batch."""
    if not batch:
        return None
    longest = max(row.span for row in batch)
    places = [torch.tensor(row.places) + i * longest for i, row in enumerate(batch)]
    found = torch.cat(places).to(learner.weights.device)
    return DropoutStream(learner.dropout_seed, len(batch) * longest, found)


@dataclass
class _Learner:
    """One member's optimizer, order and record; its weights are a row of the stack."""

    member: Member
    weights: Tensor
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    tokens: int = 0
    logits: int = 0
    reread: int = 0
    searched: int = 0
    diverged: bool = False

    def __post_init__(self) -> None:
        settings = self.member.settings
        self.weights.requires_grad_()
        self._optimizer, self._scheduler = make_optimizer([self.weights], settings)
        self._batches = Batches(self.member)

    @property
    def active(self) -> bool:
        return not self.diverged and len(self.losses) < self.member.settings.steps

    @property
    def dropout_seed(self) -> int:
        return self.member.seed + len(self.losses)

    def prefix(self) -> int:
        """How many first tokens all rows that the next batch is taken from share."""
        return self._batches.prefix()

    def next_batch(self) -> list[Encoded]:
        return self._batches.take() if self.active else []

    def penalise(self, gradient: Tensor) -> None:
        """Add the gradient of what is added to the loss."""
        if self.active and self.member.penalty is not None:
            gradient += self.member.penalty.gradient(self.weights.detach())

    def count(self, tokens: int, logits: int) -> None:
        """Count what a pass read for this member."""
        self.tokens += tokens
        self.logits += logits

    def update(self, loss: float, perturbed: float, gradient: Tensor, norm: float) -> None:
        """Record a step and take it, unless a loss or the gradient would spoil the weights."""
        self.losses.append(loss)
        self.norms.append(norm)
        if not all(map(math.isfinite, (loss, perturbed, norm))):
            self.diverged = True
            return
        # As torch.nn.utils.clip_grad_norm_ does it, for this adapter alone.
        limit = self.member.settings.max_grad_norm
        self.weights.grad = gradient.mul_(min(1.0, limit / (norm + 1e-6)))
        self._optimizer.step()
        self._scheduler.step()

    def fit(self) -> Fit:
        # Copies: training may go on after this look.
        return Fit(
            list(self.losses),
            list(self.norms),
            self.diverged,
            self.tokens,
            self.logits,
            self.reread,
            self.searched,
        )
