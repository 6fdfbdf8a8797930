"""Verdict chips and badges: word, icon and colour together, never colour alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sapo_analysis.analysis.estimate import Verdict
from sapo_analysis.analysis.wording import SCOPE_WORDS
from sapo_analysis.figures.theme import VERDICT_ICONS

LOOKS = {"better": "supported", "worse": "contradicted"}
"""Verdicts on a contrast look like those on a claim."""

_HYPHEN = re.compile(r"(?<![^\s(])-(?=\d)")


@dataclass(frozen=True)
class Chip:
    """One verdict.

    Attributes:
        look: a name of `figures.theme.VERDICTS`.
        words: what is judged, and the verdict.
        reason: one sentence; "" where the headline beside it gives it.
    """

    look: str
    words: str
    reason: str = ""

    @property
    def icon(self) -> str:
        """What stands before the words."""
        return VERDICT_ICONS[self.look]


@dataclass(frozen=True)
class Badge:
    """A fact about the runs in a glance; `is_caution`: one that a reader has to know."""

    words: str
    more: str = ""
    is_caution: bool = False


def chip(verdict: Verdict, words: str = "") -> Chip:
    """The chip of one verdict; its scope stands before it unless other words are given."""
    said = words or f"{SCOPE_WORDS[verdict.scope]}: {verdict.verdict}"
    return Chip(verdict.verdict, said, with_minus(verdict.reason))


def with_minus(text: str) -> str:
    """A sentence whose numbers have a true minus, as everywhere on the page; names keep hyphens."""
    return _HYPHEN.sub("\N{MINUS SIGN}", text)


def chips(pair: Sequence[Verdict]) -> tuple[Chip, ...]:
    """Both verdicts of a claim in one form; the one that says something comes first."""
    ordered = sorted(pair, key=lambda v: (v.verdict == "too few", v.scope != "new_tasks"))
    return tuple(chip(verdict) for verdict in ordered)


def of_contrast(verdict: str) -> Chip:
    """The chip of a verdict on a contrast between strategies."""
    return Chip(LOOKS.get(verdict, verdict), verdict)
