"""Finished tables → `FigureSpec` → plotly on the screen, matplotlib on paper."""

from sapo_analysis.figures.choices import choices_along
from sapo_analysis.figures.impact_heatmap import impact_heatmap
from sapo_analysis.figures.impact_pair import impact_pair
from sapo_analysis.figures.impact_scatter import impact_scatter
from sapo_analysis.figures.outcomes import OUTCOMES, Outcome
from sapo_analysis.figures.spec import FigureSpec
from sapo_analysis.figures.stage_matrix import stage_matrix
from sapo_analysis.figures.strategies import strategy_intervals, strategy_race
from sapo_analysis.figures.task_bars import task_bars
from sapo_analysis.figures.task_forest import task_forest

__all__ = [
    "OUTCOMES",
    "FigureSpec",
    "Outcome",
    "choices_along",
    "impact_heatmap",
    "impact_pair",
    "impact_scatter",
    "stage_matrix",
    "strategy_intervals",
    "strategy_race",
    "task_bars",
    "task_forest",
]
