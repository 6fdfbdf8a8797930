"""Candidates' pre-update losses at the states that policies ask about."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sapo_analysis.learning.race import WARM_UP
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import Candidate, Selection, scored_in_full
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.fine_tunes import FineTunes

Heard = Callable[[int, int, float, int, bool], None]
"""Told (state, candidate, loss so far, texts it is over, whether it was stopped)."""

_LOOKS = 64
"""Texts between two words on a candidate of a race."""


@dataclass(frozen=True)
class Scored:
    """Pre-update losses of a task's candidates at one state.

    Attributes:
        values: nats per token in the released averaging; of a dropped candidate a lower bound.
        exact: whether each was scored on all examples.
        seconds: time it took.
        examples: texts read.
    """

    values: list[float]
    exact: list[bool]
    seconds: float
    examples: int


@dataclass(frozen=True)
class Scoring:
    """What came out at one state: for the policies, and candidate by candidate for the tables."""

    scored: Scored
    candidates: list[Candidate]


def score_in_full(
    tuned: FineTunes,
    rows: Sequence[Sequence[Encoded]],
    n_states: int,
    batch_size: int,
    heard: Heard,
) -> list[Scoring]:
    """All losses of all candidates at all states of a stack.

    Args:
        tuned: an adapter per state.
        rows: the scored examples under each candidate.
        n_states: number of adapters; they share the time evenly.
        batch_size: of the released averaging.
        heard: told of each candidate.
    """
    found: list[list[list[ExampleLoss]]] = [[] for _ in range(n_states)]
    began = time.perf_counter()
    for i, own in enumerate(rows):
        for k, losses in enumerate(tuned.losses([own] * n_states)):
            found[k].append(losses)
            value = scored_in_full([losses], batch_size).candidates[0].value
            heard(k, i, value, len(losses), False)
    seconds = (time.perf_counter() - began) / n_states
    return [_scoring(scored_in_full(losses, batch_size), seconds) for losses in found]


def score_for_the_lowest(
    tuned: FineTunes,
    rows: Sequence[Sequence[Encoded]],
    batch_size: int,
    heard: Heard,
) -> Scoring:
    """As much of the losses at one state as it takes to know the lowest."""
    began = time.perf_counter()

    def looked(i: int, loss: float, n: int) -> None:
        if n % _LOOKS == WARM_UP:
            heard(0, i, loss, n, False)

    selection = tuned.lowest(rows, batch_size, looked)
    seconds = time.perf_counter() - began
    for i, candidate in enumerate(selection.candidates):
        heard(0, i, candidate.value, candidate.n_examples, not candidate.exact)
    return _scoring(selection, seconds)


def _scoring(selection: Selection, seconds: float) -> Scoring:
    values = [candidate.value for candidate in selection.candidates]
    exact = [candidate.exact for candidate in selection.candidates]
    n = selection.n_evaluations + selection.n_repeated
    return Scoring(Scored(values, exact, seconds, n), selection.candidates)
