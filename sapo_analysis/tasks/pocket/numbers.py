"""Family "numbers": counting, comparing and adding."""

from __future__ import annotations

from random import Random

from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.pocket import lexicon
from sapo_analysis.tasks.pocket.suite import PocketTask
from sapo_analysis.tasks.pocket.text import words


def _count(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    n = int(fact)
    return Example(" ".join(words(rng, n, n)), fact)


def _bigger(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    left, right = rng.sample(range(10, 100), 2)
    return Example(f"{left} and {right}", str(max(left, right)))


def _add(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    left, right = fact.split("+")
    one, two = rng.sample(lexicon.NOUNS, 2)
    name = rng.choice(lexicon.NAMES)
    return Example(f"{name} has {left} {one} and {right} {two}.", str(int(left) + int(right)))


TASKS: tuple[PocketTask, ...] = (
    PocketTask(
        name="count",
        title="Count the words",
        family="numbers",
        labels=(),
        metric="exact_match",
        max_new_tokens=4,
        role="retained",
        facts={str(n): "" for n in range(2, 7)},
        draw=_count,
    ),
    PocketTask(
        name="bigger",
        title="Bigger number",
        family="numbers",
        labels=(),
        metric="exact_match",
        max_new_tokens=4,
        role="retained",
        facts={"": ""},
        draw=_bigger,
    ),
    PocketTask(
        name="add",
        title="Add two numbers",
        family="numbers",
        labels=(),
        metric="exact_match",
        max_new_tokens=4,
        role="half known",
        facts={f"{left}+{right}": "" for left in range(2, 8) for right in range(2, 8)},
        draw=_add,
        known=0.5,
    ),
)
