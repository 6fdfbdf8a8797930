"""Text to tokens: what the model reads, and which of its tokens are trained and scored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise, takewhile

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError
from sapo_analysis.models.control_tokens import Span, tokenise
from sapo_analysis.models.layout import LaidOut, lay_out
from sapo_analysis.models.too_long import Misfit, Reading, Size, too_long
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.render import user_message
from sapo_analysis.tasks.base import Example, Split, Task
from sapo_analysis.tasks.demonstrations import demonstrations

Key = tuple[str, Split, int, str, int]
"""Task, split, number of examples, prompt text, number of demonstrations."""
_PROBE = Example("x", "y")
IGNORED = -100
"""The label of a token that is neither trained nor scored."""


@dataclass(frozen=True)
class Encoded:
    """One example under one prompt, behind demonstrations or none.

    `ids[target_start:]` are trained and scored: the target text and the end-of-turn tokens after
    it. `ids[target_start:content_end]` are those of the target text alone, and of white space that
    the layout puts before it; none if the target is empty. Demonstrations and their answers are
    context. `positions`, where there are some, say where each token stands in a text of which some
    are hidden (`without`); else tokens stand at 0, 1, ….
    """

    ids: list[int]
    target_start: int
    content_end: int
    positions: list[int] | None = None

    @property
    def places(self) -> Sequence[int]:
        """The position of each token, rising."""
        return range(len(self.ids)) if self.positions is None else self.positions

    @property
    def span(self) -> int:
        """Positions from 0 to the last token, those of hidden ones among them (tokens)."""
        return self.places[-1] + 1 if self.ids else 0

    def without(self, hidden: Collection[int]) -> Encoded:
        """The row as if nothing could see some of its context; what stays keeps its positions.

        Args:
            hidden: numbers of tokens in `ids`, before the one that predicts the target.
        """
        if not hidden:
            return self
        kept = [i for i in range(len(self.ids)) if i not in hidden]
        fewer = len(self.ids) - len(kept)
        places = self.places
        return Encoded(
            [self.ids[i] for i in kept],
            self.target_start - fewer,
            self.content_end - fewer,
            [places[i] for i in kept],
        )

    @property
    def context(self) -> list[int]:
        """The tokens the model reads before it answers."""
        return self.ids[: self.target_start]

    @property
    def n_target(self) -> int:
        """Number of trained and scored tokens."""
        return len(self.ids) - self.target_start


class Encoder:
    """Encodes tasks for one tokenizer, each only once: every trial reads the same test sets."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int):
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._known: dict[Key, list[Encoded]] = {}

    def encode_split(
        self, task: Task, split: Split, n: int, prompt: Prompt, n_shots: int = 0
    ) -> list[Encoded]:
        """The first `n` examples of a split under a prompt, in file order.

        Each stands behind `n_shots` demonstrations of its own (`tasks.demonstrations`), under the
        same prompt.

        Raises:
            InputError: examples are longer than the model's context; all of them are counted.
                Nothing is ever cut here. Or the task has too few training rows to show.
        """
        self.encode_all([Reading(task, split, n, prompt, n_shots)])
        return self._known[task.name, split, n, prompt.text, n_shots]

    def encode_all(self, readings: Iterable[Reading]) -> None:
        """Encode all that will be read.

        Raises:
            InputError: as `encode_split`, of all readings together.
        """
        if misfits := self.misfits(readings):
            raise InputError(too_long(misfits))

    def misfits(self, readings: Iterable[Reading]) -> list[Misfit]:
        """The readings with examples that are longer than the model's context; all are encoded."""
        found: dict[Key, Misfit] = {}
        for reading in readings:
            task, split, n, prompt, n_shots = reading
            key = (task.name, split, n, prompt.text, n_shots)
            if key in self._known or key in found:
                continue
            examples = task.examples(split, n)
            rows = [
                encode(
                    self.tokenizer,
                    prompt.text,
                    task.suffix,
                    row,
                    demonstrations(task, split, i, n_shots),
                )
                for i, row in enumerate(examples)
            ]
            room = task.max_new_tokens if split == "test" else 0
            if any(len(row.ids) + room > self.max_length for row in rows):
                found[key] = Misfit(reading, self._sizes(examples, rows, room), self.max_length)
            else:
                self._known[key] = rows
        return list(found.values())

    def _sizes(self, examples: Sequence[Example], rows: Sequence[Encoded], room: int) -> list[Size]:
        inputs = count_tokens(self.tokenizer, [example.input for example in examples])
        return [Size(own, len(row.ids) - own + room) for own, row in zip(inputs, rows, strict=True)]

    def known(self) -> Iterator[Encoded]:
        """Every example encoded so far."""
        return chain.from_iterable(self._known.values())

    def encode_prompt(self, task: Task, prompt: Prompt) -> Encoded:
        """A prompt's own text in its place in the layout, before any example: `encode_prompt`."""
        return encode_prompt(self.tokenizer, prompt.text, task.suffix)

    @property
    def pad_id(self) -> int:
        """The token that fills batches up. Nothing attends to it, so without one any serves."""
        token = self.tokenizer.pad_token_id
        return 0 if token is None else int(token)

    def answers(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Written tokens as text, up to the end of the answer.

        Special tokens and outer white space are removed, nothing else is tidied up.
        """
        stop = set(self.stop_ids)
        texts = self.tokenizer.batch_decode(
            [list(takewhile(lambda token: token not in stop, own)) for own in tokens],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return [text.strip() for text in texts]

    @cached_property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer: end-of-sequence, and what the template ends answers with.

        That is the first special token after an answer (`<end_of_turn>`, `<|eot_id|>`), or, where
        the template puts none, the first token: not a space before it, which answers have as well.
        """
        probe = encode(self.tokenizer, "", "", _PROBE)
        after = probe.ids[probe.content_end :]
        special = {i for i, t in self.tokenizer.added_tokens_decoder.items() if t.special}
        ids = {next((i for i in after if i in special), *after[:1])} if after else set()
        if self.tokenizer.eos_token_id is not None:
            ids.add(self.tokenizer.eos_token_id)
        return sorted(ids)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    suffix: str,
    example: Example,
    shown: Sequence[Example] = (),
) -> Encoded:
    """Encode one example, behind the demonstrations that are `shown`.

    Target tokens are found by character offsets in the layout's whole text.

    The text is tokenised whole, so merges across a boundary are those that the model meets; only
    what is read before the answer and the answer are never one token. What the model reads before
    it answers is thus the same whatever the target is. (The released code compares two
    tokenisations' lengths instead; methods §12.9.)

    Raises:
        InputError: as `lay_out`.
    """
    laid, ids, offsets = tokenised(tokenizer, prompt, suffix, example, shown)
    return Encoded(ids, *_target(laid, offsets))


def token_texts(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    suffix: str,
    example: Example,
    shown: Sequence[Example] = (),
) -> list[str]:
    """What each token of `encode` stands for; joined they are the text the model reads.

    Of a character that takes several tokens the first has the character, the others are empty.

    Raises:
        InputError: as `encode`.
    """
    laid, _, offsets = tokenised(tokenizer, prompt, suffix, example, shown)
    ends = [0, *accumulate((end for _, end in offsets), max)]
    # A character that a normaliser joined to the one before has no token of its own.
    for i, end in zip(_target(laid, offsets), (laid.before, laid.end), strict=True):
        ends[i] = max(ends[i], end)
    ends[-1] = len(laid.text)
    return [laid.text[a:b] for a, b in pairwise(ends)]


def _target(laid: LaidOut, offsets: Sequence[Span]) -> tuple[int, int]:
    """(first token after what is read before the answer, first after the answer's own words)."""
    start = next(i for i, (_, end) in enumerate(offsets) if end > laid.before)
    end = next((i for i in range(start, len(offsets)) if offsets[i][0] >= laid.end), len(offsets))
    return start, end


def tokenised(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    suffix: str,
    example: Example,
    shown: Sequence[Example],
) -> tuple[LaidOut, list[int], list[Span]]:
    """(layout, token ids, where each token stands in its text) of `encode`.

    No token reaches over the layout's `before`.

    Raises:
        InputError: as `lay_out`.
    """
    *earlier, (message, answer) = (
        (user_message(prompt, row.input, suffix), row.target) for row in (*shown, example)
    )
    laid = lay_out(tokenizer, message, answer, earlier)
    ids, offsets = tokenise(tokenizer, laid.text, laid.data)
    cut = laid.before
    if not any(start < cut < end for start, end in offsets):
        return laid, ids, offsets
    ids, offsets = tokenise(tokenizer, laid.text[:cut], laid.data)
    own = (laid.answer - cut, laid.end - cut)
    rest, after = tokenise(tokenizer, laid.text[cut:], [own])
    return laid, ids + rest, offsets + [(start + cut, end + cut) for start, end in after]


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str, suffix: str) -> Encoded:
    """An instruction text where a training example would have it; its own tokens are the target.

    They are found by character offsets; a token that reaches over an edge of the text counts as its
    own. Tokens after the text are left out: nothing before them depends on them. The layout's very
    first token is never a target, for nothing predicts it.

    Raises:
        InputError: the chat template changes the user's message, or the text is that first token.
    """
    # With what follows it, for the template may use the same words.
    laid = lay_out(tokenizer, user_message(prompt, "", suffix), _PROBE.target)
    start, stop = laid.message
    end = min(stop, start + len(prompt.strip()))
    ids, offsets = tokenise(tokenizer, laid.text[: laid.before], laid.data)
    own = [i for i, (a, b) in enumerate(offsets) if i > 0 and a < end and b > start]
    if not own or not stop:
        raise InputError(
            f"The tokens of prompt {prompt!r} cannot be told apart in the model's layout,"
            f" {laid.text[:80]!r}, so it has no perplexity. Set scoring.diagnostics to 0, or use a"
            " model whose chat template keeps the user's message."
        )
    return Encoded(list(ids[: own[-1] + 1]), own[0], own[-1] + 1)


def count_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Number of tokens of each text by itself; a special token's name is text."""
    return [len(tokenise(tokenizer, text, [(0, len(text))])[0]) for text in texts]
