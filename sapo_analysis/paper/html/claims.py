"""A published claim on a card."""

from __future__ import annotations

from dataclasses import dataclass

from sapo_analysis.paper.html.chips import Chip


@dataclass(frozen=True)
class Claim:
    """What the data say of one claim.

    Attributes:
        label: its name in the glossary.
        more: its definition.
        value: its number; "" where the runs hold no data for it.
        interval: the interval of the scope that leads.
        n: what it is over.
        chips: its verdicts in score form.
        sentence: its verdicts and numbers in both forms.
        warnings: what to know before believing it.
    """

    label: str
    more: str
    value: str
    interval: str
    n: str
    chips: tuple[Chip, ...]
    sentence: str
    warnings: tuple[str, ...]
