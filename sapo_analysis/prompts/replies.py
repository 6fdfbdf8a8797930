"""What models wrote when asked for paraphrases, to candidates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sapo_analysis.errors import InputError
from sapo_analysis.prompts.paste import Candidate, parse_text, tidied

CUT_OFF = "was cut off: the reply reached its length limit"
_SHOWN = 300
_THINKING = re.compile(r".*</think>|\s*<think>.*", re.DOTALL | re.IGNORECASE)


def candidates_of(replies: Mapping[str, tuple[str, bool]]) -> list[Candidate]:
    """The candidates in replies, each read as pasted text is; nothing is dropped.

    Args:
        replies: by what each reply is called: its text, and whether it was cut off; then its last
            candidate is refused.
    """
    return [
        candidate
        for name, (text, cut_off) in replies.items()
        for candidate in _read(name, text, cut_off)
    ]


def _read(name: str, text: str, cut_off: bool) -> Iterator[Candidate]:
    # Some templates write the opening tag themselves, so that a reply has the closing one alone.
    if thinking := _THINKING.match(text):
        yield tidied(Candidate(name, _short(thinking.group()), "is a chatbot's thinking"))
        text = text[thinking.end() :]
        if not text.strip():
            return
    try:
        found = parse_text(text)
    except InputError as error:
        yield tidied(Candidate(name, _short(text), f"cannot be read: {error}"))
        return
    last = max((i for i, one in enumerate(found) if not one.refusal), default=-1)
    for i, candidate in enumerate(found):
        refusal = CUT_OFF if cut_off and i == last else candidate.refusal
        place = name if len(found) == 1 else f"{name}, {candidate.place}"
        yield replace(candidate, place=place, refusal=refusal)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
