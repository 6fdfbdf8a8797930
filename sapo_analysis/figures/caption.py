"""What a caption has to say of a figure or table; `paper.captions` words it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sapo_analysis.analysis.glossary import TERMS


@dataclass(frozen=True)
class Of:
    """A sentence on a part of a figure that may be left out; it goes with it.

    Attributes:
        part: the part that it speaks of, a name of `spec.PARTS`.
        said: the sentence.
    """

    part: str
    said: str


@dataclass(frozen=True)
class Caption:
    """Facts for a caption; sentences without numbering, venue or citation commands.

    Attributes:
        shows: a sentence: what stands against what, and what one mark or row is.
        n: what was counted, in the order in which it is told: "tasks", "prompts", "seeds" …
        statistics: sentences with numbers: estimate, interval, test and p.
        interval: what intervals are, and over what: "95 % Student t over tasks"; "": none shown.
        marks: sentences on symbols, bands and shades; plain where they always hold.
        terms: names of the glossary (`analysis.glossary.entry`) that a reader needs defined.
        strategy: `policy+method`, where one strategy of several is shown; "": all.
        units: term → the unit that the figure has it in, where it is not the glossary's.
    """

    shows: str
    n: Mapping[str, int] = field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    interval: str = ""
    marks: tuple[str | Of, ...] = ()
    terms: tuple[str, ...] = ()
    strategy: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def explained(self) -> tuple[str, ...]:
        """The sentences on marks, as text."""
        return tuple(mark.said if isinstance(mark, Of) else mark for mark in self.marks)

    def without(self, parts: Collection[str]) -> Caption:
        """The facts of the figure without these parts; numbers stay, which a caption can tell."""
        marks = tuple(m for m in self.marks if not (isinstance(m, Of) and m.part in parts))
        # How intervals were made belongs to those in the sentences, too.
        drawn_alone = "intervals" in parts and not self.statistics
        return replace(self, marks=marks, interval="" if drawn_alone else self.interval)


def known_terms(*names: str) -> tuple[str, ...]:
    """The names that the glossary explains, each once; a table may have columns of its own."""
    return tuple(name for name in dict.fromkeys(names) if name in TERMS)
