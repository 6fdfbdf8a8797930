"""Conversations to tokens, many at once: what `models.encoding.encode` does for each single turn.

Special tokens are atomic, so turns can be tokenised one by one and set in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from sapo_analysis.pretraining.mix import Draw
from sapo_analysis.pretraining.tokenizer import ASSISTANT, END, USER
from sapo_analysis.prompts import user_message


@dataclass(frozen=True)
class Conversation:
    """Token ids, and for each whether it belongs to an answer (end of turn included)."""

    ids: list[int]
    answer: list[bool]


def conversations(tokenizer: PreTrainedTokenizerFast, draws: Sequence[Draw]) -> list[Conversation]:
    """Every draw as tokens, in order; each turn repeats the whole message, as its chat would."""
    texts = [
        f"{USER}{user_message(draw.prompt.text, example.input, '')}{ASSISTANT}{example.target}{END}"
        for draw in draws
        for example in draw.examples
    ]
    speaks = tokenizer.convert_tokens_to_ids(ASSISTANT)
    tokens = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    found = []
    for draw in draws:
        ids: list[int] = []
        answer: list[bool] = []
        for turn in islice(tokens, len(draw.examples)):
            start = turn.index(speaks) + 1
            ids += turn
            answer += [False] * start + [True] * (len(turn) - start)
        found.append(Conversation(ids, answer))
    return found


def padded(rows: Sequence[Conversation], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, and masks of answers and of all else but padding: all [rows, longest].

    Padding stands on the right, where causal attention never looks.
    """
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids = torch.full(shape, pad_id)
    is_answer = torch.zeros(shape, dtype=torch.bool)
    is_text = torch.zeros(shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        n = len(row.ids)
        ids[i, :n] = torch.tensor(row.ids)
        is_answer[i, :n] = torch.tensor(row.answer)
        is_text[i, :n] = ~is_answer[i, :n]
    return ids, is_answer, is_text
