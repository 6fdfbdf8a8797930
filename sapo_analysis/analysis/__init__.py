"""Tidy tables to estimates: no plots, no file formats, no torch. `__all__` may be relied on."""

from sapo_analysis.analysis.between_tasks.cross_task import impact_correlation, impact_pairs
from sapo_analysis.analysis.between_tasks.structure import Structure, cross_task_structure
from sapo_analysis.analysis.claims import claims, claims_without_data, no_verdict
from sapo_analysis.analysis.confounding.confounders import Confounder, confounders
from sapo_analysis.analysis.confounding.influence import Ranges, influence, leave_one_out
from sapo_analysis.analysis.confounding.matched import MatchedComparison, matched_comparison
from sapo_analysis.analysis.confounding.partial import partial_correlation
from sapo_analysis.analysis.continual import ContinualMetrics, continual_metrics
from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.evidence import task_changes, word_diff, worst_forgotten
from sapo_analysis.analysis.few_shot import few_shot_scores
from sapo_analysis.analysis.findings import (
    CHARACTERISTICS,
    claims_table,
    distinguishing,
    tasks_table,
)
from sapo_analysis.analysis.impacts import current_tests, impacts
from sapo_analysis.analysis.indicators.board import Board, indicator_board
from sapo_analysis.analysis.indicators.rivals import rivals
from sapo_analysis.analysis.joining import differing_keys
from sapo_analysis.analysis.levels.correlation import (
    pooled_correlation,
    task_correlations,
    within_task_correlation,
)
from sapo_analysis.analysis.levels.repeated_measures import repeated_measures_correlation
from sapo_analysis.analysis.levels.slopes import task_slopes, theil_sen
from sapo_analysis.analysis.next_study.expected import Precision, precision
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.planning import StudyPlan, plan_study
from sapo_analysis.analysis.next_study.power import smallest_detectable, tasks_needed
from sapo_analysis.analysis.noise.band import NoiseBand, NoiseFacet, noise_band
from sapo_analysis.analysis.noise.claim_1_shares import claim_1_shares
from sapo_analysis.analysis.noise.claim_1_spreads import Spreads, claim_1_spreads
from sapo_analysis.analysis.noise.components import variance_components
from sapo_analysis.analysis.noise.corrected import Corrected, corrected_correlation
from sapo_analysis.analysis.noise.numerical_noise import (
    NumericalNoise,
    numerical_noise,
    repeat_differences,
)
from sapo_analysis.analysis.noise.prompt_effects import prompt_effects
from sapo_analysis.analysis.noise.seed_alone import claim_1_from_the_seed_alone
from sapo_analysis.analysis.prompt_means import prompts_table, seeds_table
from sapo_analysis.analysis.report import report
from sapo_analysis.analysis.reproduction import Reproduction, compare_runs
from sapo_analysis.analysis.sentences import ClaimSentence, claim_sentences
from sapo_analysis.analysis.sequences import sequence_report, sequence_scores
from sapo_analysis.analysis.training_check import past_gains, training_check
from sapo_analysis.analysis.wording import sentence
from sapo_analysis.analysis.worth.payoff import SelectionValue, original_prompts, selection_value

__all__ = [
    "Board",
    "CHARACTERISTICS",
    "ClaimSentence",
    "Confounder",
    "ContinualMetrics",
    "Corrected",
    "Estimate",
    "MatchedComparison",
    "NoiseBand",
    "NoiseFacet",
    "NumericalNoise",
    "Pilot",
    "Precision",
    "Ranges",
    "Reproduction",
    "SelectionValue",
    "Spreads",
    "Structure",
    "StudyPlan",
    "Verdict",
    "claim_1_from_the_seed_alone",
    "claim_1_shares",
    "claim_1_spreads",
    "claim_sentences",
    "claims",
    "claims_table",
    "claims_without_data",
    "compare_runs",
    "confounders",
    "continual_metrics",
    "corrected_correlation",
    "cross_task_structure",
    "current_tests",
    "differing_keys",
    "distinguishing",
    "impact_correlation",
    "impact_pairs",
    "impacts",
    "few_shot_scores",
    "indicator_board",
    "influence",
    "leave_one_out",
    "matched_comparison",
    "no_verdict",
    "noise_band",
    "numerical_noise",
    "original_prompts",
    "partial_correlation",
    "past_gains",
    "plan_study",
    "pooled_correlation",
    "precision",
    "prompt_effects",
    "prompts_table",
    "repeat_differences",
    "repeated_measures_correlation",
    "report",
    "rivals",
    "seeds_table",
    "selection_value",
    "sentence",
    "sequence_report",
    "sequence_scores",
    "smallest_detectable",
    "task_changes",
    "task_correlations",
    "task_slopes",
    "tasks_needed",
    "tasks_table",
    "theil_sen",
    "training_check",
    "variance_components",
    "within_task_correlation",
    "word_diff",
    "worst_forgotten",
]
