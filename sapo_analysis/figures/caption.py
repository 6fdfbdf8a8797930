"""What a caption has to say of a figure or table; `paper.captions` words it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sapo_analysis.analysis.glossary import TERMS


@dataclass(frozen=True)
class Caption:
    """Facts for a caption; sentences without numbering, venue or citation commands.

    Attributes:
        shows: a sentence: what stands against what, and what one mark or row is.
        n: what was counted, in the order in which it is told: "tasks", "prompts", "seeds" …
        statistics: sentences with numbers: estimate, interval, test and p.
        interval: what intervals are, and over what: "95 % Student t over tasks"; "": none shown.
        marks: sentences on symbols, bands and shades.
        terms: names of the glossary (`analysis.glossary.entry`) that a reader needs defined.
        strategy: `policy+method`, where one strategy of several is shown; "": all.
    """

    shows: str
    n: Mapping[str, int] = field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    interval: str = ""
    marks: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    strategy: str = ""


def known_terms(*names: str) -> tuple[str, ...]:
    """The names that the glossary explains, each once; a table may have columns of its own."""
    return tuple(name for name in dict.fromkeys(names) if name in TERMS)
