"""Sequence runs: score matrices, continual learning metrics, contrasts, what choosing cost."""

from sapo_analysis.analysis.sequences.choices import (
    candidates_along,
    choices,
    choosing_cost,
    same_choices,
)
from sapo_analysis.analysis.sequences.contrasts import contrasts
from sapo_analysis.analysis.sequences.matrices import TEST_PROMPTS, sequence_scores
from sapo_analysis.analysis.sequences.metrics import (
    METRICS,
    chain_metrics,
    stage_means,
    summary,
)
from sapo_analysis.analysis.sequences.report import sequence_report
from sapo_analysis.analysis.sequences.tasks import task_metrics

__all__ = [
    "METRICS",
    "TEST_PROMPTS",
    "candidates_along",
    "chain_metrics",
    "choices",
    "choosing_cost",
    "contrasts",
    "same_choices",
    "sequence_report",
    "sequence_scores",
    "stage_means",
    "summary",
    "task_metrics",
]
