"""The tokens of demonstrations that stand before a text, and where each of them stands.

A text behind demonstrations reads head, demonstrations, rest; the text alone reads head, rest. The
head is what the layout puts before the first turn: a beginning-of-sequence token, a system message,
or nothing. So whatever stands for the demonstrations' tokens can stand in any text after its head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import encode, tokenised
from sapo_analysis.models.layout import LaidOut
from sapo_analysis.tasks.base import Example


@dataclass(frozen=True)
class ContextTokens:
    """Demonstrations as tokens.

    Attributes:
        head: the tokens of every text before the first turn.
        ids: the tokens of all demonstrations.
        ends: for each demonstration, in order, where it ends in `ids`; the next one begins there.
    """

    head: tuple[int, ...]
    ids: tuple[int, ...]
    ends: tuple[int, ...]

    def slice_of(self, i: int) -> range:
        """The places in `ids` of demonstration i."""
        return range(self.ends[i - 1] if i else 0, self.ends[i])


def context_tokens(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    suffix: str,
    shown: Sequence[Example],
    probes: Sequence[Example],
) -> ContextTokens:
    """The tokens of demonstrations under a prompt.

    Args:
        tokenizer: whose layout they stand in, as earlier turns.
        prompt: the instruction text of all turns.
        suffix: the task's answer-format line.
        shown: the demonstrations, at least one.
        probes: examples that are read behind them, to see that nothing else is between; at least
            one.

    Raises:
        InputError: the layout of a text behind demonstrations is not that of the text alone with
            something put in, or an earlier turn depends on a later one.
    """
    found = _between(tokenizer, prompt, suffix, shown, probes[0])
    parts = [
        _between(tokenizer, prompt, suffix, shown[:i], probes[0]) for i in range(1, len(shown))
    ]
    others = [_between(tokenizer, prompt, suffix, shown, probe) for probe in probes[1:]]
    head, ids = found
    if any(own != (head, ids[: len(own[1])]) for own in parts) or any(o != found for o in others):
        raise _refusal("sets demonstrations otherwise before one text than before another")
    return ContextTokens(head, ids, (*(len(own) for _, own in parts), len(ids)))


def _between(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    suffix: str,
    shown: Sequence[Example],
    probe: Example,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(tokens before the demonstrations, their own) of one text, whatever its answer is."""
    asked = Example(probe.input, "y")  # layouts end otherwise after an empty answer
    laid, ids, offsets = tokenised(tokenizer, prompt, suffix, asked, shown)
    alone = encode(tokenizer, prompt, suffix, asked).ids
    end = _head_end(laid)
    n = sum(stop <= end for _, stop in offsets)
    more = len(ids) - len(alone)
    if more <= 0 or ids[:n] != alone[:n] or ids[n + more :] != alone[n:]:
        raise _refusal("changes more of a text than to put demonstrations before it")
    return tuple(ids[:n]), tuple(ids[n : n + more])


def _head_end(laid: LaidOut) -> int:
    """Where the head ends in a text behind demonstrations (characters).

    Between an answer and the next message stand the end of a turn, which the whole text ends with
    as well, and the beginning of a turn, which the first message has before it too.
    """
    begin, (_, answered) = laid.earlier[0][0], laid.earlier[1]
    following = laid.earlier[2][0] if len(laid.earlier) > 2 else laid.message[0]
    between = laid.text[answered:following]
    turn = between[len(commonprefix([between, laid.text[laid.end :]])) :]
    before = laid.text[:begin]
    return begin - len(commonprefix([before[::-1], turn[::-1]]))


def _refusal(how: str) -> InputError:
    return InputError(
        f"The model's layout {how}, so virtual tokens cannot stand for demonstrations exactly. Use"
        " a model with a plain chat template, or another method than context tuning."
    )
