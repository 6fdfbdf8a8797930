"""Many fine-tunes of one frozen model in one loop: what `training.train` does, K at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.training import Fit, batch_order, make_optimizer
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import PackedModel, packed
from sapo_analysis.models.packing import IGNORED, Pack, shared_prefix
from sapo_analysis.models.stacked_lora import DropoutStream, StackedAdapters
from sapo_analysis.spec import TrainingSettings


@dataclass(frozen=True)
class Member:
    """One fine-tune of a stack: its examples under its prompt, its settings, its seed."""

    rows: Sequence[Encoded]
    settings: TrainingSettings
    seed: int


def train_stacked(
    model: PreTrainedModel, adapters: StackedAdapters, members: Sequence[Member], pad_id: int
) -> list[Fit]:
    """Train adapter k on member k; each member's own settings, order, dropout, clipping and end.

    The same algorithm as one `train` per member: in float64 their weights agree to 1e-10. A member
    whose loss or gradient becomes NaN or infinite stops before that update; the others go on.
    """
    learners = [
        _Learner(member, weights) for member, weights in zip(members, adapters.values, strict=True)
    ]
    share = adapters.dropout.probability == 0
    prefixes = [shared_prefix(member.rows) if share else 0 for member in members]
    with packed(model) as reader:
        while any(learner.active for learner in learners):
            batches = [learner.next_batch() for learner in learners]
            pack = Pack(batches, prefixes, pad_id, reader.device)
            if not share:
                streams = [_stream(*pair, reader.device) for pair in zip(learners, batches)]
                adapters.dropout.begin(streams, pack.wanted)
            losses = _member_losses(reader, pack)
            gradients = adapters.gradients(losses.sum())
            adapters.dropout.end()
            found = zip(losses.tolist(), gradients, gradients.norm(dim=1).tolist(), strict=True)
            for learner, tokens, (loss, gradient, norm) in zip(
                learners, pack.row_tokens, found, strict=True
            ):
                learner.update(loss, gradient, norm, tokens)
    return [learner.fit() for learner in learners]


def _member_losses(reader: PackedModel, pack: Pack) -> Tensor:
    """Each row's loss [K]: nats per target token over its batch; zero for an empty row."""
    logits = reader.logits(pack)
    nll = label_losses(logits, pack.labels)
    counts = (pack.labels != IGNORED).sum(dim=1).clamp(min=1)
    return nll.sum(dim=1) / counts


def label_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """−log p of each label in nats, zero at padding; logits [rows, n, vocabulary] to [rows, n].

    In float32, or in float64 where the logits are.
    """
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.nn.functional.cross_entropy(
        precise.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)


def _stream(
    learner: _Learner, batch: Sequence[Encoded], device: torch.device
) -> DropoutStream | None:
    """A member's dropout stream of this step; where its tokens stand in a padded batch."""
    if not batch:
        return None
    longest = max(len(row.ids) for row in batch)
    places = [torch.arange(len(row.ids)) + i * longest for i, row in enumerate(batch)]
    return DropoutStream(
        learner.dropout_seed, len(batch) * longest, torch.cat(places).to(device)
    )


@dataclass
class _Learner:
    """One member's optimizer, order and record; its weights are a row of the stack."""

    member: Member
    weights: Tensor
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    tokens: int = 0
    diverged: bool = False

    def __post_init__(self) -> None:
        settings = self.member.settings
        self.weights.requires_grad_()
        self._optimizer, self._scheduler = make_optimizer([self.weights], settings)
        self._order: Iterator[list[int]] = batch_order(
            len(self.member.rows), settings.batch_size, self.member.seed
        )

    @property
    def active(self) -> bool:
        return not self.diverged and len(self.losses) < self.member.settings.steps

    @property
    def dropout_seed(self) -> int:
        return self.member.seed + len(self.losses)

    def next_batch(self) -> list[Encoded]:
        if not self.active:
            return []
        return [self.member.rows[i] for i in next(self._order)]

    def update(self, loss: float, gradient: Tensor, norm: float, tokens: int) -> None:
        """Take the step, unless it is none: a finished member's, or one that would spoil it."""
        if not self.active:
            return
        self.losses.append(loss)
        self.norms.append(norm)
        self.tokens += tokens
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.diverged = True
            return
        # As torch.nn.utils.clip_grad_norm_ does it, for this adapter alone.
        limit = self.member.settings.max_grad_norm
        self.weights.grad = gradient.mul_(min(1.0, limit / (norm + 1e-6)))
        self._optimizer.step()
        self._scheduler.step()

    def fit(self) -> Fit:
        return Fit(self.losses, self.norms, diverged=self.diverged, tokens=self.tokens)
