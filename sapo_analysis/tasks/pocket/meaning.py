"""Family "meaning": one sentence, one word in it decides the label.

All tasks share their sentences, so the instruction has to say which word matters.
"""

from __future__ import annotations

from random import Random

from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.pocket import lexicon
from sapo_analysis.tasks.pocket.suite import PocketTask

_FRAMES = (
    "{name} {verb} the {adjective} {noun} in the {place}.",
    "In the {place} {name} {verb} the {adjective} {noun}.",
    "The {adjective} {noun} is in the {place}, says {name}.",
)


def sentence(rng: Random, **fixed: str) -> str:
    """A sentence with a person, a thing, its quality and a place; `fixed` sets some of them."""
    words = {
        "name": rng.choice(lexicon.NAMES),
        "verb": rng.choice(lexicon.VERBS),
        "adjective": rng.choice(lexicon.ADJECTIVES),
        "noun": rng.choice(lexicon.NOUNS),
        "place": rng.choice(lexicon.PLACES),
    }
    return rng.choice(_FRAMES).format(**{**words, **fixed})


def _labelled(
    name: str,
    title: str,
    slot: str,
    groups: dict[str, tuple[str, ...]],
    known: float,
    share: float,
) -> PocketTask:
    label_of = lexicon.invert(groups)

    def draw(rng: Random, fact: str, allowed: tuple[str, ...]) -> Example:
        return Example(sentence(rng, **{slot: fact}), label_of[fact])

    return PocketTask(
        name=name,
        title=title,
        family="meaning",
        labels=tuple(groups),
        metric="label_accuracy",
        max_new_tokens=4,
        role="half known",
        facts=label_of,
        draw=draw,
        known=known,
        share=share,
    )


TASKS: tuple[PocketTask, ...] = (
    _labelled("sentiment", "Sentiment", "adjective", lexicon.SENTIMENT, known=0.4, share=1.0),
    _labelled("topic", "Topic", "noun", lexicon.TOPIC, known=0.5, share=1.0),
    _labelled("category", "Category", "noun", lexicon.CATEGORY, known=0.5, share=1.0),
    _labelled("place", "Indoors or outdoors", "place", lexicon.PLACE, known=0.375, share=1.0),
    _labelled("colour", "Colour", "noun", lexicon.COLOUR, known=0.5, share=1.0),
)
