"""The candidate with the lowest sum of losses, found without adding up all of every sum.

Losses are never negative. So a candidate whose sum so far exceeds the best one's total cannot win
any more, whatever is still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from random import Random

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import in_batches

WARM_UP = 16
"""Random examples that every candidate is scored on before the first is dropped."""
BLOCK = 8
"""Examples that the survivors are scored on between two looks at who can still win."""

Losses = Callable[[Sequence[int], Sequence[int]], Sequence[Sequence[float]]]


@dataclass(frozen=True)
class Race:
    """How a race ended.

    Attributes:
        winner: the candidate with the lowest total; of equal ones the first.
        totals: each candidate's sum of losses: over all examples if `exact`, else over those seen.
        n_scored: examples each candidate was scored on.
        exact: whether it was scored on all.
    """

    winner: int
    totals: list[float]
    n_scored: list[int]
    exact: list[bool]


def race(
    losses: Losses,
    n_candidates: int,
    n_examples: int,
    seed: int,
    slack: Callable[[int], float] = lambda leader: 0.0,
) -> Race:
    """The candidate with the lowest sum of losses, found by dropping those that cannot have it.

    Args:
        losses: (candidates, examples) to their losses, a list per candidate; none is negative.
        n_candidates: number of candidates; callers put the one that ties should keep first.
        n_examples: number of examples; every candidate is judged on all of them.
        seed: which examples everybody starts with.
        slack: asked once, when the leader is scored in full: how far above its total a candidate
            must be to be dropped.

    Raises:
        InputError: no candidate or no example, or a loss that is negative or not a number.
    """
    check_not_empty(n_candidates, n_examples)
    seen: list[dict[int, float]] = [{} for _ in range(n_candidates)]

    def score(candidates: Sequence[int], examples: Sequence[int]) -> None:
        for k, found in zip(candidates, losses(candidates, examples), strict=True):
            for i, loss in zip(examples, found, strict=True):
                _check_loss(k, i, loss)
                seen[k][i] = loss

    def total(k: int) -> float:
        # Exactly rounded: no order of adding decides a tie, and no part exceeds its whole.
        return fsum(seen[k].values())

    first = Random(seed).sample(range(n_examples), min(WARM_UP, n_examples))
    score(range(n_candidates), first)
    leader = min(range(n_candidates), key=total)
    rest = [i for i in range(n_examples) if i not in seen[leader]]
    if rest:
        score([leader], rest)
    # Where the leader's losses are high others' tend to be: sums grow fast and losers fall early.
    rest.sort(key=lambda i: -seen[leader][i])
    limit = total(leader) + slack(leader)
    alive = [k for k in range(n_candidates) if k != leader]
    for block in in_batches(rest, BLOCK):
        alive = [k for k in alive if total(k) <= limit]
        if not alive:
            break
        score(alive, block)
    n_scored = [len(own) for own in seen]
    exact = [n == n_examples for n in n_scored]
    return Race(
        winner=min((k for k in range(n_candidates) if exact[k]), key=total),
        totals=[total(k) for k in range(n_candidates)],
        n_scored=n_scored,
        exact=exact,
    )


def check_not_empty(n_candidates: int, n_examples: int) -> None:
    """Refuse a selection from nothing."""
    if not (n_candidates and n_examples):
        raise InputError(
            f"{n_candidates} prompts on {n_examples} examples: nothing to select from."
            " Give at least one of each."
        )


def _check_loss(candidate: int, example: int, loss: float) -> None:
    if not (isfinite(loss) and loss >= 0):
        raise InputError(
            f"Prompt number {candidate} has loss {loss} on example {example}. Every loss must be"
            " finite and at least 0. Check the model's weights, or load them in float32."
        )
