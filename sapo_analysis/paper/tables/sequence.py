"""The tables of sequence studies."""

from __future__ import annotations

from sapo_analysis.paper.tables.choosing import choices_table, choosing_table
from sapo_analysis.paper.tables.contrasts import contrasts_table
from sapo_analysis.paper.tables.kind import TableKind, once
from sapo_analysis.paper.tables.settings import settings_table
from sapo_analysis.paper.tables.strategies import (
    strategies_table,
    test_prompts_table,
)
from sapo_analysis.paper.tables.task_scores import task_scores_table

_METRICS = ("lopezpaz2017gem", "shi2026sapo", "student1908")

SEQUENCE_TABLES = (
    TableKind(
        "strategies",
        "Strategies",
        "AP, BWT and FWT of every strategy.",
        "sequence",
        ("test_prompts",),
        strategies_table,
        once,
        (*_METRICS, "holm1979"),
    ),
    TableKind(
        "test_prompts",
        "Test prompts",
        "AP of every strategy under each kind of test prompts.",
        "sequence",
        (),
        test_prompts_table,
        once,
        _METRICS,
    ),
    TableKind(
        "contrasts",
        "Contrasts",
        "Paired differences between strategies with the same method.",
        "sequence",
        ("test_prompts",),
        contrasts_table,
        once,
        (*_METRICS, "holm1979"),
    ),
    TableKind(
        "task_scores",
        "Scores by task",
        "What every strategy scores on each task at the end.",
        "sequence",
        ("test_prompts",),
        task_scores_table,
        once,
        ("student1908",),
    ),
    TableKind(
        "choosing",
        "Cost of choosing",
        "What choosing prompts costs, and how far the choice is from the lowest loss.",
        "sequence",
        (),
        choosing_table,
        once,
        ("shi2026sapo",),
    ),
    TableKind(
        "choices",
        "Prompts chosen",
        "The prompt that each strategy chose most often for each task.",
        "sequence",
        (),
        choices_table,
        once,
    ),
    TableKind(
        "sequence_settings",
        "Study settings",
        "How the study was made: model, design, training, software.",
        "sequence",
        (),
        settings_table,
        once,
        ("hu2022lora",),
    ),
)
