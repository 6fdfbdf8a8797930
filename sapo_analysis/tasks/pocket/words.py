"""The words that sentences and lists of the pocket suite are made of.

Tasks share them, so that an input rarely gives away what is asked: the instruction has to.
"""

from __future__ import annotations

from functools import cache

from sapo_analysis.tasks.pocket.files import task_file, task_names

_VERBS = "found saw drew hid lost kept sold left"
_PLURALS = (
    "otters badgers camels goats tigers rabbits donkeys monkeys zebras apples pears plums mangoes "
    "hammers mallets drills jackets shirts skirts gloves socks hats coats guitars violins drums "
    "clouds barrels crates canoes anchors coins nails kettles bells bottles jars vases maps tickets"
)
# A slot of a frame is filled with the facts of these tasks.
_FROM_TASKS = {
    "name": ("hometown",),
    "adjective": ("sentiment",),
    "place": ("place",),
    "noun": ("category", "topic", "colour", "material"),
}


@cache
def pool(slot: str) -> tuple[str, ...]:
    """The words a slot of this name is filled with: name, verb, adjective, noun, plural, place."""
    if slot == "verb":
        return tuple(_VERBS.split())
    if slot == "plural":
        return tuple(_PLURALS.split())
    return tuple(word for task in _FROM_TASKS[slot] for word in task_file(task).answer_of)


SLOTS = (*_FROM_TASKS, "verb", "plural")


@cache
def listed() -> tuple[str, ...]:
    """What lists are made of: every single word that some task asks about or answers with.

    So the model can read and write all of them, also those whose facts pretraining hides.
    """
    words: dict[str, None] = {}
    for name in task_names():
        for fact, answer in task_file(name).answer_of.items():
            words.update(dict.fromkeys(word for word in (fact, answer) if word.isalpha()))
    return tuple(sorted(words))
