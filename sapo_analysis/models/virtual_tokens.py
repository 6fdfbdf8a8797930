"""Soft prompts as tokens: ids beyond the vocabulary, put before a text.

A text behind a soft prompt is a text like any other, a few tokens longer. Whatever batches, packs,
pads, shares prefixes or decodes needs to know nothing of it: padding stands before or after the
whole, and positions count from the soft prompt's first token. (peft puts virtual tokens before the
padding and drops the positions, so a loss depends on the padding; methods §11.) What the ids stand
for is looked up by the input embedding: `soft_prompt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.loading import context_length


@dataclass(frozen=True)
class VirtualTokens:
    """The ids of soft prompts.

    Attributes:
        first: the first id, which is the number of tokens that the model embeds.
        length: virtual tokens of one soft prompt, of the longest where some are shorter.
    """

    first: int
    length: int

    @classmethod
    def of(cls, model: PreTrainedModel, length: int) -> VirtualTokens:
        """Those of a model."""
        untyped: Any = model
        return cls(int(untyped.get_input_embeddings().weight.shape[0]), length)

    def ids(self, slot: int = 0) -> list[int]:
        """The ids of one of several soft prompts; slots count from 0."""
        start = self.first + slot * self.length
        return list(range(start, start + self.length))

    def before(
        self,
        rows: Sequence[Encoded],
        slot: int = 0,
        length: int | None = None,
        head: Sequence[int] = (),
    ) -> list[Encoded]:
        """The same examples behind a soft prompt.

        Args:
            rows: the examples.
            slot: which of several soft prompts.
            length: how many virtual tokens it has; default: all that one can have.
            head: tokens that every example begins with and that stay first, before the soft prompt.

        Raises:
            InputError: an example begins with other tokens.
        """
        ids = self.ids(slot)[:length]
        begin, n = list(head), len(head)
        for row in rows:
            if row.ids[:n] != begin or row.target_start <= n:
                raise InputError(
                    f"A text begins with the tokens {row.ids[:n]}, and others with {begin}, after"
                    " which demonstrations stand in the model's layout. Use a model with a plain"
                    " chat template, or another method."
                )
        return [
            replace(
                row,
                ids=[*begin, *ids, *row.ids[n:]],
                target_start=row.target_start + len(ids),
                content_end=row.content_end + len(ids),
            )
            for row in rows
        ]


def check_room(model: PreTrainedModel, length: int, longest: int) -> None:
    """Refuse a soft prompt that leaves no room for the texts.

    Args:
        model: what reads both.
        length: virtual tokens.
        longest: tokens of the longest text, an answer to be written included.

    Raises:
        InputError: together they are longer than the model's context.
    """
    most = context_length(model)
    if length + longest > most:
        rest = max(most - longest, 0)
        fits = f"at most {rest} fit" if rest else "none fits, so shorten inputs.max_tokens first"
        raise InputError(
            f"soft_prompt.virtual_tokens is {length}, and the longest text of the study takes"
            f" {longest} of the model's {most} tokens: {fits}. Lower soft_prompt.virtual_tokens."
        )
