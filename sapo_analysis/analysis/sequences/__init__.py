"""Sequence runs: score matrices, continual learning metrics, contrasts, what choosing cost."""

from sapo_analysis.analysis.sequences.behind import (
    Cell,
    cell_chains,
    cell_examples,
    cell_means,
)
from sapo_analysis.analysis.sequences.choices import (
    candidates_along,
    choices,
    choosing_cost,
    chosen_prompts,
    same_choices,
)
from sapo_analysis.analysis.sequences.contrasts import (
    CONTRAST_COLUMNS,
    SIGNIFICANT,
    TESTED,
    contrasts,
    significant,
)
from sapo_analysis.analysis.sequences.families import families
from sapo_analysis.analysis.sequences.matrices import (
    TEST_PROMPTS,
    headline_prompts,
    sequence_scores,
)
from sapo_analysis.analysis.sequences.metrics import (
    LEAST,
    METRICS,
    SHORT,
    SUMMARY_COLUMNS,
    chain_metrics,
    furthest,
    metric_term,
    stage_means,
    summary,
)
from sapo_analysis.analysis.sequences.report import sequence_report, sizes_in_words
from sapo_analysis.analysis.sequences.tasks import TASK_METRICS, task_metrics
from sapo_analysis.analysis.sequences.training import losses_by_stage

__all__ = [
    "CONTRAST_COLUMNS",
    "LEAST",
    "METRICS",
    "SHORT",
    "SIGNIFICANT",
    "SUMMARY_COLUMNS",
    "TASK_METRICS",
    "TESTED",
    "TEST_PROMPTS",
    "Cell",
    "candidates_along",
    "cell_chains",
    "cell_examples",
    "cell_means",
    "chain_metrics",
    "choices",
    "choosing_cost",
    "chosen_prompts",
    "contrasts",
    "families",
    "furthest",
    "headline_prompts",
    "losses_by_stage",
    "metric_term",
    "same_choices",
    "sequence_report",
    "sequence_scores",
    "significant",
    "sizes_in_words",
    "stage_means",
    "summary",
    "task_metrics",
]
