"""Text to tokens: what the model reads, and which of its tokens are trained and scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.render import user_message
from sapo_analysis.tasks.base import Example, Split, Task

# Templates that know reasoning (Qwen3) leave it out; others ignore the setting.
_ENABLE_THINKING = False
_PROBE = Example("x", "y")
IGNORED = -100
"""The label of a token that is neither trained nor scored."""


@dataclass(frozen=True)
class Encoded:
    """One example under one prompt.

    `ids[target_start:]` are trained and scored: the target text and the end-of-turn tokens after
    it. `ids[target_start:content_end]` are those of the target text alone.
    """

    ids: list[int]
    target_start: int
    content_end: int

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
        self._known: dict[tuple[str, Split, int, str], list[Encoded]] = {}

    def encode_split(self, task: Task, split: Split, n: int, prompt: Prompt) -> list[Encoded]:
        """The first `n` examples of a split under a prompt, in file order.

        Raises:
            InputError: an example is longer than the model's context. Nothing is ever cut.
        """
        key = (task.name, split, n, prompt.text)
        if key not in self._known:
            rows = [
                encode(self.tokenizer, prompt.text, task.suffix, row)
                for row in task.examples(split, n)
            ]
            for i, row in enumerate(rows):
                length = len(row.ids) + (task.max_new_tokens if split == "test" else 0)
                if length > self.max_length:
                    raise InputError(
                        f"Prompt {prompt.prompt_id!r} of task {task.name!r} makes"
                        f" {split} example {i} {length} tokens long;"
                        f" the model reads at most {self.max_length}."
                        " Shorten the prompt: nothing is cut silently."
                    )
            self._known[key] = rows
        return self._known[key]

    def known(self) -> Iterator[Encoded]:
        """Every example encoded so far."""
        return chain.from_iterable(self._known.values())

    def encode_prompt(self, task: Task, prompt: Prompt) -> Encoded:
        """A prompt's own text in its place in the layout, before any example: `encode_prompt`."""
        return encode_prompt(self.tokenizer, prompt.text, task.suffix)

    @property
    def pad_id(self) -> int:
        """The token that fills batches up."""
        token: int = self.tokenizer.pad_token_id
        return token

    def answers(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Written tokens as text: special tokens and outer white space removed."""
        texts = self.tokenizer.batch_decode([list(own) for own in tokens], skip_special_tokens=True)
        return [text.strip() for text in texts]

    @cached_property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer: end-of-sequence, and what the template puts after answers."""
        probe = encode(self.tokenizer, "", "", _PROBE)
        ids = set(probe.ids[probe.content_end : probe.content_end + 1])
        if self.tokenizer.eos_token_id is not None:
            ids.add(self.tokenizer.eos_token_id)
        return sorted(ids)


def encode(
    tokenizer: PreTrainedTokenizerBase, prompt: str, suffix: str, example: Example
) -> Encoded:
    """Encode one example: the chat template's whole text, label tokens found by character offsets.

    The text is tokenised whole, so merges across a boundary are those that the model meets; a token
    belongs to the target if it ends inside it. (The released code compares two tokenisations'
    lengths instead; methods §12.9.)

    Raises:
        InputError: the chat template does not continue its own generation prompt with the answer's
            text.
    """
    before, _, ids, offsets = _tokenised(tokenizer, prompt, suffix, example)
    content = len(before) + len(example.target)
    target_start = next(i for i, (_, end) in enumerate(offsets) if end > len(before))
    content_end = next(
        (i for i, (start, _) in enumerate(offsets) if i > target_start and start >= content),
        len(ids),
    )
    return Encoded(ids, target_start, content_end)


def token_texts(
    tokenizer: PreTrainedTokenizerBase, prompt: str, suffix: str, example: Example
) -> list[str]:
    """What each token of `encode` stands for; joined they are the text the model reads.

    Of a character that takes several tokens the first has the character, the others are empty.

    Raises:
        InputError: as `encode`.
    """
    _, full, _, offsets = _tokenised(tokenizer, prompt, suffix, example)
    ends = [0, *accumulate((end for _, end in offsets), max)]
    return [full[start:end] for start, end in pairwise(ends)]


def _tokenised(
    tokenizer: PreTrainedTokenizerBase, prompt: str, suffix: str, example: Example
) -> tuple[str, str, list[int], list[tuple[int, int]]]:
    """(text before the answer, whole text, token ids, where each token stands in the text)."""
    before, full = _texts(tokenizer, user_message(prompt, example.input, suffix), example.target)
    encoding = tokenizer(full, add_special_tokens=False, return_offsets_mapping=True)
    return before, full, list(encoding["input_ids"]), encoding["offset_mapping"]


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str, suffix: str) -> Encoded:
    """An instruction text where a training example would have it; its own tokens are the target.

    They are found by character offsets; a token that reaches over an edge of the text counts as its
    own. Tokens after the text are left out: nothing before them depends on them. The layout's very
    first token is never a target, for nothing predicts it.

    Raises:
        InputError: the chat template changes the user's message, or the text is that first token.
    """
    message = user_message(prompt, "", suffix)
    layout, _ = _texts(tokenizer, message, _PROBE.target)
    # With what follows it, for the template may use the same words; templates may trim messages.
    start = layout.find(message.strip())
    end = start + len(prompt.strip())
    encoding = tokenizer(layout, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
    own = [i for i, (a, b) in enumerate(offsets) if i > 0 and a < end and b > start >= 0]
    if not own:
        raise InputError(
            f"The tokens of prompt {prompt!r} cannot be told apart in the model's layout,"
            f" {layout[:80]!r}, so it has no perplexity. Set scoring.diagnostics to 0, or use a"
            " model whose chat template keeps the user's message."
        )
    return Encoded(list(ids[: own[-1] + 1]), own[0], own[-1] + 1)


def count_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Number of tokens of each text by itself, without special tokens."""
    return [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


def _texts(tokenizer: PreTrainedTokenizerBase, message: str, target: str) -> tuple[str, str]:
    """(text before the answer, whole text) by the chat template; without one, in a plain layout."""
    if tokenizer.chat_template is None:
        before = (tokenizer.bos_token or "") + message + "\n\nAnswer: "
        return before, before + target + tokenizer.eos_token
    user = {"role": "user", "content": message}
    # Without tokenizing a template gives text; its declared type is the union over all settings.
    settings: dict[str, Any] = {"tokenize": False, "enable_thinking": _ENABLE_THINKING}
    before = str(tokenizer.apply_chat_template([user], add_generation_prompt=True, **settings))
    answer = {"role": "assistant", "content": target}
    full = str(tokenizer.apply_chat_template([user, answer], **settings))
    if not full.startswith(before + target):
        raise InputError(
            "The model's chat template does not put the answer after its own generation prompt,"
            " so the tokens to train cannot be told from the context."
            f" It renders {full[-80:]!r}. Use a model with a plain template."
        )
    return before, full
