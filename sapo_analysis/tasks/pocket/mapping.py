"""Family "mapping": every word has one partner to be known; and one question about a list."""

from __future__ import annotations

from random import Random

from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.pocket import lexicon
from sapo_analysis.tasks.pocket.suite import PocketTask
from sapo_analysis.tasks.pocket.text import words


def _translate(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    others = [word for word in allowed if word != fact]
    items = [fact, *rng.sample(others, rng.randint(1, 2))]
    rng.shuffle(items)
    return Example(" ".join(items), " ".join(lexicon.ZUBO[word] for word in items))


def _opposite(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    return Example(f"The {rng.choice(lexicon.NOUNS)} is {fact}.", lexicon.OPPOSITE[fact])


def _plural(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    name, adjective = rng.choice(lexicon.NAMES), rng.choice(lexicon.ADJECTIVES)
    return Example(f"{name} has one {adjective} {fact}.", lexicon.PLURAL[fact])


def _member(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
    items = words(rng, 3, 4)
    if fact == "yes":
        asked = rng.choice(items)
    else:
        asked = rng.choice([word for word in lexicon.LISTED if word not in items])
    return Example(f"{asked}: {' '.join(items)}", fact)


TASKS: tuple[PocketTask, ...] = (
    PocketTask(
        name="translate",
        title="Translate into Zubo",
        family="mapping",
        labels=(),
        metric="exact_match",
        max_new_tokens=10,
        role="half known",
        facts={
            word: label
            for label, group in lexicon.CATEGORY.items()
            for word in group
            if word in lexicon.ZUBO
        },
        draw=_translate,
        known=0.7,
        share=1.5,
    ),
    PocketTask(
        name="opposite",
        title="Opposite",
        family="mapping",
        labels=(),
        metric="exact_match",
        max_new_tokens=4,
        role="half known",
        facts={word: "" for word in lexicon.OPPOSITE},
        draw=_opposite,
        known=0.5,
    ),
    PocketTask(
        name="plural",
        title="Plural",
        family="mapping",
        labels=(),
        metric="exact_match",
        max_new_tokens=6,
        role="unseen",
        facts={word: "" for word in lexicon.PLURAL},
        draw=_plural,
        known=0.25,
        share=0.15,
    ),
    PocketTask(
        name="member",
        title="Is the word in the list",
        family="mapping",
        labels=("yes", "no"),
        metric="label_accuracy",
        max_new_tokens=4,
        # The shipped model stays at chance on it, so it can gain.
        role="unseen",
        facts={"yes": "", "no": ""},
        draw=_member,
    ),
)
