"""One fine-tune of MetaTuner (small), step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.members import Member, batch_order
from sapo_analysis.learning.training import Fit, make_optimizer
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.spread import reading_device
from sapo_analysis.studies.metatuner.candidates import Candidates
from sapo_analysis.studies.metatuner.labels import labels_now
from sapo_analysis.studies.metatuner.parts import Parts


class MetaTraining:
    """One fine-tune, carried out as far as wanted: where it pauses decides nothing.

    A step is an update by the main loss, then one by the supervised loss times α, or one update by
    their sum. The main loss is the actor's token mean over a batch, as `Training` has it, on the
    same examples in the same order; the supervised loss is the mean cross-entropy (nats per
    example) of the policy on a batch of labelled rows, in an order of their own. Both batches are
    equally large.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        parts: Parts,
        member: Member,
        candidates: Candidates,
        labels: Sequence[int],
        pad_id: int,
    ):
        """Make ready.

        Args:
            model: the frozen actor.
            parts: what is trained.
            member: the rows under the initial prompt, and how they are learned.
            candidates: the prompts that are chosen from.
            labels: the best candidate of each of the first rows for the frozen actor; none where
                there is no policy.
            pad_id: fills batches up.
        """
        self._model, self._parts, self._member = model, parts, member
        self._candidates, self._labels, self._pad_id = candidates, labels, pad_id
        self._parameters = list(parts.named().values())
        settings = member.settings
        self._optimizer, self._scheduler = make_optimizer(self._parameters, settings)
        self._order = batch_order(len(member.rows), settings.batch_size, member.seed)
        # An order of its own. Torch's generator takes a seed's low 32 bits alone.
        seed = Random(f"labelled {member.seed}").getrandbits(32)
        self._labelled = batch_order(len(labels), settings.batch_size, seed)
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._tokens = 0.0
        self._logits = 0
        self._diverged = False
        if labels:
            rows = member.rows[: len(labels)]
            parts.settle(rows)
            self._count(rows, parts.depth / len(parts.encoders))

    @property
    def total_steps(self) -> int:
        """Steps until the end."""
        return self._member.settings.steps

    @property
    def fit(self) -> Fit:
        """What training left behind so far: the main loss, and the norms of a step's updates."""
        losses, norms = list(self._losses), list(self._norms)
        return Fit(losses, norms, self._diverged, round(self._tokens), self._logits)

    def advance(self, until: int | None = None) -> None:
        """Train on until `until` steps are taken, to the end without it; a divergence stops it."""
        until = self.total_steps if until is None else min(until, self.total_steps)
        with torch.random.fork_rng():
            while len(self._losses) < until and not self._diverged:
                self._step(len(self._losses))

    def _step(self, step: int) -> None:
        made, settings = self._parts.made, self._parts.made.settings
        torch.manual_seed(self._member.seed + step)
        if made.policy:
            if step % settings.sync == 0:
                self._parts.sync()
            if step and settings.refresh and step % settings.refresh == 0:
                self._relabel()
        # A frozen actor by itself has nothing to learn from its loss.
        with nullcontext() if made.parameters else torch.no_grad():
            main = self.main_loss(next(self._order))
        norms: list[float] = []
        # By itself the supervised loss has nothing to be weighed against.
        alpha = settings.alpha if made.parameters else 1.0
        if made.policy and made.joint:
            norms.append(self._update(main + alpha * self._next_supervised()))
        else:
            if made.parameters:
                norms.append(self._update(main))
            if made.policy and not self._diverged:
                norms.append(self._update(alpha * self._next_supervised()))
        self._losses.append(float(main.detach()))
        self._norms.append(math.hypot(*norms))
        self._diverged = self._diverged or not math.isfinite(self._losses[-1])
        self._scheduler.step()

    def _relabel(self) -> None:
        rows = self._member.rows[: len(self._labels)]
        parts, own = self._parts, self._candidates
        self._labels = labels_now(self._model, parts, own, rows, self._pad_id)
        n_read = sum(len(own.under(row, c).ids) for row in rows for c in range(len(own)))
        self._tokens += n_read
        self._logits += n_read
        if parts.writing is not None:
            self._count(rows, parts.depth / len(parts.encoders))

    def _next_supervised(self) -> Tensor:
        return self.supervised_loss(next(self._labelled))

    def main_loss(self, places: Sequence[int]) -> Tensor:
        """Nats per target token of the actor on some training rows."""
        rows, parts = [self._member.rows[i] for i in places], self._parts
        states = None
        if parts.writing is not None:
            states = parts.states(parts.writing, rows, training=True)
        read = rows
        if parts.choosing is not None:
            asked = states
            if parts.choosing is not parts.writing or asked is None:
                asked = parts.states(parts.choosing, rows)
            initial = [self._candidates.place(row) for row in rows]
            chosen = parts.chosen(parts.asked, asked.detach(), initial)
            read = [self._candidates.under(row, c) for row, c in zip(rows, chosen, strict=True)]
        inputs, labels = collate(read, self._pad_id, reading_device(self._model))
        with parts.written(states, training=True) if states is not None else nullcontext():
            per_token = token_losses(self._model(**inputs, use_cache=False).logits, labels)
        self._count(rows, parts.depth)
        self._tokens += sum(len(row.ids) for row in read)
        self._logits += sum(len(row.ids) for row in read)
        return per_token.sum() / sum(row.n_target for row in read)

    def supervised_loss(self, places: Sequence[int]) -> Tensor:
        """Nats per example of the policy against the labels of some training rows."""
        rows, encoder = [self._member.rows[i] for i in places], self._parts.choosing
        assert encoder is not None, "there is a policy"
        states = self._parts.states(encoder, rows, training=True)
        self._count(rows, self._parts.depth / len(self._parts.encoders))
        wanted = torch.tensor([self._labels[i] for i in places], device=states.device)
        scores = self._parts.scores(self._parts.head, states)
        return torch.nn.functional.cross_entropy(scores, wanted)

    def _update(self, loss: Tensor) -> float:
        """One update by a loss, of what it reaches; its gradient's norm before clipping."""
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        limit = self._member.settings.max_grad_norm
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, limit))
        if math.isfinite(norm) and bool(torch.isfinite(loss.detach())):
            self._optimizer.step()
        else:
            self._diverged = True
        return norm

    def _count(self, rows: Sequence[Encoded], depth: float) -> None:
        """Count what encoders read: a token that passes through half the layers is half a token."""
        self._tokens += depth * sum(row.target_start for row in rows)
