"""The words that sentences and lists of the pocket suite are made of.

Tasks share them, so that an input rarely gives away what is asked: the instruction has to.
"""

from __future__ import annotations

import tomllib
from functools import cache

from sapo_analysis.tasks.pocket.files import FOLDER, task_file

_WORDS = FOLDER.parent / "words.toml"
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
    if slot in _FROM_TASKS:
        return tuple(word for task in _FROM_TASKS[slot] for word in task_file(task).answer_of)
    return _written_down(slot)


SLOTS = (*_FROM_TASKS, "verb", "plural")


def listed() -> tuple[str, ...]:
    """What lists are made of. Written down, so that a new task leaves the others as they are."""
    return _written_down("listed")


@cache
def _written_down(kind: str) -> tuple[str, ...]:
    return tuple(tomllib.loads(_WORDS.read_text("utf-8"))[kind].split())
