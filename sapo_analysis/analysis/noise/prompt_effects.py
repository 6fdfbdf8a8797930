"""How far the prompt moves a result, against how far the seed does: variance components per task.

y_ps = mean + prompt_p + seed_s + e_ps over the prompts and the seeds that all of them share, both
random. With MS_p the mean square of prompts (P - 1 degrees of freedom), MS_e that of the residual
((P - 1)(S - 1)) and F = MS_p / MS_e:

- σ_prompt² = max(0, (MS_p - MS_e) / S), its interval by Williams and Tukey (at least 95 %);
- σ_prompt / σ_seed = √max(0, (F - 1) / S), its interval exact from the F distribution.

Where prompts differ even less than the seed would make them differ (F below its 2.5 % quantile), no
ratio fits at that level: the bounds are nan, as 0 to 0 would read as certainty.

σ_seed is the residual: what another seed does to the difference between two prompts. What a seed
does to all prompts alike is in neither.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import CONFIDENCE
from sapo_analysis.analysis.intervals import NAN, differs
from sapo_analysis.analysis.noise.variance import rounding_of, seed_cells, shared_cells
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.quantiles import chi_square, fisher_f

COLUMNS = (
    "current_task",
    "sigma_prompt",
    "sigma_prompt_lower",
    "sigma_prompt_upper",
    "sigma_seed",
    "ratio",
    "ratio_lower",
    "ratio_upper",
    "n_prompts",
    "n_seeds",
    "unit",
)


def prompt_effects(
    df: pd.DataFrame,
    y: str = "forgetting",
    role: str | None = None,
    eval_task: str | None = None,
    task: str = "current_task",
) -> pd.DataFrame:
    """σ_prompt, σ_seed and their ratio of one quantity, one row per current task.

    Main trials only; a task's value is the mean over the evaluated tasks of one role, taken as in
    `prompts_table`: where their metrics differ, each is divided by its sd over prompts first. All
    but the ratio is in `unit`.

    Args:
        df: An impacts table, or any table with the columns named.
        y: Column of the quantity.
        role: Role of the evaluated tasks; needed when y has values for several.
        eval_task: Only this evaluated task.
        task: Column that names the current task.

    Returns:
        `COLUMNS`; nan with fewer than two prompts or two shared seeds; the bounds nan where no
        ratio fits, or nothing differs between prompts at any seed (ratio nan too). Where seeds
        change no difference between prompts, the ratio and its bounds are infinite.

    Raises:
        InputError: a column, role or task is unknown, or several roles have values.
    """
    means = prompt_means(df, y, role=role, x=None, eval_task=eval_task, task=task)
    cells = seed_cells(df, y, means, role=means.role, eval_task=eval_task, task=task)
    rows = [
        {"current_task": name, **_components(table), "unit": means.unit}
        for name, table in cells.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _components(cells: pd.DataFrame) -> dict[str, float]:
    values = shared_cells(cells)
    n_prompts, n_seeds = values.shape
    if n_prompts < 2 or n_seeds < 2:
        return {**dict.fromkeys(COLUMNS[1:8], NAN), "n_prompts": n_prompts, "n_seeds": n_seeds}
    df_p, df_e = n_prompts - 1, (n_prompts - 1) * (n_seeds - 1)
    residual = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    ss_p = n_seeds * float(np.sum((values.mean(1) - values.mean()) ** 2))
    ms_p, ms_e = ss_p / df_p, float(np.sum(residual**2)) / df_e
    if np.sqrt(ms_e) <= rounding_of(values):
        ms_e = 0.0
    tail = (1 - CONFIDENCE) / 2
    if not differs(values.ravel()) or (ms_e == 0 and not differs(values.mean(1))):
        # One value throughout or at each seed, but for rounding: no spread, and no ratio.
        none = dict.fromkeys(COLUMNS[1:8], NAN)
        zero = {"sigma_prompt": 0.0, "sigma_seed": 0.0}
        return {**none, **zero, "n_prompts": n_prompts, "n_seeds": n_seeds}
    ratio = ms_p / ms_e if ms_e > 0 else np.inf
    low, high = fisher_f(1 - tail, df_p, df_e), fisher_f(tail, df_p, df_e)

    def sigma(quantile: float, chi: float) -> float:
        return float(np.sqrt(max(0.0, ss_p * (1 - quantile / ratio) / (n_seeds * chi))))

    found = {
        "sigma_prompt": float(np.sqrt(max(0.0, (ms_p - ms_e) / n_seeds))),
        "sigma_seed": float(np.sqrt(ms_e)),
        "ratio": float(np.sqrt(max(0.0, (ratio - 1) / n_seeds))),
        "n_prompts": n_prompts,
        "n_seeds": n_seeds,
    }
    if ratio < high:
        return {**dict.fromkeys(COLUMNS[1:8], NAN), **found}
    return {
        **found,
        "sigma_prompt_lower": sigma(low, chi_square(1 - tail, df_p)),
        "sigma_prompt_upper": sigma(high, chi_square(tail, df_p)),
        "ratio_lower": float(np.sqrt(max(0.0, (ratio / low - 1) / n_seeds))),
        "ratio_upper": float(np.sqrt(max(0.0, (ratio / high - 1) / n_seeds))),
    }
