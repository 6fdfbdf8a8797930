"""How a user's message and an answer stand in the text that a model reads.

A model with a chat template gets it as its tokenizer gives it, reasoning left out where the
template knows it, and with a fixed date, for a text that changes from day to day could not be made
again. A model without one gets the plain layout:

    {beginning-of-sequence token, where there is one}{message}

    Answer: {answer}{end-of-sequence token}
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class LaidOut:
    """A whole text, by character positions.

    `text[:before]` is what the model reads before it answers, `text[answer:end]` the answer's own
    words; white space between the two and all after `end` is the layout's. `message` is where the
    user's message stands (start, end), (0, 0) if the template changes it.
    """

    text: str
    message: tuple[int, int]
    before: int
    answer: int
    end: int

    @property
    def data(self) -> tuple[tuple[int, int], ...]:
        """Where the text is the user's and not the layout's."""
        return self.message, (self.answer, self.end)


def lay_out(tokenizer: PreTrainedTokenizerBase, message: str, answer: str) -> LaidOut:
    """Message and answer as one text.

    Raises:
        InputError: the chat template does not continue its own generation prompt with the answer's
            text, or there is neither a template nor an end-of-sequence token.
    """
    prompt, text = _texts(tokenizer, message, answer)
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
    start = prompt.find(said)
    found = (start, start + len(said)) if start >= 0 else (0, 0)
    return LaidOut(text, found, before, *place)


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


def _texts(tokenizer: PreTrainedTokenizerBase, message: str, answer: str) -> tuple[str, str]:
    """(text that asks for the answer, whole text)."""
    template = template_of(tokenizer)
    if template is None:
        if tokenizer.eos_token is None:
            raise InputError(
                "The model's tokenizer has neither a chat template nor an end-of-sequence token, so"
                " answers would have no end. Use another model."
            )
        before = (tokenizer.bos_token or "") + message + "\n\nAnswer:"
        return before, f"{before} {answer}{tokenizer.eos_token}"
    if "strftime_now" in template:
        template = _FIXED_DATE + template
    user = {"role": "user", "content": message}
    turns = [user, {"role": "assistant", "content": answer}]
    # Without tokenizing a template gives text. Templates that know reasoning (Qwen3) leave it out;
    # others ignore the setting.
    settings: dict[str, Any] = {
        "chat_template": template,
        "tokenize": False,
        "enable_thinking": False,
    }
    try:
        before = tokenizer.apply_chat_template([user], add_generation_prompt=True, **settings)
        whole = tokenizer.apply_chat_template(turns, **settings)
    except TemplateError as error:
        raise InputError(
            f"The model's chat template cannot lay out a message and its answer: {error}."
            " Use a model with a plain template."
        ) from error
    return str(before), str(whole)
