"""What a reader of a run should be told before reading its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.impacts import n_diverged
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS, constant
from sapo_analysis.analysis.long_inputs import long_inputs
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.selection import asked_for, of_role
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.store import Run

LOST = ("past", "retained")
"""Roles of tasks that can be forgotten."""
MASTERED = 90.0
"""θ_0 score (points) at or above which a task counts as mastered."""
_UNEQUAL = -0.5
NOT_CHECKED = (
    "how they were made is not known; that prompts share examples, data order and seeds, and that"
    " before and after are the same test rows, is not checked"
)
"""Of imported results."""


def run_warnings(runs: list[Run], main: pd.DataFrame, estimates: list[Estimate]) -> list[str]:
    """What to know of roles, shape, learning, joining, divergence, controls, inputs: sentences."""
    found = _role_warnings(runs) + _shape_warnings(estimates)
    found += [unequal.text for role in LOST if (unequal := unequal_learning(main, role))]
    if len(runs) > 1:
        found.append(
            f"{len(runs)} runs are joined: verdicts over them test something only if they were"
            " planned as one study."
        )
    for run in runs:
        if n := n_diverged(run):
            found.append(
                f"{n} trial{'s' if n > 1 else ''} of {run.run_id} diverged and are in no table."
            )
        if run.is_imported:
            found.append(f"{run.run_id} holds imported results: {NOT_CHECKED}.")
        if run.has_random_weights:
            found.append(f"{run.run_id} has random weights: it is a control.")
        if said := long_inputs(run):
            found.append(said)
    return found


def claim_1_warnings(verdicts: list[Verdict], by_chance: dict[str, float]) -> list[str]:
    """Claim 1 judged, though the seed alone would give as much or more on that side."""
    found = []
    for v in verdicts:
        chance = by_chance.get(v.form, float("nan"))
        if v.claim != "claim_1":
            continue
        if v.verdict == "supported" and chance >= v.estimate.lower:
            noisier = "impacts are noisier than in-task results"
        elif v.verdict == "contradicted" and chance <= v.estimate.upper:
            noisier = "in-task results are noisier than impacts"
        else:
            continue
        found.append(
            f"Claim 1 ({v.form}, {v.scope.replace('_', ' ')}) is {v.verdict}"
            f" ({v.estimate.value:+.2f}), but the seed alone would give {chance:+.2f}: {noisier}."
        )
    return found


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
        for task in () if run.is_imported else run.paraphrase.retained:
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


@dataclass(frozen=True)
class UnequalLearning:
    """Current tasks on which prompts that forgot less of one role also learned less.

    Attributes:
        tasks: Those with r <= -0.5.
        n_looked_at: Tasks that could be looked at.
        role: Role of the tasks forgotten.
    """

    tasks: tuple[str, ...]
    n_looked_at: int
    role: str

    def __bool__(self) -> bool:
        return bool(self.tasks)

    @property
    def text(self) -> str:
        """The finding as a sentence."""
        how = f"r ≤ {_UNEQUAL:g} of final in-task loss and loss rise of {self.role} tasks"
        if self:
            names = ", ".join(self.tasks)
            return f"Unequal learning in {names}: 'forgot less' may mean 'learned less' ({how})."
        if not self.n_looked_at:
            return (
                "On no task could it be told whether prompts that forgot less learned less:"
                " they are too few, or all alike."
            )
        return (
            f"On none of {self.n_looked_at} task{'s' * (self.n_looked_at != 1)} did prompts that"
            f" forgot less clearly learn less ({how})."
        )


def unequal_learning(df: pd.DataFrame, role: str) -> UnequalLearning:
    """Whether final in-task loss and what one role lost go apart, over four prompts or more.

    A higher final loss is less learned: r <= -0.5 over prompts means that what forgot less also
    learned less. Both are means over the seeds that all prompts share.

    Args:
        df: An impacts table; only main trials are looked at.
        role: Role of the evaluated tasks.
    """
    main = asked_for(df, None, None)
    if not all((main & of_role(df, name)).any() for name in ("current", role)):
        return UnequalLearning((), 0, role)
    learned = prompt_means(df, "loss_after", role="current", x=None, rescale=False).tasks
    lost = prompt_means(df, "loss_change", role=role, x=None, rescale=False).tasks
    found, n = [], 0
    for task in learned.keys() & lost.keys():
        _, i, j = np.intersect1d(learned[task].prompts, lost[task].prompts, True, True)
        a, b = learned[task].y[i], lost[task].y[j]
        if len(a) < MIN_PROMPTS or constant(a) or constant(b):
            continue
        n += 1
        if np.corrcoef(a, b)[0, 1] <= _UNEQUAL:
            found.append(task)
    return UnequalLearning(tuple(sorted(found)), n, role)
