"""What a reader of a run should be told before reading its numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.impacts import n_diverged
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.store import Run

MASTERED = 90.0
"""θ_0 score (points) at or above which a task counts as mastered."""


def run_warnings(runs: list[Run], main: pd.DataFrame, estimates: list[Estimate]) -> list[str]:
    """One sentence each: roles that do not hold, shape, unequal learning, divergence, controls."""
    found = _role_warnings(runs) + _shape_warnings(estimates) + learning_warnings(main)
    for run in runs:
        if n := n_diverged(run):
            found.append(
                f"{n} trial{'s' if n > 1 else ''} of {run.run_id} diverged and are in no table."
            )
        if run.has_random_weights:
            found.append(f"{run.run_id} has random weights: it is a control.")
    return found


def claim_1_warnings(verdicts: list[Verdict], by_chance: dict[str, float]) -> list[str]:
    """Claim 1 supported, though its interval holds what the seed alone would give."""
    return [
        f"Claim 1 ({v.form}, {v.scope.replace('_', ' ')}) is supported ({v.estimate.value:+.2f}),"
        f" but the seed alone would give {by_chance[v.form]:+.2f}: impacts are noisier than in-task"
        " results."
        for v in verdicts
        if v.claim == "claim_1"
        and v.verdict == "supported"
        and by_chance.get(v.form, float("nan")) >= v.estimate.lower
    ]


def _role_warnings(runs: list[Run]) -> list[str]:
    found = []
    for run in runs:
        scores = run.table("scores")
        base = scores[
            scores["trial_id"].isna()
            & (scores["state_id"] == BASE_STATE)
            & (scores["n_shots"] == 0)
        ]
        first = base.drop_duplicates("eval_task")
        value = dict(zip(first["eval_task"], first["value"], strict=True))
        # Other current tasks of a study are evaluated as unseen too.
        for task in sorted(scores.loc[scores["role"] == "unseen", "eval_task"].unique()):
            if task in value and value[task] >= MASTERED:
                found.append(
                    f"Task {task!r} is evaluated as unseen, but θ_0 scores {value[task]:.1f} on it:"
                    " it can only lose."
                )
        for task in run.study.retained:
            if task in value and value[task] < MASTERED:
                found.append(
                    f"Task {task!r} is declared retained,"
                    f" but θ_0 scores only {value[task]:.1f} on it."
                )
    return list(dict.fromkeys(found))


def _shape_warnings(estimates: list[Estimate]) -> list[str]:
    values = {
        (e.y, e.role, e.statistic): e.value
        for e in estimates
        if e.level == "within_task" and e.scope == "new_tasks"
    }
    return [
        f"Shape matters for {y} ({role}): Pearson {value:+.2f} and"
        f" Spearman {values[y, role, 'spearman']:+.2f} differ in sign."
        for (y, role, statistic), value in values.items()
        if statistic == "pearson" and value * values[y, role, "spearman"] < 0
    ]


def learning_warnings(main: pd.DataFrame) -> list[str]:
    """Unequal learning: over four prompts or more, final in-task loss and others' loss go apart.

    The bar is r <= -0.5 over prompts: what forgot less also learned less.
    """
    unequal = []
    for task, part in main.groupby("current_task"):
        learned = part[part["role"] == "current"].groupby("prompt_id")["loss_after"].mean()
        lost = (
            part[part["role"].isin(["past", "retained"])].groupby("prompt_id")["loss_change"].mean()
        )
        both = pd.concat([learned, lost], axis=1, join="inner").dropna().to_numpy(dtype=float)
        if len(both) < 4 or not (np.ptp(both, axis=0) > 0).all():
            continue
        # A higher final loss is less learned: r < 0 means that what forgot less also learned less.
        if np.corrcoef(both, rowvar=False)[0, 1] <= -0.5:
            unequal.append(str(task))
    if not unequal:
        return []
    return [f"Unequal learning in {', '.join(unequal)}: 'forgot less' may mean 'learned less'."]
