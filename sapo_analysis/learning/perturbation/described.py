"""How the texts of a fine-tune are perturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.methods.recipe import Perturbed


@dataclass(frozen=True)
class Perturbation:
    """A perturbation of texts of one tokenizer.

    Attributes:
        how: which kind, how strong, with what weight in the loss.
        ordinary: the tokens that can be masked and that can stand in their place, ascending.
    """

    how: Perturbed
    ordinary: Sequence[int]

    @classmethod
    def of(cls, how: Perturbed, tokenizer: PreTrainedTokenizerBase) -> Perturbation:
        """Over a tokenizer's vocabulary, without its special and its added tokens."""
        vocabulary = set(tokenizer.get_vocab().values())
        control = {*tokenizer.added_tokens_decoder, *tokenizer.all_special_ids}
        return cls(how, tuple(sorted(vocabulary - control)))
