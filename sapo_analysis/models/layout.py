"""How a user's message and an answer stand in the text that a model reads.

A model with a chat template gets it as its tokenizer gives it, reasoning left out where the
template knows it, and with a fixed date, for a text that changes from day to day could not be made
again. A model without one gets the plain layout:

    {beginning-of-sequence token, where there is one}{message}

    Answer: {answer}{end-of-sequence token}

Demonstrations are earlier turns of the same conversation, or in the plain layout the same layout
before it, each followed by a blank line (lm-evaluation-harness: `fewshot_as_multiturn`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError

_DATE = {
    "%Y": "2024",
    "%y": "24",
    "%m": "07",
    "%B": "July",
    "%b": "Jul",
    "%d": "26",
    "%A": "Friday",
    "%a": "Fri",
    "%H": "00",
    "%M": "00",
    "%S": "00",
}
"""The date that Llama's templates fall back to where they cannot ask for today's."""
# In front of a template it stands for the function of that name. transformers passes no functions.
_FIXED_DATE = (
    "{%- macro strftime_now(format) -%}{{- format"
    + "".join(f" | replace('{directive}', '{said}')" for directive, said in _DATE.items())
    + " -}}{%- endmacro +%}"
)


Turn = tuple[str, str]
"""A message and its answer."""

_MARK = 0xF0000
"""First of a plane of characters that no text uses, other than `control_tokens` hides names in."""


@dataclass(frozen=True)
class LaidOut:
    """A whole text, by character positions.

    `text[:before]` is what the model reads before it answers, `text[answer:end]` the answer's own
    words; white space between the two and all after `end` is the layout's. `message` is where the
    user's message stands (start, end), (0, 0) if the template changes it; `earlier` where messages
    and answers of earlier turns stand.
    """

    text: str
    message: tuple[int, int]
    before: int
    answer: int
    end: int
    earlier: tuple[tuple[int, int], ...] = ()

    @property
    def data(self) -> tuple[tuple[int, int], ...]:
        """Where the text is the user's and not the layout's."""
        return *self.earlier, self.message, (self.answer, self.end)


def lay_out(
    tokenizer: PreTrainedTokenizerBase, message: str, answer: str, earlier: Sequence[Turn] = ()
) -> LaidOut:
    """Message and answer as one text, after earlier turns where there are some.

    Raises:
        InputError: the chat template does not continue its own generation prompt with the answer's
            text or rewrites an earlier turn, or there is neither a template nor an end-of-sequence
            token.
    """
    prompt, turns = _asked(tokenizer, message, earlier)
    text = _answered(tokenizer, prompt, turns, answer)
    shown = _shown(tokenizer, prompt, message, earlier)
    begin = shown[-1][1] if shown else 0
    # Spaces before the answer merge with its first word, so they belong to it; were they read
    # before, what the model is asked with would depend on the right answer.
    before = len(prompt.rstrip(" "))
    place = _place(text, before, answer) if text.startswith(prompt[:before]) else None
    if place is None:
        raise InputError(
            "The model's chat template does not put the answer after its own generation prompt,"
            " so the tokens to train cannot be told from the context."
            f" For the answer {answer[:80]!r} it renders {text[-80:]!r}."
            " Use a model with a plain template."
        )
    said = message.strip()  # templates may trim messages
    start = prompt.find(said, begin)
    found = (start, start + len(said)) if start >= 0 else (0, 0)
    return LaidOut(text, found, before, *place, shown)


def template_of(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The chat template, of several the default one; None where there is none.

    Raises:
        InputError: there are several, and none is the default.
    """
    if tokenizer.chat_template is None:
        return None
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:
        raise InputError(
            f"The model has several chat templates ({', '.join(tokenizer.chat_template)}) and names"
            " none of them the default. Call one so in a copy of its tokenizer's files."
        ) from error


def _place(text: str, before: int, answer: str) -> tuple[int, int] | None:
    """Where the answer stands in the text, after white space or not, trimmed or not."""
    if text.startswith(answer, before):
        return before, before + len(answer)
    rest = text[before:]
    start = before + len(rest) - len(rest.lstrip())
    for kept in (answer, answer.strip()):
        if text.startswith(kept, start):
            return start, start + len(kept)
    return None


def _shown(
    tokenizer: PreTrainedTokenizerBase, prompt: str, message: str, earlier: Sequence[Turn]
) -> tuple[tuple[int, int], ...]:
    """Where messages and answers of earlier turns stand in the text that asks for the answer.

    Found by the same text with a mark in each one's place, for an answer of a letter or two stands
    in many places.
    """
    if not earlier:
        return ()
    said = [part for turn in earlier for part in turn]
    marks = [chr(_MARK + i) for i in range(len(said))]
    pairs = list(zip(marks[::2], marks[1::2], strict=True))
    between = re.split(f"[{marks[0]}-{marks[-1]}]", _asked(tokenizer, message, pairs)[0])
    found = list(_spans(prompt, said, between)) if len(between) == len(said) + 1 else []
    if len(found) < len(said):
        raise InputError(
            "The model's chat template rewrites or leaves out earlier turns of a conversation, so"
            f" demonstrations cannot be shown to it. It renders {prompt[:200]!r}."
            " Leave demonstrations out (evaluation.n_shots: [0], and no method that shows some in"
            " training), or use a model with a plain template."
        )
    return tuple(found)


def _spans(text: str, said: Sequence[str], between: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each part stands, in order, with the layout's own text between; up to one that fails.

    Templates may trim messages and answers; any other change is none of theirs to make.
    """
    start = len(between[0]) if text.startswith(between[0]) else len(text) + 1
    for part, after in zip(said, between[1:], strict=True):
        kept = (part, part.lstrip(), part.lstrip("\n"), part.rstrip(), part.strip())
        ends = [start + len(own) for own in kept if text.startswith(own + after, start)]
        if not ends:
            return
        yield start, ends[0]
        start = ends[0] + len(after)


def _asked(
    tokenizer: PreTrainedTokenizerBase, message: str, earlier: Sequence[Turn]
) -> tuple[str, list[dict[str, str]]]:
    """(text that asks for the answer, the turns it is made of)."""
    turns = [
        {"role": role, "content": content}
        for turn in earlier
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
    turns.append({"role": "user", "content": message})
    template = template_of(tokenizer)
    if template is not None:
        return _rendered(tokenizer, template, turns, add_generation_prompt=True), turns
    shown = "".join(f"{asked}\n\nAnswer: {said}\n\n" for asked, said in earlier)
    return f"{tokenizer.bos_token or ''}{shown}{message}\n\nAnswer:", turns


def _answered(
    tokenizer: PreTrainedTokenizerBase, asked: str, turns: list[dict[str, str]], answer: str
) -> str:
    """The whole text."""
    template = template_of(tokenizer)
    if template is not None:
        turns = [*turns, {"role": "assistant", "content": answer}]
        return _rendered(tokenizer, template, turns)
    if tokenizer.eos_token is None:
        raise InputError(
            "The model's tokenizer has neither a chat template nor an end-of-sequence token, so"
            " answers would have no end. Use another model."
        )
    return f"{asked} {answer}{tokenizer.eos_token}"


def _rendered(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    turns: list[dict[str, str]],
    **settings: Any,
) -> str:
    if "strftime_now" in template:
        template = _FIXED_DATE + template
    try:
        # Without tokenizing a template gives text. Templates that know reasoning (Qwen3) leave it
        # out; others ignore the setting.
        text = tokenizer.apply_chat_template(
            turns, chat_template=template, tokenize=False, enable_thinking=False, **settings
        )
    except TemplateError as error:
        raise InputError(
            f"The model's chat template cannot lay out a message and its answer: {error}."
            " Use a model with a plain template."
        ) from error
    return str(text)
