"""Which figures and tables some runs have, and why they lack the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.paper.figures import Made, every_figure
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.tables import MadeTable, every_table


@dataclass(frozen=True)
class Listed:
    """A kind of figure or table.

    Attributes:
        what: `figure` or `table`.
        name: what it is asked for by.
        about: one sentence: what it shows.
        options: the options that it obeys.
        files: names of the files, without ending, that "all" stands for.
        why_not: why the runs lack it, or some of it; "" where they have all.
    """

    what: str
    name: str
    about: str
    options: tuple[str, ...]
    files: tuple[str, ...]
    why_not: str


@remembering()
def listing(numbers: Numbers) -> list[Listed]:
    """Every kind that such runs can have, figures first.

    Raises:
        RunError: a table is damaged.
    """
    found: list[Listed] = []
    for what, every in (
        ("figure", list(every_figure(numbers))),
        ("table", list(every_table(numbers))),
    ):
        for name in dict.fromkeys(made.kind.name for made in every):
            found.append(_listed(what, [made for made in every if made.kind.name == name]))
    return found


def _listed(what: str, variants: Sequence[Made | MadeTable]) -> Listed:
    kind = variants[0].kind
    reasons = dict.fromkeys(made.why_not for made in variants if made.why_not)
    return Listed(
        what,
        kind.name,
        kind.about,
        kind.uses,
        tuple(made.name for made in variants if made.spec is not None),
        " ".join(reasons),
    )
