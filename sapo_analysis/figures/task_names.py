"""Names of tasks beside an axis: released ones are longer than a small figure is wide."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 22
"""Characters of a name that is written out."""


def beside_axis(names: Iterable[str]) -> tuple[str, ...]:
    """The names, the ends of long ones left out where the names can still be told apart."""
    whole = tuple(names)
    short = tuple(n if len(n) <= LONGEST else f"{n[: LONGEST - 1].rstrip('_- ')}…" for n in whole)
    return short if len(set(short)) == len(set(whole)) else whole
