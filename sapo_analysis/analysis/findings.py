"""The findings of a study as two tables: every claim with its verdicts, every task with its own r.

They stand in the README, on the page and in the report; no number in them is made here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claims import CLAIMS, predicted_sign
from sapo_analysis.analysis.estimate import FORMS, Verdict
from sapo_analysis.analysis.intervals import Floats
from sapo_analysis.analysis.levels.correlation import task_correlations
from sapo_analysis.analysis.noise.prompt_effects import prompt_effects
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.training_check import NOT_MEASURED, training_check

CHARACTERISTICS = {
    "ratio": "σ prompt ÷ σ seed of the outcome",
    "mean": "the outcome's mean over prompts",
    "loss_ratio": "pre-update loss, highest ÷ lowest",
    "in_task_sd": "in-task sd over prompts",
    "least_gain": "least in-task gain of a prompt",
}
"""Columns of `tasks_table` that may tell tasks on which a claim holds from others, in words."""

_TASK_COLUMNS = (
    *("current_task", "r", "lower", "upper", "holds", "mean", "sigma_prompt", "sigma_seed"),
    *("ratio", "ratio_lower", "ratio_upper", "unit", "loss_ratio", "in_task_sd", "least_gain"),
    "misses",
)
FEWEST_TASKS = 5  # of four, even a perfect order has p = 2/24


def claims_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """One row per claim and form.

    Returns:
        `claim`, `predicts` (the claim in words), `predicted` ("> 0" or "< 0"), `form`, `estimate`,
        then `lower`, `upper`, `verdict` for these tasks (`these_...`) and for new tasks
        (`new_...`), `n_tasks`, `n_prompts`, `n_seeds`. Claim 1 is a log ratio of standard
        deviations, the others are correlations.
    """
    by_key = {(v.claim, v.form, v.scope): v for v in verdicts}
    rows = []
    for claim, predicts in CLAIMS.items():
        for form in FORMS:
            these = by_key.get((claim, form, "these_tasks"))
            new = by_key.get((claim, form, "new_tasks"))
            if these is None or new is None:
                continue
            e = new.estimate
            rows.append(
                {
                    "claim": claim,
                    "predicts": predicts,
                    "predicted": "> 0" if predicted_sign(claim) > 0 else "< 0",
                    "form": form,
                    "estimate": e.value,
                    "these_lower": these.estimate.lower,
                    "these_upper": these.estimate.upper,
                    "these_verdict": these.verdict,
                    "new_lower": e.lower,
                    "new_upper": e.upper,
                    "new_verdict": new.verdict,
                    "n_tasks": e.n_tasks,
                    "n_prompts": e.n_prompts,
                    "n_seeds": e.n_seeds,
                }
            )
    return pd.DataFrame(rows)


def tasks_table(df: pd.DataFrame, y: str, role: str, predicted: int) -> pd.DataFrame:
    """One row per current task: how pre-update loss goes with one outcome, and what to hold it to.

    Args:
        df: The impacts table.
        y: Column of the outcome, whose name carries the form.
        role: Role of the evaluated tasks.
        predicted: Sign of r that the claims predict: +1 or -1.

    Returns:
        `current_task`; `r` with `lower`, `upper` over prompts; `holds`: whether r has the predicted
        sign; `mean`: the outcome's mean over prompts, in points or nats whatever the metrics: in
        units of its own spread, a task that prompts move much would have a small mean; σ_prompt,
        σ_seed and their ratio of the outcome as `prompt_effects`, both in `unit`; `loss_ratio`: the
        largest pre-update loss of a prompt over the smallest; `in_task_sd`, `least_gain` and
        `misses` as `training_check`.
    """
    points = prompt_means(df, y, role=role, rescale=False).tasks
    estimates = task_correlations(df, y=y, role=role, n_permutations=0)
    effects = prompt_effects(df, y, role=role).set_index("current_task")
    training = training_check(df).set_index("current_task")
    rows = []
    for e in estimates:
        assert e.task is not None
        losses = points[e.task].x
        effect = effects.reindex([e.task]).iloc[0]
        check = training.reindex([e.task]).iloc[0]  # imported results may lack the task itself
        rows.append(
            {
                "current_task": e.task,
                "r": e.value,
                "lower": e.lower,
                "upper": e.upper,
                "holds": bool(predicted * e.value > 0) if not math.isnan(e.value) else None,
                "mean": float(points[e.task].y.mean()),
                **{
                    name: effect[name]
                    for name in ("sigma_prompt", "sigma_seed", "ratio", "ratio_lower")
                },
                "ratio_upper": effect["ratio_upper"],
                "unit": effect["unit"],
                "loss_ratio": losses.max() / losses.min(),
                "in_task_sd": check["in_task_sd"],
                "least_gain": check["least_gain"],
                "misses": check["misses"] if e.task in training.index else NOT_MEASURED,
            }
        )
    return pd.DataFrame(rows, columns=list(_TASK_COLUMNS))


def distinguishing(table: pd.DataFrame, predicted: int) -> pd.DataFrame:
    """What goes with how well a claim holds on a task: exploratory, one row per characteristic.

    Spearman's ρ over current tasks between r, counted positive as predicted, and a characteristic
    of the task. Several are looked at and the tasks are few: a hint for the next study, no finding.

    Args:
        table: As `tasks_table` gives it.
        predicted: Sign of r that the claims predict: +1 or -1.

    Returns:
        `characteristic` (a key of `CHARACTERISTICS`), `rho`, `p` (two-sided: the share of all
        orders of the tasks, above seven tasks of 9,999 random ones, with at least this |ρ|),
        `where_holds` and `where_fails`: its mean over the tasks whose r has the predicted sign and
        over the others, `n_tasks`. ρ and p are nan with fewer than `FEWEST_TASKS` tasks or where
        nothing differs.
    """
    agreement = predicted * table["r"].astype(float)
    rows = []
    for name in CHARACTERISTICS:
        both = pd.DataFrame({"agreement": agreement, "value": table[name].astype(float)}).dropna()
        rho = p = math.nan
        if len(both) >= FEWEST_TASKS and (np.ptp(both.to_numpy(), axis=0) > 0).all():
            rho, p = _spearman(both["agreement"].to_numpy(), both["value"].to_numpy())
        holds = both["agreement"] > 0
        rows.append(
            {
                "characteristic": name,
                "rho": float(rho),
                "p": float(p),
                "where_holds": both.loc[holds, "value"].mean(),
                "where_fails": both.loc[~holds, "value"].mean(),
                "n_tasks": len(both),
            }
        )
    return pd.DataFrame(rows)


def _spearman(x: Floats, y: Floats) -> tuple[float, float]:
    from scipy.stats import permutation_test, rankdata

    left, right = rankdata(x), rankdata(y)
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt(np.sum(left**2) * np.sum(right**2)))

    def size(order: Floats, axis: int) -> Floats:
        return np.asarray(np.abs(np.sum(np.moveaxis(order, axis, -1) * right, axis=-1) / scale))

    found = permutation_test(
        (left,),
        size,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=9999,
        alternative="greater",
        rng=0,
    )
    return float(np.sum(left * right) / scale), float(found.pvalue)
