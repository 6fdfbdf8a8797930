"""The tables of paraphrase studies."""

from __future__ import annotations

from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.claims import claims_table
from sapo_analysis.paper.tables.correlations import correlations_table
from sapo_analysis.paper.tables.indicators import indicators_table
from sapo_analysis.paper.tables.kind import TableKind, once
from sapo_analysis.paper.tables.prompts import prompts_table
from sapo_analysis.paper.tables.selection import selection_table
from sapo_analysis.paper.tables.settings import settings_table


def _claimed(numbers: ParaphraseNumbers) -> list[Options]:
    """One table per outcome that a published claim speaks of."""
    found = [Options(outcome=o.name) for o in numbers.outcomes if o.claim is not None]
    return found or once(numbers)


PARAPHRASE_TABLES = (
    TableKind(
        "claims",
        "Claims",
        "Every claim with estimate, both intervals, verdicts and p, in scores and in losses.",
        "paraphrase",
        (),
        claims_table,
        once,
        ("shi2026sapo", "fisher1921", "student1908", "phipson2010"),
    ),
    TableKind(
        "correlations",
        "Correlations",
        "The correlation with each outcome, task by task and over tasks.",
        "paraphrase",
        ("outcome", "form", "x", "statistic"),
        correlations_table,
        once,
        ("shi2026sapo", "fisher1921", "student1908", "phipson2010"),
    ),
    TableKind(
        "indicators",
        "Indicators",
        "Every indicator known before the update with its strength, corrected for how many there"
        " are.",
        "paraphrase",
        ("outcome", "form"),
        indicators_table,
        _claimed,
        ("shi2026sapo", "westfall1993", "holm1979", "student1908"),
    ),
    TableKind(
        "selection",
        "What the rule is worth",
        "The outcome of each way of picking a prompt, and the gain of the lowest loss over it.",
        "paraphrase",
        ("outcome", "form", "x"),
        selection_table,
        once,
        ("shi2026sapo", "student1908"),
    ),
    TableKind(
        "prompts",
        "Prompts",
        "Every training prompt: text, source, length, pre-update loss and outcomes.",
        "paraphrase",
        ("task", "outcome", "form"),
        prompts_table,
        once,
        ("shi2026sapo",),
    ),
    TableKind(
        "settings",
        "Study settings",
        "How the study was made: model, design, training, software.",
        "paraphrase",
        (),
        settings_table,
        once,
        ("hu2022lora",),
    ),
)
