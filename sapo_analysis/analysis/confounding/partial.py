"""Correlation of indicator and outcome over prompts, other properties of a prompt held fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Estimate, Scope, check_scope
from sapo_analysis.analysis.intervals import Floats, fisher_z, perfect_limit
from sapo_analysis.analysis.levels.correlation import (
    MIN_PROMPTS,
    N_PERMUTATIONS,
    Points,
    Statistic,
    TaskPoints,
    check_settings,
    constant,
    over_tasks,
    ranks,
)
from sapo_analysis.analysis.levels.permutation import shuffled
from sapo_analysis.analysis.prompt_means import PromptMeans, prompt_means, without_value
from sapo_analysis.analysis.quantities import QUANTITIES
from sapo_analysis.analysis.selection import check_columns
from sapo_analysis.errors import InputError

IN_TASK = {"in_task_score": "score_after", "in_task_loss": "loss_after"}
"""Controls that every impacts table has: a trial's final result on its current task."""

_RESULTS = {
    *IN_TASK,
    *("score_after", "loss_after", "score_change", "loss_change"),
    *(name for q in QUANTITIES for name in (q.name, f"{q.name}_loss")),
}
_ROUNDING = 1e-8
"""What is left of a column, relative to it, when the other columns say all that it says."""


def partial_correlation(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    given: str | Sequence[str] = ("prompt_length",),
    role: str | None = None,
    task: str = "current_task",
    scope: Scope = "new_tasks",
    statistic: Statistic = "pearson",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Estimate:
    """`within_task_correlation` with some columns held fixed.

    Per current task, over prompts: x and y are each regressed on the k given columns and a constant
    (least squares; for Spearman all are ranks), and what is left of them is correlated. Fisher's z
    of it has se = 1/√(n - 3 - k) (Spearman 1.03/√(n - 3 - k)); it is averaged over tasks and given
    an interval as in `within_task_correlation`. p (Freedman and Lane 1983): the residuals of y on
    the controls are shuffled within each task and regressed on the controls again, statistic |mean
    z|, two-sided, (b + 1) / (m + 1).

    All columns are averaged over the seeds that all prompts share. Prompts without a value of a
    control are left out; so are tasks with fewer than 4 + k prompts, with x, y or a control that is
    the same for every prompt, or that follows from the controls linearly. `method` names them.

    Args:
        df: An impacts table, or any table with the columns named.
        x: Column of the indicator.
        y: Column of the outcome; its name carries the form.
        given: Columns to hold fixed. `in_task_score` and `in_task_loss`, the trial's final result
            on its current task under its training prompt, are found by `trial_id`. They and every
            other result of training may lie on the way from x to y: `method` then begins with
            "descriptive".
        role: Role of the evaluated tasks; needed when y has values for several.
        task: Column that names the current task.
        scope: `new_tasks` or `these_tasks`.
        statistic: `pearson` or `spearman`; the estimate's says `partial_pearson` or
            `partial_spearman`.
        eval_task: Only this evaluated task.
        n_permutations: Shuffles; 0 for none (p is nan).
        seed: Seed of the shuffles.

    Raises:
        InputError: a column, role, scope or statistic is unknown, no column is given, one is given
            twice or is x or y, or several roles have values and none was chosen.
    """
    check_scope(scope)
    check_settings(statistic, n_permutations, seed)
    held = HeldFixed.of(df, x, y, given, role, task, eval_task)
    return held.estimate(scope, statistic, n_permutations, seed)


@dataclass(frozen=True)
class HeldFixed:
    """Points of x and y, and of each control and y, all over the same rows.

    `incomplete` names the prompts left out for lack of a value.
    """

    of_x: PromptMeans
    of_controls: dict[str, PromptMeans]
    incomplete: str

    @classmethod
    def of(
        cls,
        df: pd.DataFrame,
        x: str,
        y: str,
        given: str | Sequence[str],
        role: str | None = None,
        task: str = "current_task",
        eval_task: str | None = None,
    ) -> HeldFixed:
        """Average a table over the seeds that all prompts share; see `partial_correlation`."""
        controls = _check_given([given] if isinstance(given, str) else list(given), x, y)
        df = with_in_task(df, controls)
        check_columns(df, [task, x, y, *controls])
        df = _with_prompts(df, [x, y, *controls])
        df, incomplete = _known(df, [x, *controls], y, task)
        found = {
            name: prompt_means(df, y, role=role, x=name, eval_task=eval_task, task=task)
            for name in (x, *controls)
        }
        return cls(found.pop(x), found, incomplete)

    def estimate(
        self, scope: Scope, statistic: Statistic, n_permutations: int, seed: int
    ) -> Estimate:
        """The partial correlation over tasks."""
        _, x, y = self.of_x.columns
        points, what = self.points(statistic), self.words(statistic)
        name = f"partial_{statistic}"
        return over_tasks(points, str(x), y, scope, name, what, n_permutations, seed)

    @property
    def descriptive(self) -> bool:
        """Whether a result of training is held fixed, which may lie on the way from x to y."""
        return any(name in _RESULTS for name in self.of_controls)

    def words(self, statistic: Statistic) -> str:
        """What is averaged over tasks, as `Estimate.method` calls it."""
        what = f"partial {statistic} r given {', '.join(self.of_controls)}"
        if self.descriptive:
            results = ", ".join(name for name in self.of_controls if name in _RESULTS)
            what = f"descriptive, as {results} came out of training: {what}"
        return what

    def points(self, statistic: Statistic) -> Points:
        """The points of each task that a partial correlation can be made of."""
        usable, excluded = [], dict(self.of_x.excluded)
        controls = list(self.of_controls)
        _, x, y = self.of_x.columns
        assert x is not None
        for name, means in self.of_x.tasks.items():
            values = {x: means.x, y: means.y}
            # Averages over the same rows: they are of the same prompts in one order.
            values |= {c: own.tasks[name].x for c, own in self.of_controls.items()}
            if statistic == "spearman":
                values = {c: ranks(own) for c, own in values.items()}
            reason = _unusable(values, x, y, controls)
            if reason:
                excluded[name] = reason
                continue
            basis = _basis([values[c] for c in controls])
            usable.append(
                PartialPoints(name, values[x], values[y], means.n_seeds, statistic, basis)
            )
        return Points(usable, excluded, self.of_x.role, self.incomplete)


@dataclass(frozen=True)
class PartialPoints(TaskPoints):
    """The points of one current task, and an orthonormal basis of its controls and a constant."""

    basis: Floats

    def rest(self, values: Floats) -> Floats:
        """What the controls do not say of values [..., prompts]: least-squares residuals."""
        rest: Floats = values - (values @ self.basis) @ self.basis.T
        return rest

    @property
    def k(self) -> int:
        """Controls."""
        return int(self.basis.shape[1]) - 1

    @cached_property
    def r(self) -> float:
        """Partial correlation over prompts."""
        return float(np.clip(_cosine(self.rest(self.x), self.rest(self.y)), -1, 1))

    @property
    def limit(self) -> float:
        """As without controls, for as many prompts as they leave free."""
        return 1 - 1e-12 if self.statistic == "pearson" else perfect_limit(self.n - self.k)

    @property
    def se(self) -> float:
        """Standard error of z: 1 / √(n - 3 - k), for Spearman 1.03 / √(n - 3 - k)."""
        return (1.0 if self.statistic == "pearson" else 1.03) / float(np.sqrt(self.n - 3 - self.k))

    def _shuffled_z(self, m: int, seed: int, stream: int) -> Floats:
        # Of what the controls leave of y (Freedman and Lane). What they say of a shuffle is taken
        # off its length, and need not be taken off itself: what they leave of x is at right angles.
        x, y = self.rest(self.x), self.rest(self.y)
        shuffles = shuffled(y, m, seed, stream)
        along = shuffles @ np.column_stack([x / np.linalg.norm(x), self.basis])
        left = np.sum(y**2) - np.sum(along[:, 1:] ** 2, axis=1)
        lengths = np.sqrt(np.maximum(left, 0.0))
        there = lengths > _ROUNDING * np.linalg.norm(y)
        r = np.divide(along[:, 0], lengths, out=np.zeros(m), where=there)
        return fisher_z(np.clip(r, -1, 1), self.limit)


def _cosine(left: Floats, right: Floats) -> Floats:
    """Correlation of rows that each sum to zero; 0 where a row is nothing but rounding."""
    scale = np.linalg.norm(left, axis=-1) * np.linalg.norm(right)
    cosine: Floats = np.divide(
        left @ right, scale, out=np.zeros_like(scale), where=scale > np.finfo(float).tiny
    )
    return cosine


def _check_given(given: list[str], x: str, y: str) -> list[str]:
    if not given:
        raise InputError(
            "`given` names no column to hold fixed. Name one, for example prompt_length;"
            " within_task_correlation holds none fixed."
        )
    for i, name in enumerate(given):
        if name in (x, y):
            raise InputError(f"{name!r} is x or y and cannot be held fixed too. Leave it out.")
        if name in given[:i]:
            raise InputError(f"`given` names {name!r} twice. Name each column once.")
    return given


def with_in_task(df: pd.DataFrame, controls: Sequence[str]) -> pd.DataFrame:
    """The table with those controls of `IN_TASK` that are asked for and that it lacks.

    Raises:
        InputError: a column is missing, or a trial has two rows for its current task.
    """
    wanted = [name for name in controls if name in IN_TASK and name not in df]
    if not wanted:
        return df
    check_columns(df, ["trial_id"])
    check_columns(df, ["role", *(IN_TASK[name] for name in wanted)])
    own = df[df["role"] == "current"].set_index("trial_id")
    if own.index.has_duplicates:
        twice = own.index[own.index.duplicated()][0]
        raise InputError(f"Trial {twice!r} has two rows for its current task. Give one each.")
    return df.assign(**{name: df["trial_id"].map(own[IN_TASK[name]]) for name in wanted})


def _with_prompts(df: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Rows that name no prompt are one each, named by value: no result depends on their order."""
    if "prompt_id" in df:
        return df
    ordered = df.sort_values(columns, kind="stable")
    return ordered.assign(prompt_id=[f"row {i:06d}" for i in range(len(df))])


def _known(df: pd.DataFrame, columns: list[str], y: str, task: str) -> tuple[pd.DataFrame, str]:
    """Rows with a value of every column, and which prompts have none (for `method`)."""
    complete = df[columns].notna().all(axis=1)
    if complete.all():
        return df, ""
    known = df[complete]
    incomplete = without_value(df, tuple(columns), y, task)
    asked = known if "purpose" not in known else known[known["purpose"] == "main"]
    if incomplete and not asked[y].notna().any():
        raise InputError(
            f"No prompt has a value of {y}, {', '.join(columns)} together."
            " Hold columns fixed that the table has values of."
        )
    return known, incomplete


def _unusable(values: dict[str, Floats], x: str, y: str, controls: Sequence[str]) -> str:
    """Why a task's points cannot be used; empty when they can."""
    n, k = len(values[x]), len(controls)
    if n < MIN_PROMPTS + k:
        return f"{n} prompts, at least {MIN_PROMPTS + k} are needed"
    for name, own in values.items():
        if constant(own):
            return f"{name} is the same for every prompt"
    for i, name in enumerate(controls):
        if _follows(values[name], [values[c] for c in controls[:i]]):
            return f"{name} follows linearly from {', '.join(controls[:i])}"
    for name in (x, y):
        if _follows(values[name], [values[c] for c in controls]):
            return f"{name} follows linearly from {', '.join(controls)}"
    return ""


def _basis(controls: list[Floats]) -> Floats:
    """Orthonormal columns that span a constant and the controls [prompts, k + 1]."""
    columns = [np.ones(len(controls[0])), *map(_standardised, controls)]
    basis: Floats = np.linalg.qr(np.column_stack(columns))[0]
    return basis


def _follows(values: Floats, controls: list[Floats]) -> bool:
    if not controls:
        return False
    own, basis = _standardised(values), _basis(controls)
    rest = own - basis @ (basis.T @ own)
    return bool(np.linalg.norm(rest) <= _ROUNDING * np.linalg.norm(own))


def _standardised(values: Floats) -> Floats:
    # Columns of very unlike size would else lose digits to each other.
    centred = values - values.mean()
    standardised: Floats = centred / np.linalg.norm(centred)
    return standardised
