"""A second, independent way to every answer, from the input text and the fact tables alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "sapo_analysis" / "data" / "tasks"


@cache
def facts(task: str) -> dict[str, str]:
    """Each fact's answer, read from the task's file without the package."""
    table = tomllib.loads((_FOLDER / f"{task}.toml").read_text("utf-8"))["facts"]
    return {fact: answer for answer, listed in table.items() for fact in listed.split()}


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+|\d+", text)


def only_fact(task: str) -> Callable[[str], str]:
    """The answer of the one word of the text that the task has a fact about."""

    def solve(text: str) -> str:
        found = [facts(task)[word] for word in words(text) if word in facts(task)]
        assert len(found) == 1, (text, found)
        return found[0]

    return solve


def person(text: str) -> str:
    # Names are the capital words that no sentence needs: "In" and "The" open sentences.
    found = [w for w in words(text) if w[0].isupper() and w not in ("In", "The")]
    assert len(found) == 1, (text, found)
    return found[0]


def flags(text: str) -> str:
    return facts("flags")["/".join(re.findall(r"(\w+) flag\b", text))]


def numbers(text: str) -> tuple[int, int]:
    left, right = re.findall(r"\d+", text)
    return int(left), int(right)


def add(text: str) -> str:
    left, right = numbers(text)
    return str(len("x" * left + "x" * right))


def times(text: str) -> str:
    left, right = numbers(text)
    return str(sum([left] * right))


def bigger(text: str) -> str:
    left, right = text.split(" and ")
    assert left != right
    # Of equal length text order is number order.
    return sorted([left, right], key=lambda number: (len(number), number))[-1]


def word_by_word(task: str) -> Callable[[str], str]:
    def solve(text: str) -> str:
        answer = text
        for word, partner in facts(task).items():
            answer = re.sub(rf"\b{word}\b", partner.upper(), answer)
        assert answer.isupper(), text
        return answer.lower()

    return solve


def odd_one_out(text: str) -> str:
    items = text.split(" ")
    kinds = [facts("category")[item] for item in items]
    odd = [item for item, kind in zip(items, kinds, strict=True) if kinds.count(kind) == 1]
    assert len(odd) == 1 and len(set(kinds)) == 2, text
    return odd[0]


_ONE_FACT = (
    "capital category colour hometown job material opposite past_tense place price rate sentiment"
    " shelf sound synonym topic young"
)
SOLVERS: dict[str, Callable[[str], str]] = {
    **{task: only_fact(task) for task in _ONE_FACT.split()},
    "flags": flags,
    "translate": word_by_word("translate"),
    "kinds": word_by_word("category"),
    "add": add,
    "plus": add,
    "times": times,
    "product": times,
    "first_word": lambda text: text[: text.index(" ")],
    "last_word": lambda text: text[text.rindex(" ") + 1 :],
    "count": lambda text: str(text.count(" ") + 1),
    "person": person,
    "bigger": bigger,
    "odd_one_out": odd_one_out,
}
