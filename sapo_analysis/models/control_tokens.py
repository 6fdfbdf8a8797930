"""Tokenising a text in which only the layout's own control tokens are control tokens.

An input may hold `<s>`, `<unk>` or `<|im_end|>`: in a user's text that is text. Read as the token
it would end the user's turn, or hide what the text says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import Tokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.models.layout import template_of

Span = tuple[int, int]
"""(start, end) in characters."""

_PRIVATE = 0x100000
"""First of a plane of characters that no text uses."""


def tokenise(
    tokenizer: PreTrainedTokenizerBase, text: str, data: Sequence[Span]
) -> tuple[list[int], list[Span]]:
    """Token ids of a text, and where each token stands in it.

    `data` are the spans that the user wrote: a control token's name in them is split into ordinary
    tokens.
    """
    control = _control_tokens(tokenizer, template_of(tokenizer) or "")
    if control.stands_in(text, data):
        found = control.hiding_tokenizer.encode(control.hide(text, data), add_special_tokens=False)
        return list(found.ids), list(found.offsets)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return list(encoding["input_ids"]), list(encoding["offset_mapping"])


@lru_cache(maxsize=8)
def _control_tokens(tokenizer: PreTrainedTokenizerBase, template: str) -> _ControlTokens:
    return _ControlTokens(tokenizer, template)


class _ControlTokens:
    """A tokenizer's special tokens, and added tokens that its template writes (`<think>`).

    Each has a hidden name as long as its own, so that positions in a text stay. A copy of the
    tokenizer knows them by these names alone and takes their own names for text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str):
        self._backend = tokenizer.backend_tokenizer
        names = [
            token.content
            for token in tokenizer.added_tokens_decoder.values()
            if token.special or (token.content in template and not token.content.isspace())
        ]
        self._hidden = {name: chr(_PRIVATE + i) * len(name) for i, name in enumerate(names)}
        longest_first = sorted(names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def stands_in(self, text: str, spans: Sequence[Span]) -> bool:
        """Whether a control token's name is in one of the spans."""
        return any(self._pattern.search(text, *span) for span in spans)

    def hide(self, text: str, data: Sequence[Span]) -> str:
        """The text with hidden names for the control tokens outside `data`."""

        def name(match: re.Match[str]) -> str:
            is_data = any(start <= match.start() and match.end() <= end for start, end in data)
            return match.group() if is_data else self._hidden[match.group()]

        return self._pattern.sub(name, text)

    @cached_property
    def hiding_tokenizer(self) -> Tokenizer:
        """The copy. Made when it is first needed, for a large vocabulary takes a second or two."""
        content = json.loads(self._backend.to_str())
        for token in content["added_tokens"]:
            token["content"] = self._renamed(token["content"])
        model = content["model"]
        model["unk_token"] = self._renamed(model.get("unk_token"))
        vocab = model["vocab"]
        if isinstance(vocab, dict):
            model["vocab"] = {self._renamed(piece): i for piece, i in vocab.items()}
        else:
            model["vocab"] = [[self._renamed(piece), score] for piece, score in vocab]
        return Tokenizer.from_str(json.dumps(content))

    def _renamed(self, piece: Any) -> Any:
        return self._hidden.get(piece, piece)
