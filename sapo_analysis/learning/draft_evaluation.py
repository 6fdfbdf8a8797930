"""Measuring many adapters on a task at once, with the gold answers as drafts.

One pass over prompt and gold answer gives the loss and, at every target token, the token the model
would have written itself. As long as the two agree, greedy decoding writes the gold answer; it is
carried out only from the first disagreement on. Same answers as `evaluation.greedy_answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import bounded_batches, in_halves_when_full
from sapo_analysis.learning.decoding import Start, continue_greedy
from sapo_analysis.learning.evaluation import Evaluation, summarise
from sapo_analysis.learning.packed_scoring import pack_losses
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.packed import PackedModel, packed
from sapo_analysis.models.packing import Pack, shared_prefix
from sapo_analysis.models.room import most_kept_tokens
from sapo_analysis.tasks.base import Example, Task


@dataclass
class _Found:
    """What one adapter gave so far, by example number."""

    losses: dict[int, ExampleLoss]
    answers: dict[int, list[int]]
    tokens: int
    logits: int

    def include(self, more: _Found) -> None:
        """Add what another pass gave."""
        self.losses |= more.losses
        self.answers |= more.answers
        self.tokens += more.tokens
        self.logits += more.logits


@torch.no_grad()
def evaluate_stacked(
    model: PreTrainedModel,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Example],
    rows: Sequence[Sequence[Encoded]],
    size: int,
) -> list[Evaluation]:
    """Evaluate each adapter of the stack on `examples`, `size` of them at a time.

    `rows[k]` holds the examples as adapter k reads them. A model without a stack is measured with
    one list of rows.
    """
    found = [_Found({}, {}, 0, 0) for _ in rows]
    prefixes = [shared_prefix(own) for own in rows]
    order = sorted(range(len(examples)), key=lambda i: len(rows[0][i].ids))
    with packed(model) as reader:

        def measure(places: Sequence[int]) -> None:
            batch = [[own[i] for i in places] for own in rows]
            pack = Pack(batch, prefixes, encoder.pad_id, reader.device, keep=True)
            new = _evaluate_pack(reader, pack, batch, places, task.max_new_tokens, encoder)
            for result, own in zip(found, new, strict=True):
                result.include(own)

        def length(i: int) -> int:
            return max(len(own[i].ids) for own in rows) + task.max_new_tokens

        most = most_kept_tokens(model) // len(rows)
        for places in bounded_batches(order, size, length, most):
            in_halves_when_full(measure, places)
    return [
        summarise(
            task,
            examples,
            encoder.answers([own.answers[i] for i in range(len(rows[0]))]),
            [own.losses[i] for i in range(len(rows[0]))],
            own.tokens,
            own.logits,
        )
        for own in found
    ]


def _evaluate_pack(
    reader: PackedModel,
    pack: Pack,
    batch: Sequence[Sequence[Encoded]],
    places: Sequence[int],
    max_new_tokens: int,
    encoder: Encoder,
) -> list[_Found]:
    found = [_Found({}, {}, 0, 0) for _ in batch]
    logits = reader.logits(pack)
    losses = pack_losses(logits, pack, batch)
    written = logits.argmax(dim=-1).tolist()
    del logits  # large, and decoding needs the room
    starts = []
    waiting: list[tuple[int, int, list[int]]] = []
    for r, (examples, own, result) in enumerate(zip(batch, written, found, strict=True)):
        result.losses.update(zip(places, losses[r], strict=True))
        result.tokens += pack.row_tokens[r]
        result.logits += pack.row_labels[r]
        at = 0
        for i, row in enumerate(examples):
            gold = row.ids[row.target_start :]
            agreed = _agreed(gold, own[at : at + len(gold)], encoder.stop_ids, max_new_tokens)
            if agreed is None:
                result.answers[places[i]] = _until_stop(gold, encoder.stop_ids)[:max_new_tokens]
            else:
                position, limit = row.target_start + agreed, max_new_tokens - agreed
                starts.append(Start(r, i, position, own[at + agreed], limit))
                waiting.append((r, places[i], gold[:agreed]))
            at += len(gold)
    rest = continue_greedy(reader, pack, starts, encoder.stop_ids)
    for (r, place, agreed_part), tokens in zip(waiting, rest, strict=True):
        found[r].answers[place] = agreed_part + tokens
        found[r].tokens += len(tokens) - 1  # each but the last was read
        found[r].logits += len(tokens) - 1
    return found


def _agreed(
    gold: Sequence[int], written: Sequence[int], stop_ids: Sequence[int], limit: int
) -> int | None:
    """How many gold tokens the model wrote itself before it left the draft; None: all it needs."""
    for j, (wanted, own) in enumerate(zip(gold[:limit], written, strict=False)):
        if own != wanted:
            return j
        if wanted in stop_ids:
            return None
    return None if len(gold) >= limit else len(gold) - 1


def _until_stop(gold: list[int], stop_ids: Sequence[int]) -> list[int]:
    for j, token in enumerate(gold):
        if token in stop_ids:
            return gold[: j + 1]
    return gold
