"""Finished tables → `FigureSpec` → plotly on the screen, matplotlib on paper."""

from sapo_analysis.figures.impact_heatmap import impact_heatmap
from sapo_analysis.figures.impact_scatter import impact_scatter
from sapo_analysis.figures.outcomes import OUTCOMES, Outcome
from sapo_analysis.figures.spec import FigureSpec
from sapo_analysis.figures.task_bars import task_bars
from sapo_analysis.figures.task_forest import task_forest

__all__ = [
    "OUTCOMES",
    "FigureSpec",
    "Outcome",
    "impact_heatmap",
    "impact_scatter",
    "task_bars",
    "task_forest",
]
