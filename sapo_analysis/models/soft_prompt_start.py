"""What a soft prompt starts from: a text, label words, tokens of the vocabulary, random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError
from sapo_analysis.models.control_tokens import tokenise

_SAMPLE = 4096
"""Most embeddings whose standard deviation is taken."""


def from_text(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, length: int
) -> Tensor:
    """Embeddings of a text's tokens [length, size], from the beginning again where it is shorter.

    Raises:
        InputError: the text has no token.
    """
    ids = tokenise(tokenizer, text, [(0, len(text))])[0]
    if not ids:
        raise InputError(
            f"The text {text[:80]!r} has no token, so no soft prompt can start from it."
            " Change soft_prompt.init_text, or set soft_prompt.init to vocabulary."
        )
    return embedded(model, list(islice(cycle(ids), length)))


def from_labels(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str],
    length: int,
    task: str,
) -> Tensor:
    """Embeddings of the label words, one label after the other, over and over [length, size].

    Raises:
        InputError: the task has no labels.
    """
    if not labels:
        raise InputError(
            f"Task {task!r} has no labels, so soft_prompt.init: labels has nothing to start from."
            " Set it to text, vocabulary or random."
        )
    return from_text(model, tokenizer, " ".join(labels), length)


def from_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, length: int, seed: int
) -> Tensor:
    """Embeddings of different tokens drawn evenly, control tokens left out [length, size]."""
    control = {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    ids = [i for i in range(_weight(model).shape[0]) if i not in control and i < len(tokenizer)]
    drawn = Random(f"soft prompt {seed}")
    return embedded(
        model, drawn.sample(ids, length) if length <= len(ids) else drawn.choices(ids, k=length)
    )


def at_random(model: PreTrainedModel, length: int, seed: int) -> Tensor:
    """Even random numbers around 0 with the embeddings' own standard deviation [length, size].

    A standard normal, peft's default, is some fifty times as large as most embeddings.
    """
    tokens, size = _weight(model).shape
    # As they are looked up: some models scale them.
    known = embedded(model, range(0, tokens, -(-tokens // _SAMPLE))).float()
    generator = torch.Generator().manual_seed(seed % (1 << 63))
    drawn = torch.rand(length, size, generator=generator) * 2 - 1
    return drawn * float(known.std()) * 3**0.5


@torch.no_grad()
def embedded(model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
    """A model's embeddings of tokens as it looks them up [tokens, size]."""
    # By the module, not by its weight: some scale what they look up.
    untyped: Any = model
    found: Tensor = untyped.get_input_embeddings()(
        torch.tensor([list(ids)], device=_weight(model).device)
    )
    return found[0].clone()


def _weight(model: PreTrainedModel) -> Tensor:
    untyped: Any = model
    weight: Tensor = untyped.get_input_embeddings().weight.detach()
    return weight
