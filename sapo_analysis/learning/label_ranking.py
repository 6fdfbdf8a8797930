"""Which of a task's labels a model finds likeliest, by three rules, without writing an answer.

A metric of its own: the model chooses among the labels it is shown, so its accuracy is not that of
what it would write (`sapo_analysis.learning.evaluation`) and never stands in the same column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import in_batches
from sapo_analysis.learning.packed_scoring import pack_losses
from sapo_analysis.models.encoding import Encoded, Encoder, encode
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack, shared_prefix
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.tasks import correct
from sapo_analysis.tasks.base import Example, Task


@dataclass(frozen=True)
class LabelRanking:
    """How often the likeliest label is right: 100 · right / examples, once per rule.

    A label's tokens are those the model would write to answer with it and with nothing else: its
    text and the end of turn. Of labels that are equally likely the task's first one counts.

    Attributes:
        label_rank_sum: the label with the lowest −log p, summed over its tokens.
        label_rank_mean: the label with the lowest −log p per token.
        label_rank_trie: greedy decoding that may only write tokens with which some label goes on.
        by_sum: the label each example got by the first rule, as a place in the task's labels.
        by_mean: by the second.
        by_trie: by the third.
    """

    label_rank_sum: float
    label_rank_mean: float
    label_rank_trie: float
    by_sum: list[int]
    by_mean: list[int]
    by_trie: list[int]


@torch.no_grad()
def rank_labels(
    model: PreTrainedModel,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Example],
    prompt: Prompt,
    size: int,
) -> LabelRanking:
    """Rank the task's labels on each example under a prompt, `size` examples at a time.

    Raises:
        InputError: the task has no labels, there is no example, or a text does not fit the model.
    """
    check_labels(task)
    if not examples:
        raise InputError(f"No examples of task {task.name!r} to rank labels on. Give at least one.")
    rows = [_labelled(encoder, task, i, example, prompt) for i, example in enumerate(examples)]
    chosen: list[tuple[int, int, int]] = []
    with packed(model) as reader:
        for batch in in_batches(rows, size):
            prefixes = [shared_prefix(row) for row in batch]
            pack = Pack(batch, prefixes, encoder.pad_id, reader.device)
            logits = reader.logits(pack)
            losses = pack_losses(logits, pack, batch)
            for row, own, of_row in zip(batch, losses, logits, strict=True):
                labels = range(len(row))
                chosen.append(
                    (
                        min(labels, key=lambda c: own[c].nll_sum),
                        min(labels, key=lambda c: own[c].nll_sum / own[c].n_tokens),
                        _walk([x.ids[x.target_start :] for x in row], of_row),
                    )
                )
    by_sum, by_mean, by_trie = (list(rule) for rule in zip(*chosen, strict=True))
    return LabelRanking(
        label_rank_sum=_accuracy(task, examples, by_sum),
        label_rank_mean=_accuracy(task, examples, by_mean),
        label_rank_trie=_accuracy(task, examples, by_trie),
        by_sum=by_sum,
        by_mean=by_mean,
        by_trie=by_trie,
    )


def check_labels(task: Task) -> None:
    """Refuse a task of free answers."""
    if not task.labels:
        raise InputError(
            f"Task {task.name!r} has no labels to rank: its answers are free text."
            " Choose a task with labels; `sapo tasks --json` lists them."
        )


def _labelled(
    encoder: Encoder, task: Task, i: int, example: Example, prompt: Prompt
) -> list[Encoded]:
    """The example with each label as its answer, all answers counted from the same token on."""
    found = [
        encode(encoder.tokenizer, prompt.text, task.suffix, Example(example.input, label))
        for label in task.labels
    ]
    longest = max(len(row.ids) for row in found)
    if longest > encoder.max_length:
        raise InputError(
            f"Prompt {prompt.prompt_id!r} of task {task.name!r} makes example {i} {longest} tokens"
            f" long with its longest label; the model reads at most {encoder.max_length}."
            " Shorten the prompt: nothing is cut silently."
        )
    # A tokenizer may merge the end of the context into some labels and not into others; likelihoods
    # compare only from where all contexts are still the same.
    start = len(commonprefix([row.context for row in found]))
    return [replace(row, target_start=start) for row in found]


def _walk(labels: Sequence[Sequence[int]], logits: Tensor) -> int:
    """The label that greedy decoding reaches if it may only go on with some label's token.

    `logits` [all labels' tokens in order, vocabulary] predict the labels' tokens.
    """
    starts = [sum(map(len, labels[:c])) for c in range(len(labels))]
    alive = list(range(len(labels)))
    place = 0
    while len(alive) > 1:
        ended = [c for c in alive if len(labels[c]) == place]
        if ended:  # a template without an end of turn: nothing is left to choose by
            return ended[0]
        # All labels still alive agree on the tokens so far, so any of them has this node's logits.
        node = logits[starts[alive[0]] + place]
        best = max((labels[c][place] for c in alive), key=lambda token: float(node[token]))
        alive = [c for c in alive if labels[c][place] == best]
        place += 1
    return alive[0]


def _accuracy(task: Task, examples: Sequence[Example], chosen: Sequence[int]) -> float:
    right = [
        correct(task, task.labels[c], example.target)
        for c, example in zip(chosen, examples, strict=True)
    ]
    return 100.0 * sum(right) / len(right)
