"""Which prompt has the lowest pre-update loss, with fewer evaluations than all losses take.

For when the winner alone matters: the answer is the argmin of full scoring, but losers get a lower
bound in place of their loss. A study that correlates losses needs them all.

Pre-update loss is a sum of losses with fixed weights, so prompts can race for the lowest.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from random import Random
from typing import Any

import torch
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import in_batches
from sapo_analysis.learning.candidate_losses import full_losses, reading, reads_packed
from sapo_analysis.learning.race import Race, check_not_empty, race
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.quantized import computes_coarsely, is_quantized
from sapo_analysis.pre_update_loss import batch_mean

Heard = Callable[[int, float, int], None]
"""Told a candidate's number, its loss over the examples read so far, and how many these are."""

N_REPEATED = 64
"""The leader's examples that are read a second time, to measure rounding."""
NOISE_FACTOR = 3
"""Candidates closer than this many times the rounding noise are not told apart by it."""


@dataclass(frozen=True)
class Candidate:
    """What is known of one prompt.

    Attributes:
        value: pre-update loss in the released averaging (nats per token) if `exact`, else a lower
            bound of it.
        exact: whether it was scored on all examples.
        n_examples: examples it was scored on.
        losses: its losses in file order; None unless `exact`.
        precise: its pre-update loss with float32 weights, where that was needed.
    """

    value: float
    exact: bool
    n_examples: int
    losses: list[ExampleLoss] | None
    precise: float | None = None


@dataclass(frozen=True)
class Selection:
    """The prompt to train with, and how sure that is.

    Attributes:
        winner: number of the prompt with the lowest pre-update loss; of equal ones the first.
        candidates: what is known of each prompt.
        n_evaluations: (prompt, example) pairs read to find it, of `n_full` = prompts · examples.
        n_repeated: pairs read again to measure rounding.
        n_rechecked: pairs read again with float32 weights.
        gap: second lowest loss − lowest (nats per token); None where the second lowest is not
            known, since it may be a prompt that was dropped.
        noise: how far rounding moves a loss (nats per token): the leader's in another arrangement
            of the same texts, or, in less than float32, with float32 weights.
    """

    winner: int
    candidates: list[Candidate]
    n_evaluations: int
    n_full: int
    n_repeated: int
    n_rechecked: int
    gap: float | None
    noise: float


@torch.no_grad()
def select_prompt(
    model: PreTrainedModel,
    rows: Sequence[Sequence[Encoded]],
    pad_id: int,
    batch_size: int,
    seed: int = 0,
    precise: PreTrainedModel | None = None,
    heard: Heard | None = None,
) -> Selection:
    """The prompt with the lowest pre-update loss: the argmin of full scoring.

    In less than float32, nothing that rounding might have misplaced is dropped, and what it cannot
    tell apart from the best is read once more with float32 weights, which then decide. A quantized
    model has no such weights: its rounding is measured by another arrangement of the same texts.

    Args:
        model: the model as it is before the update.
        rows: for each candidate prompt the same examples, in file order; the original prompt first.
        pad_id: token that fills rows up.
        batch_size: rows per batch of the released averaging.
        seed: which examples every candidate starts with.
        precise: for a model in less than float32, the same weights in float32; default: a copy,
            and none of a quantized model.
        heard: told of each candidate whenever more of its examples are read.

    Raises:
        InputError: no prompt or no example, or a loss that is not a finite number.
    """
    n_examples = len(rows[0]) if rows else 0
    check_not_empty(len(rows), n_examples)
    weights = [_weights(own, batch_size) for own in rows]
    found: list[dict[int, ExampleLoss]] = [{} for _ in rows]
    noise = 0.0
    repeated = Random(seed).sample(range(n_examples), min(N_REPEATED, n_examples))
    is_packed = reads_packed(model, rows, pad_id)
    is_coarse = computes_coarsely(model)
    if not is_coarse:
        precise = None
    elif precise is None and not is_quantized(model):
        twin: Any = copy.deepcopy(model)  # transformers leaves its `float` untyped
        precise = twin.float()
    with reading(model, rows, pad_id, is_packed) as reader:

        def losses(candidates: Sequence[int], examples: Sequence[int]) -> list[list[float]]:
            for k, own in zip(candidates, reader.losses(candidates, examples), strict=True):
                found[k].update(zip(examples, own, strict=True))
                if heard is not None:
                    heard(k, _mean_so_far(weights[k], found[k]), len(found[k]))
            return [[weights[k][i] * found[k][i].nll_sum for i in examples] for k in candidates]

        def slack(leader: int) -> float:
            nonlocal noise
            if precise is None:
                again = reader.again(leader, repeated)
            else:
                # Another arrangement often repeats the same rounding of 8 bits; float32 shows it.
                again = full_losses(precise, [rows[leader][i] for i in repeated], pad_id, is_packed)
            differences = [
                weights[leader][i] * (found[leader][i].nll_sum - other.nll_sum)
                for i, other in zip(repeated, again, strict=True)
            ]
            noise = _noise(differences, n_examples)
            return NOISE_FACTOR * noise if is_coarse else 0.0

        run = race(losses, len(rows), n_examples, seed, slack)
    by_precise = {}
    if precise is not None and len(close := _close(run, NOISE_FACTOR * noise)) > 1:
        by_precise = {
            k: _value(full_losses(precise, rows[k], pad_id, is_packed), batch_size) for k in close
        }
    candidates = [
        _candidate(run, k, found[k], batch_size, by_precise.get(k)) for k in range(len(rows))
    ]
    return Selection(
        winner=min(by_precise, key=lambda k: by_precise[k]) if by_precise else run.winner,
        candidates=candidates,
        n_evaluations=sum(run.n_scored),
        n_full=len(rows) * n_examples,
        n_repeated=len(repeated),
        n_rechecked=len(by_precise) * n_examples,
        gap=_gap(candidates),
        noise=noise,
    )


def scored_in_full(
    losses: Iterable[list[ExampleLoss]], batch_size: int, heard: Heard | None = None
) -> Selection:
    """The prompt with the lowest pre-update loss, of prompts whose losses are all taken.

    `losses`: of each prompt, in file order, as they come; of equal prompts the first wins.
    """
    candidates: list[Candidate] = []
    for k, own in enumerate(losses):
        candidates.append(Candidate(_value(own, batch_size), True, len(own), own))
        if heard is not None:
            heard(k, candidates[k].value, len(own))
    n = sum(candidate.n_examples for candidate in candidates)
    winner = min(range(len(candidates)), key=lambda k: candidates[k].value)
    return Selection(winner, candidates, n, n, 0, 0, _gap(candidates), 0.0)


def _weights(rows: Sequence[Encoded], batch_size: int) -> list[float]:
    """What one nat on each example adds to the released averaging, `batch_mean`."""
    found = []
    for batch in in_batches(rows, batch_size):
        weight = len(batch) / sum(row.n_target for row in batch) / len(rows)
        found += [weight] * len(batch)
    return found


def _mean_so_far(weights: Sequence[float], found: Mapping[int, ExampleLoss]) -> float:
    """The released averaging over the examples read so far, each with the weight it has in all."""
    nll = fsum(weights[i] * loss.nll_sum for i, loss in found.items())
    return nll / fsum(weights[i] * loss.n_tokens for i, loss in found.items())


def _value(losses: Sequence[ExampleLoss], batch_size: int) -> float:
    return batch_mean(
        [loss.nll_sum for loss in losses], [loss.n_tokens for loss in losses], batch_size
    )


def _noise(differences: Sequence[float], n_examples: int) -> float:
    """Rounding of a sum over all examples, from two readings of some.

    The larger of what errors of one direction and what independent errors add up to: a shared
    prefix is rounded once for all, and independent errors may cancel by chance where they are seen.
    """
    scale = n_examples / len(differences)
    return max(abs(fsum(differences)) * scale, sqrt(fsum(d * d for d in differences) * scale))


def _close(run: Race, distance: float) -> list[int]:
    """The winner, and the others that are less than this above it."""
    best = run.totals[run.winner]
    return [
        k
        for k, total in enumerate(run.totals)
        if run.exact[k] and (k == run.winner or total - best < distance)
    ]


def _candidate(
    run: Race, k: int, found: dict[int, ExampleLoss], batch_size: int, precise: float | None
) -> Candidate:
    if not run.exact[k]:
        return Candidate(run.totals[k], False, run.n_scored[k], None)
    losses = [found[i] for i in range(len(found))]
    return Candidate(_value(losses, batch_size), True, len(losses), losses, precise)


def _gap(candidates: Sequence[Candidate]) -> float | None:
    """Second lowest loss − lowest; None where a dropped candidate may be the second."""
    values = sorted(c.precise for c in candidates if c.precise is not None)
    if not values:
        values = sorted(c.value for c in candidates if c.exact)
        bounds = [c.value for c in candidates if not c.exact]
        if len(values) == 1 or values[1] > min(bounds, default=values[1]):
            return None
    return values[1] - values[0]
