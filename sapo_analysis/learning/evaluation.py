"""Measuring a model on a task: greedy answers by the task's metric, and the gold answers' loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import (
    Around,
    bounded_batches,
    collate_contexts,
    in_halves_when_full,
    nothing_around,
)
from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.room import most_kept_tokens
from sapo_analysis.models.spread import reading_device
from sapo_analysis.tasks.base import Example, Task
from sapo_analysis.tasks.metrics import correct, score


@dataclass(frozen=True)
class Evaluation:
    """One model on one task under one test prompt.

    Attributes:
        value: the task's metric over all examples, 0 to 100.
        loss: nats per target token, summed over all examples before dividing.
        outputs: the decoded answer of each example.
        losses: nats per target token of each example.
        correct: whether each answer is right by the task's metric.
        tokens: tokens read for the loss and while decoding, padding left out, and decoding slots.
        logits: tokens at which the head was computed.
        chosen: id of the prompt that each example was read under, where a method chooses.
    """

    value: float
    loss: float
    outputs: list[str]
    losses: list[float]
    correct: list[bool]
    tokens: int
    logits: int
    chosen: tuple[str, ...] = ()


def evaluate(
    model: PreTrainedModel,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Example],
    rows: Sequence[Encoded],
    size: int,
    around: Around = nothing_around,
) -> Evaluation:
    """Evaluate on `examples`, encoded as `rows`, `size` at a time, each pass inside `around`."""
    losses = example_losses(model, rows, size, encoder.pad_id, around)
    outputs, written = greedy_answers(model, encoder, rows, task.max_new_tokens, size, around)
    read = sum(len(row.ids) for row in rows)
    tokens = read + sum(row.target_start for row in rows) + written
    return summarise(task, examples, outputs, losses, tokens, logits=read + written)


def summarise(
    task: Task,
    examples: Sequence[Example],
    outputs: list[str],
    losses: Sequence[ExampleLoss],
    tokens: int,
    logits: int,
) -> Evaluation:
    """Answers and losses of all examples as one evaluation."""
    targets = [example.target for example in examples]
    return Evaluation(
        value=score(task, outputs, targets),
        loss=sum(loss.nll_sum for loss in losses) / sum(loss.n_tokens for loss in losses),
        outputs=outputs,
        losses=[loss.nll_sum / loss.n_tokens for loss in losses],
        correct=[
            correct(task, output, target) for output, target in zip(outputs, targets, strict=True)
        ],
        tokens=tokens,
        logits=logits,
    )


def of_first(
    found: Evaluation, task: Task, examples: Sequence[Example], rows: Sequence[Encoded], n: int
) -> tuple[float, float]:
    """Value and loss of an evaluation over its first `n` examples alone, as if only those were."""
    targets = [example.target for example in examples[:n]]
    tokens = [row.n_target for row in rows[:n]]
    nll = sum(loss * k for loss, k in zip(found.losses[:n], tokens, strict=True))
    return score(task, found.outputs[:n], targets), nll / sum(tokens)


@torch.no_grad()
def greedy_answers(
    model: PreTrainedModel,
    encoder: Encoder,
    rows: Sequence[Encoded],
    max_new_tokens: int,
    size: int,
    around: Around = nothing_around,
) -> tuple[list[str], int]:
    """Greedy answers, special tokens and outer white space removed; number of tokens decoded."""
    generate: Any = model.generate  # transformers declares it on the model classes, not on the base
    # Rows of like length share a batch, which saves padding; answers go back to their places.
    by_length = sorted(range(len(rows)), key=lambda i: rows[i].target_start)
    answers = [""] * len(rows)
    written: list[int] = []

    def decode(places: Sequence[int]) -> None:
        batch = [rows[i] for i in places]
        inputs = collate_contexts(batch, encoder.pad_id, reading_device(model))
        with around(batch):
            found = generate(
                **inputs,
                do_sample=False,
                num_beams=1,
                max_new_tokens=max_new_tokens,
                eos_token_id=encoder.stop_ids,
                pad_token_id=encoder.pad_id,
                use_cache=True,
            )[:, inputs["input_ids"].shape[1] :]
        written.append(found.numel())
        for place, text in zip(places, encoder.answers(found.tolist()), strict=True):
            answers[place] = text

    def length(i: int) -> int:
        return rows[i].target_start + max_new_tokens

    for batch in bounded_batches(by_length, size, length, most_kept_tokens(model)):
        in_halves_when_full(decode, batch)
    return answers, sum(written)
