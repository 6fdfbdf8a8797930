"""Which prompt has the lowest pre-update loss, with fewer evaluations than all losses take.

For when the winner alone matters: the answer is the argmin of full scoring, but losers get a lower
bound in place of their loss. A study that correlates losses needs them all.

Losses are never negative, and pre-update loss is a sum of them with fixed weights. So a prompt
whose sum so far exceeds the best prompt's total cannot win any more, whatever is still to come.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from random import Random
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import in_batches
from sapo_analysis.learning.packed_scoring import (
    TOKENS_PER_PASS,
    check_packed,
    pack_losses,
    packed_losses,
)
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import PackedModel, packed
from sapo_analysis.models.packing import KeysValues, Pack, shared_prefix
from sapo_analysis.pre_update_loss import batch_mean

WARM_UP = 16
"""Random examples that every candidate is scored on before the first is dropped."""
BLOCK = 8
"""Examples that the survivors are scored on between two looks at who can still win."""
N_REPEATED = 64
"""The leader's examples that are read a second time, to measure rounding."""
NOISE_FACTOR = 3
"""Candidates closer than this many times the rounding noise are not told apart by it."""
_PLAIN_BATCH = 64
_PRECISE = (torch.float32, torch.float64)

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
    _check_not_empty(n_candidates, n_examples)
    seen: list[dict[int, float]] = [{} for _ in range(n_candidates)]

    def score(candidates: Sequence[int], examples: Sequence[int]) -> None:
        for k, found in zip(candidates, losses(candidates, examples), strict=True):
            for i, loss in zip(examples, found, strict=True):
                _check(k, i, loss)
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


def _check_not_empty(n_candidates: int, n_examples: int) -> None:
    """Refuse a selection from nothing."""
    if not (n_candidates and n_examples):
        raise InputError(
            f"{n_candidates} prompts on {n_examples} examples: nothing to select from."
            " Give at least one of each."
        )


def _check(candidate: int, example: int, loss: float) -> None:
    if not (isfinite(loss) and loss >= 0):
        raise InputError(
            f"Prompt number {candidate} has loss {loss} on example {example}. Every loss must be"
            " finite and at least 0. Check the model's weights, or load them in float32."
        )


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
) -> Selection:
    """The prompt with the lowest pre-update loss: the argmin of full scoring.

    In less than float32, nothing that rounding might have misplaced is dropped, and what it cannot
    tell apart from the best is read once more with float32 weights, which then decide.

    Args:
        model: the model as it is before the update.
        rows: for each candidate prompt the same examples, in file order; the original prompt first.
        pad_id: token that fills rows up.
        batch_size: rows per batch of the released averaging.
        seed: which examples every candidate starts with.
        precise: for a model in less than float32, the same weights in float32; default: a copy.

    Raises:
        InputError: no prompt or no example, or a loss that is not a finite number.
    """
    n_examples = len(rows[0]) if rows else 0
    _check_not_empty(len(rows), n_examples)
    weights = [_weights(own, batch_size) for own in rows]
    found: list[dict[int, ExampleLoss]] = [{} for _ in rows]
    noise = 0.0
    repeated = Random(seed).sample(range(n_examples), min(N_REPEATED, n_examples))
    is_packed = reads_packed(model, rows, pad_id)
    if model.dtype in _PRECISE:
        precise = None
    elif precise is None:
        twin: Any = copy.deepcopy(model)  # transformers leaves its `float` untyped
        precise = twin.float()
    with _reading(model, rows, pad_id, is_packed) as reader:

        def losses(candidates: Sequence[int], examples: Sequence[int]) -> list[list[float]]:
            for k, own in zip(candidates, reader.losses(candidates, examples), strict=True):
                found[k].update(zip(examples, own, strict=True))
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
            return 0.0 if precise is None else NOISE_FACTOR * noise

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


def full_losses(
    model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int, is_packed: bool
) -> list[ExampleLoss]:
    """One prompt's losses on all its examples; `is_packed`: what `reads_packed` said."""
    if is_packed:
        return packed_losses(model, rows, pad_id)
    return example_losses(model, rows, _PLAIN_BATCH, pad_id)


def reads_packed(model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int) -> bool:
    """Whether a model reads packed rows as it reads single texts; tried on a few of `rows`."""
    # The longest text is among them: some attention differs only beyond a length.
    longest = max((row for own in rows for row in own), key=lambda row: len(row.ids))
    try:
        check_packed(model, [*rows[0][:3], longest], pad_id)
    except InputError:
        return False
    return True


def _weights(rows: Sequence[Encoded], batch_size: int) -> list[float]:
    """What one nat on each example adds to the released averaging, `batch_mean`."""
    found = []
    for batch in in_batches(rows, batch_size):
        weight = len(batch) / sum(row.n_target for row in batch) / len(rows)
        found += [weight] * len(batch)
    return found


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


class _Reader(Protocol):
    """Losses of some candidates on some examples."""

    def losses(
        self, candidates: Sequence[int], examples: Sequence[int]
    ) -> list[list[ExampleLoss]]: ...

    def again(self, candidate: int, examples: Sequence[int]) -> list[ExampleLoss]:
        """The same losses from texts arranged in another way."""
        ...


@contextmanager
def _reading(
    model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int, is_packed: bool
) -> Iterator[_Reader]:
    if is_packed:
        with packed(model) as reader:
            yield _Packed(reader, rows, pad_id)
    else:
        yield _Plain(model, rows, pad_id)


class _Packed:
    """A row per candidate; its prefix is read once, in the first pass, which must be of all."""

    def __init__(self, reader: PackedModel, rows: Sequence[Sequence[Encoded]], pad_id: int):
        self._reader, self._rows, self._pad_id = reader, rows, pad_id
        self._prefixes = [shared_prefix(own) for own in rows]
        self._cache: dict[int, KeysValues] | None = None

    def losses(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        longest = max(
            len(self._rows[k][i].ids) - self._prefixes[k] for k in candidates for i in examples
        )
        size = max(1, TOKENS_PER_PASS // (len(candidates) * longest))
        found: list[list[ExampleLoss]] = [[] for _ in candidates]
        for places in in_batches(examples, size):
            for own, new in zip(found, self._pass(candidates, places), strict=True):
                own += new
        return found

    def _pass(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        prefixes = [self._prefixes[k] for k in candidates]
        cache = None if self._cache is None else _part(self._cache, candidates, max(prefixes))
        batch = [[self._rows[k][i] for i in examples] for k in candidates]
        pack = Pack(
            batch,
            prefixes,
            self._pad_id,
            self._reader.device,
            keep=cache is None,
            prefix_cache=cache,
        )
        losses = pack_losses(self._reader.logits(pack), pack, batch)
        if cache is None:
            # Copies: the kept ones are views of everything this pass read.
            self._cache = {
                layer: (k.clone(), v.clone()) for layer, ((k, v), _) in pack.kept.items()
            }
        return losses

    def again(self, candidate: int, examples: Sequence[int]) -> list[ExampleLoss]:
        rows = [self._rows[candidate][i] for i in examples]
        size = max(1, TOKENS_PER_PASS // max(len(row.ids) for row in rows))
        found = []
        for batch in in_batches(rows, size):
            pack = Pack([batch], [0], self._pad_id, self._reader.device)
            found += pack_losses(self._reader.logits(pack), pack, [batch])[0]
        return found


def _part(
    cache: dict[int, KeysValues], candidates: Sequence[int], prefix: int
) -> dict[int, KeysValues]:
    """The keys and values of some candidates, as long as the longest prefix among them."""
    return {
        layer: (k[list(candidates), :, :prefix], v[list(candidates), :, :prefix])
        for layer, (k, v) in cache.items()
    }


class _Plain:
    """For models that do not read packed rows."""

    def __init__(self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]], pad_id: int):
        self._model, self._rows, self._pad_id = model, rows, pad_id

    def losses(self, candidates: Sequence[int], examples: Sequence[int]) -> list[list[ExampleLoss]]:
        return [
            example_losses(
                self._model, [self._rows[k][i] for i in examples], _PLAIN_BATCH, self._pad_id
            )
            for k in candidates
        ]

    def again(self, candidate: int, examples: Sequence[int]) -> list[ExampleLoss]:
        return example_losses(
            self._model, [self._rows[candidate][i] for i in examples], 1, self._pad_id
        )
