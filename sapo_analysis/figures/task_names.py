"""Names of tasks beside an axis: released ones are longer than a small figure is wide."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 22
"""Characters of a name that is written out."""
_FIRST = 9
"""Of them those before what is left out of the middle."""
_AT_CUTS = "_- "


def beside_axis(names: Iterable[str]) -> tuple[str, ...]:
    """The names, long ones cut so that they can still be told apart; else they stay whole.

    Ends are left out, or the middle where names begin alike.
    """
    whole = tuple(names)
    for cut in (_without_end, _without_middle):
        short = tuple(name if len(name) <= LONGEST else cut(name) for name in whole)
        if len(set(short)) == len(set(whole)):
            return short
    return whole


def _without_end(name: str) -> str:
    return f"{name[: LONGEST - 1].rstrip(_AT_CUTS)}…"


def _without_middle(name: str) -> str:
    end = name[-(LONGEST - 1 - _FIRST) :]
    return f"{name[:_FIRST].rstrip(_AT_CUTS)}…{end.lstrip(_AT_CUTS)}"
