"""Which metric suits a task, and how long its answers may get, where nobody has said so.

The rule, in this order:

1. `label_accuracy` where the task has labels;
2. `numeric_match` where every target is a number;
3. `exact_match` where one answer alone is right: targets are short (half of them at most three
   words), or are read off the input (in 95 % of the rows every part between commas stands in it),
   as a list of the letters in a list is. An empty target, "there is none", is such an answer too;
4. `chrf` for other free text of which most letters are not a to z: ROUGE-L reads no others;
5. `rouge_l` for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from statistics import median

from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.scripts import UNSPACED_CHARACTER

SHORT_WORDS = 3
READ_OFF = 0.95
RELEASED_NEW_TOKENS = 128
"""What the SAPO authors' code decodes at most (tokens)."""
_NUMBER = re.compile(r"[-+−]?[$€£]?((\d{1,3}(,\d{3})+|\d+)(\.\d+)?|\.\d+)\s?%?")
_LETTERS_PER_WORD = 2
"""Of a script without spaces; a Chinese word has about as many."""


def metric_for(labels: Sequence[str], examples: Sequence[Example]) -> str:
    """The metric that suits these labels and examples; the rule is this module's docstring."""
    if labels:
        return "label_accuracy"
    targets = [row.target.strip() for row in examples]
    if targets and all(_NUMBER.fullmatch(target) for target in targets):
        return "numeric_match"
    if not targets or median(map(_words, targets)) <= SHORT_WORDS:
        return "exact_match"
    if are_read_off(examples):
        return "exact_match"
    letters = [letter for target in targets for letter in target if letter.isalpha()]
    return "rouge_l" if 2 * sum(map(str.isascii, letters)) >= len(letters) else "chrf"


def new_tokens_for(targets: Iterable[str]) -> int:
    """Tokens that hold every target whatever the tokenizer, at most the released code's 128.

    A token is a byte at least, and one ends the answer.
    """
    longest = max((len(target.encode("utf-8", "replace")) for target in targets), default=0)
    return min(longest + 1, RELEASED_NEW_TOKENS)


def are_read_off(examples: Sequence[Example]) -> bool:
    """Whether nearly all targets stand in their inputs, part by part between commas."""
    found = sum(
        all(part.strip() in row.input for part in row.target.split(",")) for row in examples
    )
    return found >= READ_OFF * len(examples)


def _words(text: str) -> float:
    unspaced = len(UNSPACED_CHARACTER.findall(text))
    return len(UNSPACED_CHARACTER.sub(" ", text).split()) + unspaced / _LETTERS_PER_WORD
