"""Finished tables → `FigureSpec` → plotly on the screen, matplotlib on paper."""

from sapo_analysis.figures.board import indicator_forest
from sapo_analysis.figures.candidate_strip import candidate_strip
from sapo_analysis.figures.choices import choices_along
from sapo_analysis.figures.claim_1_spread import claim_1_spread
from sapo_analysis.figures.format_specialization import format_specialization
from sapo_analysis.figures.gradient_alignment import gradient_alignment
from sapo_analysis.figures.impact_heatmap import impact_heatmap
from sapo_analysis.figures.impact_pair import impact_pair
from sapo_analysis.figures.impact_scatter import impact_scatter
from sapo_analysis.figures.live_choice import live_choice
from sapo_analysis.figures.outcomes import OUTCOMES, Outcome
from sapo_analysis.figures.payoff import selection_bars
from sapo_analysis.figures.persistence_diagram import persistence_diagram
from sapo_analysis.figures.pools import pool_curve, regret_curve
from sapo_analysis.figures.race_overlay import Race, race_reach, with_race
from sapo_analysis.figures.runs_forest import runs_forest
from sapo_analysis.figures.spec import FigureSpec
from sapo_analysis.figures.stage_curves import stage_curves
from sapo_analysis.figures.stage_matrix import stage_matrix
from sapo_analysis.figures.strategies import strategy_intervals, strategy_race
from sapo_analysis.figures.strategy_contrasts import strategy_contrasts
from sapo_analysis.figures.task_bars import task_bars
from sapo_analysis.figures.task_forest import task_forest
from sapo_analysis.figures.topology import topology
from sapo_analysis.figures.trade_off import trade_off_scatter
from sapo_analysis.figures.training_by_task import training_by_task
from sapo_analysis.figures.training_curves import training_curves
from sapo_analysis.figures.trials_grid import trials_grid

__all__ = [
    "OUTCOMES",
    "FigureSpec",
    "Outcome",
    "Race",
    "candidate_strip",
    "choices_along",
    "claim_1_spread",
    "format_specialization",
    "gradient_alignment",
    "impact_heatmap",
    "impact_pair",
    "impact_scatter",
    "indicator_forest",
    "live_choice",
    "persistence_diagram",
    "pool_curve",
    "race_reach",
    "regret_curve",
    "runs_forest",
    "selection_bars",
    "stage_curves",
    "stage_matrix",
    "strategy_contrasts",
    "strategy_intervals",
    "strategy_race",
    "task_bars",
    "task_forest",
    "topology",
    "trade_off_scatter",
    "training_by_task",
    "training_curves",
    "trials_grid",
    "with_race",
]
