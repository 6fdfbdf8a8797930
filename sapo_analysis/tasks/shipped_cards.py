"""The task cards that the package ships: public datasets, described without their rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sapo_analysis.errors import unknown
from sapo_analysis.tasks.card import TaskCard, read_card

FOLDER = Path(__file__).resolve().parent.parent / "data" / "cards"


@cache
def card_names() -> tuple[str, ...]:
    """The names of the shipped cards, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def shipped_card(name: str) -> TaskCard:
    """The shipped card of this name.

    Raises:
        InputError: no card has the name; the known ones are listed.
    """
    if name not in card_names():
        hint = "For a card of your own give the path of its YAML file."
        raise unknown("task card", name, card_names(), hint)
    return read_card(FOLDER / f"{name}.yaml")
