"""What claim 1's statistic would be if prompts did nothing: what the seed alone makes of it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claim_values import claim_1_means
from sapo_analysis.analysis.estimate import FORMS, Form
from sapo_analysis.analysis.noise.variance import rounding_of, seed_cells, two_way
from sapo_analysis.analysis.quantities import in_form


def claim_1_from_the_seed_alone(df: pd.DataFrame) -> dict[str, float]:
    """Mean over current tasks of log(σ_seed of the mean impact ÷ σ_seed of the in-task result).

    σ_seed is the prompt x seed component of main trials. Spreads over prompts contain it, so a
    claim 1 that is no larger than this says nothing about prompts. Above zero where an impact on
    other tasks is by nature noisier than the in-task result.

    Args:
        df: An impacts table with all roles.

    Returns:
        By form ("score", "loss"); nan where no task has two prompts with two shared seeds.
    """
    return {form: _mean_log_ratio(df, form) for form in FORMS}


def claim_1_seed_sigmas(df: pd.DataFrame, form: Form) -> dict[str, tuple[float, float]]:
    """By current task σ_seed of one trial's mean impact and of its in-task result, both above 0."""
    impact_means, in_task_means = claim_1_means(df, form)
    impact = in_form("impact", form)
    result = "score_after" if form == "score" else "loss_after"
    of_impact = seed_cells(df, impact, impact_means, role=None, any_role=True)
    in_task = seed_cells(df, result, in_task_means, role="current")
    found = {}
    for task in sorted(of_impact.keys() & in_task.keys()):
        left, right = _sigma(of_impact[task]), _sigma(in_task[task])
        if left > 0 and right > 0:
            found[task] = left, right
    return found


def _mean_log_ratio(df: pd.DataFrame, form: Form) -> float:
    ratios = [math.log(left / right) for left, right in claim_1_seed_sigmas(df, form).values()]
    return float(np.mean(ratios)) if ratios else math.nan


def _sigma(cells: pd.DataFrame) -> float:
    found = two_way(cells)
    rounding = rounding_of(cells.to_numpy(dtype=float))
    return found.sigma if found is not None and found.sigma > rounding else 0.0
