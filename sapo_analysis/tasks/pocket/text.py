"""Family "text": the answer stands in the input; the instruction says which part is wanted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.pocket import lexicon
from sapo_analysis.tasks.pocket.meaning import sentence
from sapo_analysis.tasks.pocket.suite import PocketTask


def words(rng: Random, low: int, high: int) -> list[str]:
    """A list of `low` to `high` distinct words."""
    return rng.sample(lexicon.LISTED, rng.randint(low, high))


def _first(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    items = words(rng, 3, 5)
    return Example(" ".join(items), items[0])


def _last(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    items = words(rng, 3, 5)
    return Example(" ".join(items), items[-1])


def _reverse(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    items = words(rng, 2, 3)
    return Example(" ".join(items), " ".join(reversed(items)))


def _person(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    return Example(sentence(rng, name=fact), fact)


def _odd_one_out(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    common, other = rng.sample(list(lexicon.CATEGORY), 2)
    odd = rng.choice(lexicon.CATEGORY[other])
    items = [*rng.sample(lexicon.CATEGORY[common], 3), odd]
    rng.shuffle(items)
    return Example(" ".join(items), odd)


def _extraction(
    name: str,
    title: str,
    draw: Callable[[Random, str, tuple[str, ...]], Example],
    *,
    facts: tuple[str, ...] = ("",),
    role: str = "retained",
    max_new_tokens: int = 4,
    share: float = 1.0,
) -> PocketTask:
    return PocketTask(
        name=name,
        title=title,
        family="text",
        labels=(),
        metric="exact_match",
        max_new_tokens=max_new_tokens,
        role=role,
        facts={fact: "" for fact in facts},
        draw=draw,
        share=share,
    )


TASKS: tuple[PocketTask, ...] = (
    _extraction("first_word", "First word", _first),
    _extraction("last_word", "Last word", _last),
    _extraction("reverse", "Reverse the words", _reverse, max_new_tokens=10, share=1.5),
    _extraction("person", "Who is it", _person, facts=lexicon.NAMES),
    _extraction("odd_one_out", "Odd one out", _odd_one_out, role="unseen", share=0.15),
)
