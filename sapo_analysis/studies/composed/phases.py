"""Training by a recipe, phase after phase; each keeps its best checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.members import Dev, Member
from sapo_analysis.learning.perturbation import Perturbation
from sapo_analysis.learning.stacked_training import StackedTraining, Trained
from sapo_analysis.learning.training import Fit, Training
from sapo_analysis.methods.recipe import Phase, Recipe
from sapo_analysis.models.joined_weights import JoinedWeights
from sapo_analysis.studies.composed.parts import Parts
from sapo_analysis.studies.engine import Engine

Judge = Callable[[Sequence[Dev]], list[Evaluation]]
"""Measures every fine-tune on its dev rows."""


class Phases:
    """The training of K fine-tunes by one recipe; where it pauses decides nothing.

    The last phase has the member's own seed, so it meets the examples in the order in which a
    fine-tune of that phase alone would; earlier ones have seeds of their own. A fine-tune that
    diverges in a phase is not trained in the next.
    """

    def __init__(
        self,
        engine: Engine,
        recipe: Recipe,
        parts: Parts,
        members: Sequence[Member],
        judge: Judge,
    ):
        """`members` hold the rows as they are read, behind what is on for them."""
        self._engine, self._parts, self._members = engine, parts, members
        self._judge = judge
        self._devs = [member.dev for member in members if member.dev is not None]
        self._left = list(recipe.phases)
        self._done: list[list[Fit]] = [[] for _ in members]
        self._steps = 0
        self._current: _Running | None = None

    @property
    def fits(self) -> list[Fit]:
        """What training left behind so far, all phases as one."""
        now = self._current.fits if self._current is not None else []
        found = []
        for k, done in enumerate(self._done):
            found.append(_joined([*done, *now[k : k + 1]]))
        return found

    def advance(self, until: int | None = None) -> None:
        """Train on until `until` steps of all phases together are taken; without it, to the end."""
        while until is None or self._steps < until:
            if self._current is None:
                if not self._left:
                    return
                self._current = self._begin(self._left.pop(0))
            phase = self._current
            end = phase.steps if until is None else min(phase.steps, until - self._before)
            phase.advance(end)
            self._steps = self._before + end
            if end < phase.steps:
                return
            phase.keep_best()
            for own, fit in zip(self._done, phase.fits, strict=True):
                own.append(fit)
            self._current = None

    def _begin(self, phase: Phase) -> _Running:
        self._before = self._steps
        how, tokenizer = phase.perturbed, self._engine.encoder.tokenizer
        perturbed = None if how is None else Perturbation.of(how, tokenizer)
        members = [
            replace(
                m,
                settings=phase.settings,
                seed=m.seed + len(self._left) * _APART,
                perturbed=perturbed,
            )
            for m in self._members
        ]
        running = _Running(self._engine, phase, self._parts, members, self._devs, self._judge)
        for k, done in enumerate(self._done):
            if any(fit.diverged for fit in done):
                running.leave_out(k)
        return running


_APART = 1_000_003
"""Between the seeds of two phases; more than the steps of one, which dropout counts on."""


class _Running:
    """One phase that is being trained."""

    def __init__(
        self,
        engine: Engine,
        phase: Phase,
        parts: Parts,
        members: Sequence[Member],
        devs: Sequence[Dev],
        judge: Judge,
    ):
        self.steps = phase.settings.steps
        self._devs, self._judge = devs, judge
        self._every = phase.select_every if devs else 0
        self._left_out: set[int] = set()
        whole = "whole-model" in phase.trains
        chosen = [part for name, part in parts.by_name.items() if name in phase.trains]
        for name, part in parts.by_name.items():
            for leaf in part.tensors:
                leaf.requires_grad_(name in phase.trains)
        parts.model.requires_grad_(whole)
        pad_id = engine.encoder.pad_id
        self._training: StackedTraining | _Alone
        if whole or engine.name == "plain":
            own = [leaf for part in chosen for leaf in part.tensors]
            more = list(parts.model.parameters()) if whole else []
            dropout = next((p.dropout for p in chosen if p.dropout.probability), None)
            (member,) = members
            self._weights: list[Tensor] = [*own, *more]
            training = Training(parts.model, member, pad_id, self._weights, dropout)
            self._training = _Alone(training)
        else:
            trained: Trained = chosen[0] if len(chosen) == 1 else JoinedWeights(chosen)
            self._weights = [trained.values]
            self._training = StackedTraining(parts.model, trained, members, pad_id)
        self._best: list[tuple[tuple[float, float], list[Tensor]] | None] = [None] * len(members)

    @property
    def fits(self) -> list[Fit]:
        """What this phase left behind so far."""
        return self._training.fits

    def leave_out(self, k: int) -> None:
        """Do not train fine-tune k: it diverged before."""
        self._training.leave_out(k)
        self._left_out.add(k)

    def advance(self, until: int) -> None:
        """Train on, judging at each checkpoint on the way."""
        if not self._every:
            self._training.advance(until)
            return
        taken = max(len(fit.losses) for fit in self.fits)
        while taken < until:
            pause = min(until, (taken // self._every + 1) * self._every)
            self._training.advance(pause)
            if pause % self._every == 0 or pause == self.steps:
                self._look()
            taken = pause

    def keep_best(self) -> None:
        """Go back to each fine-tune's best checkpoint."""
        for k, best in enumerate(self._best):
            if best is not None:
                self._put(k, best[1])

    @torch.no_grad()
    def _look(self) -> None:
        """Judge where training is; of equally good checkpoints the first is kept."""
        fits = self.fits
        if all(fit.diverged for fit in fits):
            return
        for k, found in enumerate(self._judge(self._devs)):
            worth = (found.value, -found.loss)
            best = self._best[k]
            if not fits[k].diverged and (best is None or worth > best[0]):
                self._best[k] = (worth, self._take(k))

    def _take(self, k: int) -> list[Tensor]:
        if isinstance(self._training, _Alone):
            return [weight.detach().clone() for weight in self._weights]
        return [self._weights[0][k].detach().clone()]

    @torch.no_grad()
    def _put(self, k: int, weights: Sequence[Tensor]) -> None:
        alone = isinstance(self._training, _Alone)
        places = self._weights if alone else [self._weights[0][k]]
        for place, weight in zip(places, weights, strict=True):
            place.copy_(weight)


class _Alone:
    """One plain fine-tune, as a stack of one."""

    def __init__(self, training: Training):
        self._one = training
        self._out = False

    @property
    def fits(self) -> list[Fit]:
        fit = self._one.fit
        return [replace(fit, diverged=True) if self._out else fit]

    def leave_out(self, k: int) -> None:
        self._out = True

    def advance(self, until: int | None = None) -> None:
        if not self._out:
            self._one.advance(until)


def _joined(fits: Sequence[Fit]) -> Fit:
    """Several phases as one."""
    return Fit(
        losses=[loss for fit in fits for loss in fit.losses],
        grad_norms=[norm for fit in fits for norm in fit.grad_norms],
        diverged=any(fit.diverged for fit in fits),
        tokens=sum(fit.tokens for fit in fits),
        logits=sum(fit.logits for fit in fits),
        reread=sum(fit.reread for fit in fits),
        searched=sum(fit.searched for fit in fits),
    )
