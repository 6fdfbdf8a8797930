"""Claim 1 task by task: how far prompts move the in-task result, and how far other tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from sapo_analysis.analysis.claim_values import claim_1_means, of_shared_prompts, spread_ratios
from sapo_analysis.analysis.estimate import Z_95, Form, check_form
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.noise.seed_alone import claim_1_seed_sigmas
from sapo_analysis.analysis.quantities import LOSS_UNIT, SCORE_UNIT

SPREAD_COLUMNS = (
    "current_task",
    "in_task_spread",
    "impact_spread",
    "ratio",
    "lower",
    "upper",
    "in_task_seed",
    "impact_seed",
    "seed_ratio",
    "n_prompts",
    "n_seeds",
    "n_other_tasks",
    "unit",
)


@dataclass(frozen=True)
class Spreads:
    """Claim 1 by current task.

    Attributes:
        form: `score` or `loss`.
        unit: Unit of the spreads.
        table: One row per task that claim 1 is judged on, `SPREAD_COLUMNS`: standard deviations
            over prompts of the final in-task result and of the mean impact on all other tasks, both
            means over seeds; their `ratio` (impact ÷ in-task) with its 95 % interval over prompts,
            exp(log ratio ± 1.96 · √(1 / (n - 1))), of this task alone; what the seed alone makes of
            either, σ_seed ÷ √seeds, and the ratio of both σ_seed (nan without two shared seeds).
        excluded: Current tasks left out, and why.
    """

    form: Form
    unit: str
    table: pd.DataFrame
    excluded: dict[str, str]


def claim_1_spreads(df: pd.DataFrame, form: Form = "score") -> Spreads:
    """What claim 1 compares in each current task; its mean over tasks is `claims`'s to give.

    Args:
        df: An impacts table with all roles.
        form: `score` or `loss`.

    Raises:
        InputError: an unknown form, or as `claims`.
    """
    check_form(form)
    values, (impact, in_task) = spread_ratios(df, form), claim_1_means(df, form)
    sigmas = claim_1_seed_sigmas(df, form)
    unit = SCORE_UNIT if form == "score" else LOSS_UNIT
    rows = []
    for task in values.tasks:
        other, own = impact.tasks[task.name], in_task.tasks[task.name]
        prompts, both = of_shared_prompts(other, own)
        impact_spread, in_task_spread = both.std(axis=0, ddof=1)
        half = Z_95 * task.error
        impact_seed, in_task_seed = sigmas.get(task.name, (NAN, NAN))
        rows.append(
            {
                "current_task": task.name,
                "in_task_spread": float(in_task_spread),
                "impact_spread": float(impact_spread),
                "ratio": math.exp(task.value),
                "lower": math.exp(task.value - half),
                "upper": math.exp(task.value + half),
                "in_task_seed": in_task_seed / math.sqrt(own.n_seeds),
                "impact_seed": impact_seed / math.sqrt(other.n_seeds),
                "seed_ratio": impact_seed / in_task_seed,
                "n_prompts": len(prompts),
                "n_seeds": min(own.n_seeds, other.n_seeds),
                "n_other_tasks": len(other.weights),
                "unit": unit,
            }
        )
    return Spreads(form, unit, pd.DataFrame(rows, columns=list(SPREAD_COLUMNS)), values.excluded)
