"""What a paraphraser leaves in a text besides the paraphrase: its manners, its orders, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from sapo_analysis.prompts.folding import folded
from sapo_analysis.prompts.request import rules_of
from sapo_analysis.tasks import Task

_MOST_EXAMPLES = 1000
"""Training examples that are looked for, from the first; a request shows the first two."""
_LEAST_CHARACTERS = 20
"""A shorter input may stand in a prompt by chance, and gives little away."""
_MOST_CHARACTERS = 200
"""Of a longer input its beginning is looked for."""
_SHOWN = 60
_MANNERS = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely|gladly|okay|ok)\b[\s,!.:-]*"
    r"(?:here\b|this is\b|the following\b|i['\u2019]ve\b|let me (?:re|para))"
    r"|here(?:['\u2019]s| is| are)\s+(?:\w+\s+){0,4}"
    r"(?:paraphras|reword|rephras|rewrit|version|variation|alternative)"
    r"|(?:paraphrased?|reworded|rephrased|rewritten)"
    r"(?: (?:version|prompt|instruction|text|sentence))?\s*:)",
    re.IGNORECASE,
)
_ABOUT_ITSELF = re.compile(
    r"\b(?:paraphras|reword|rephras|rewrit)\w* (?:\w+ ){0,3}(?:instructions?|prompts?)\b"
    r"|\bthis (?:paraphrase|version|rewording|variation)\b|\boriginal (?:instruction|prompt)\b",
    re.IGNORECASE,
)
_ORDER_WORDS = 5
"""A rule of the request with fewer words may be what the task itself asks for."""


class Leaks:
    """Finds them for one task and its original prompt; what the original has too is none."""

    def __init__(self, task: Task, original: str):
        self._task = task
        self._original = original

    def refusals(self, text: str) -> Iterator[str]:
        """What makes the text something else than a paraphrase."""
        if found := _MANNERS.match(text):
            yield f"begins with a chatbot's own words, {found.group().strip()!r}: take them off"
        plain = folded(text)
        for key, rule in self._orders.items():
            if key in plain:
                yield f"repeats an order to the paraphraser, {_short(rule)!r}"
                break
        spaced = _spaced(text)
        for example, i in self._inputs.items():
            if example in spaced:
                yield f"copies the input of training example {i}, {_short(example)!r}"
                break

    def flags(self, text: str) -> Iterator[str]:
        """What may be meant."""
        found = _ABOUT_ITSELF.search(text)
        if found and not _ABOUT_ITSELF.search(self._original):
            yield f"says {found.group()!r}, of which the original says nothing"

    @cached_property
    def _orders(self) -> dict[str, str]:
        original = folded(self._original)
        rules = {folded(rule): rule for rule in rules_of(self._task)}
        return {
            key: rule
            for key, rule in rules.items()
            if len(key.split()) >= _ORDER_WORDS and key not in original
        }

    @cached_property
    def _inputs(self) -> dict[str, int]:
        """Inputs that are long enough to be known again, each with its first row."""
        original = _spaced(self._original)
        found: dict[str, int] = {}
        for i, row in enumerate(self._task.examples("train")[:_MOST_EXAMPLES]):
            text = _spaced(row.input[:_MOST_CHARACTERS])
            if len(text) >= _LEAST_CHARACTERS and text not in original:
                found.setdefault(text, i)
        return found


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split())


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
