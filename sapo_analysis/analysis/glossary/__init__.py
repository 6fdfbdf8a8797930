"""What every number on a page or an axis is: its name, definition, unit, and which way is good.

Pages, figures and reports take their words from here, so that a number is described in one place
and alike everywhere; the Method page lists all of it. A new table column or metric needs a term
here before it is shown: `entry` refuses a name that it does not know.
"""

from __future__ import annotations

from sapo_analysis.analysis.glossary import (
    claims,
    methods,
    outcomes,
    prompts,
    sequences,
    statistics,
    work,
)
from sapo_analysis.analysis.glossary.term import DIRECTIONS, Better, Term
from sapo_analysis.errors import unknown

__all__ = ["DIRECTIONS", "SECTIONS", "TERMS", "Better", "Term", "entry"]

SECTIONS: dict[str, tuple[Term, ...]] = {
    name: terms
    for module in (outcomes, claims, statistics, prompts, sequences, methods, work)
    for name, terms in module.SECTIONS.items()
}
"""All terms, in the sections of the Method page."""

TERMS: dict[str, Term] = {term.name: term for terms in SECTIONS.values() for term in terms}


def entry(name: str) -> Term:
    """The term of a column, metric or indicator.

    Raises:
        InputError: there is none; the known ones are named.
    """
    if name not in TERMS:
        raise unknown("term", name, list(TERMS), "Describe it in analysis/glossary/.")
    return TERMS[name]
