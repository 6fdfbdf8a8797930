"""Tidy tables to estimates: no plots, no file formats, no torch. `__all__` may be relied on."""

from sapo_analysis.analysis.claims import claims, claims_without_data, no_verdict
from sapo_analysis.analysis.continual import ContinualMetrics, continual_metrics
from sapo_analysis.analysis.correlation import (
    pooled_correlation,
    task_correlations,
    within_task_correlation,
)
from sapo_analysis.analysis.cross_task import impact_correlation, impact_pairs
from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.evidence import task_changes, word_diff, worst_forgotten
from sapo_analysis.analysis.findings import (
    CHARACTERISTICS,
    claims_table,
    distinguishing,
    tasks_table,
)
from sapo_analysis.analysis.impacts import current_tests, impacts
from sapo_analysis.analysis.joining import differing_keys
from sapo_analysis.analysis.matched import MatchedComparison, matched_comparison
from sapo_analysis.analysis.noise import NoiseBand, NoiseFacet, noise_band
from sapo_analysis.analysis.numerical_noise import (
    NumericalNoise,
    numerical_noise,
    repeat_differences,
)
from sapo_analysis.analysis.partial import partial_correlation
from sapo_analysis.analysis.power import smallest_detectable, tasks_needed
from sapo_analysis.analysis.prompt_effects import prompt_effects
from sapo_analysis.analysis.prompt_means import prompts_table, seeds_table
from sapo_analysis.analysis.report import report
from sapo_analysis.analysis.reproduction import Reproduction, compare_runs
from sapo_analysis.analysis.rivals import rivals
from sapo_analysis.analysis.seed_alone import claim_1_from_the_seed_alone
from sapo_analysis.analysis.sequences import sequence_report, sequence_scores
from sapo_analysis.analysis.training_check import past_gains, training_check
from sapo_analysis.analysis.wording import sentence

__all__ = [
    "CHARACTERISTICS",
    "ContinualMetrics",
    "Estimate",
    "MatchedComparison",
    "NoiseBand",
    "NoiseFacet",
    "NumericalNoise",
    "Reproduction",
    "Verdict",
    "claim_1_from_the_seed_alone",
    "claims",
    "claims_table",
    "claims_without_data",
    "compare_runs",
    "continual_metrics",
    "current_tests",
    "differing_keys",
    "distinguishing",
    "impact_correlation",
    "impact_pairs",
    "impacts",
    "matched_comparison",
    "no_verdict",
    "noise_band",
    "numerical_noise",
    "partial_correlation",
    "past_gains",
    "pooled_correlation",
    "prompt_effects",
    "prompts_table",
    "repeat_differences",
    "report",
    "rivals",
    "seeds_table",
    "sentence",
    "sequence_report",
    "sequence_scores",
    "smallest_detectable",
    "task_changes",
    "task_correlations",
    "tasks_needed",
    "tasks_table",
    "training_check",
    "within_task_correlation",
    "word_diff",
    "worst_forgotten",
]
