"""Prompts compared after equally many steps, and where they have learned equally much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.confounding.trajectories import ALONG, Trajectories, trajectories
from sapo_analysis.analysis.estimate import SCOPES, Estimate, Scope, check_scope, plain
from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.levels.correlation import (
    N_PERMUTATIONS,
    Points,
    Statistic,
    check_settings,
    over_tasks,
    points_of,
)
from sapo_analysis.analysis.prompt_means import prompt_means, prompts_table
from sapo_analysis.store import Run

NOTE = (
    "Stopping at equal dev loss makes prompts with a low pre-update loss move less by construction:"
    " they start nearer to the level. It shows what is left when all have learned equally much; it"
    " cannot support the claim alone."
)


@dataclass(frozen=True)
class MatchedComparison:
    """One outcome at equal steps and at equal in-task dev loss.

    Attributes:
        table: One row per (current task, prompt), means over the seeds that all prompts share:
            `current_task`, `prompt_id`, the indicator; `outcome`, `steps_taken`, `dev_loss` (nats
            per target token) and `delta_norm` (Frobenius norm of the update), each
            `_at_equal_steps` (at the end) and `_at_equal_loss`; `n_seeds`, `unit` (of the outcome).
        equal_steps: By step, each checkpoint and the end: the correlation over prompts of indicator
            and outcome, all prompts after that many steps.
        equal_loss: The same where each prompt first reaches the dev loss that all prompts reach.
        left_out: Main trials that diverged and are in neither comparison.
        note: What the comparison at equal dev loss can carry.
    """

    table: pd.DataFrame
    equal_steps: dict[int, Estimate]
    equal_loss: Estimate
    left_out: tuple[str, ...]
    note: str = NOTE

    @property
    def primary(self) -> Estimate:
        """The correlation at the end, after equally many steps: what was published."""
        return self.equal_steps[max(self.equal_steps)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found: dict[str, Any] = plain(
            {
                "table": self.table.to_dict("records"),
                "equal_steps": [
                    {"step": step, "estimate": estimate.to_dict()}
                    for step, estimate in self.equal_steps.items()
                ],
                "equal_loss": self.equal_loss.to_dict(),
                "left_out": list(self.left_out),
                "note": self.note,
            }
        )
        return found


def matched_comparison(
    runs: Run | Sequence[Run],
    y: str = "forgetting",
    role: str | None = None,
    x: str = "pre_update_loss",
    scope: Scope = "new_tasks",
    statistic: Statistic = "pearson",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> MatchedComparison:
    """Does the indicator predict the outcome beyond how far each prompt has learned the task?

    At equal steps: outcomes after each checkpoint and at the end (primary). At equal in-task dev
    loss: per current task, parent state and seed the level is the largest of the prompts' lowest
    dev losses, so that all prompts reach it. Each trial is taken where its dev loss first comes
    down to the level; outcome, steps and size of the update are interpolated linearly between the
    two measurements around that place. At step 0 nothing has changed. Estimates as in
    `within_task_correlation`, main trials only.

    Args:
        runs: One run with checkpoints, or several that may be joined.
        y: Outcome: a quantity of the impacts table in score or loss form.
        role: Role of the evaluated tasks; needed when y has values for several.
        x: Column of the indicator.
        scope: `new_tasks` or `these_tasks`.
        statistic: `pearson` or `spearman`.
        eval_task: Only this evaluated task.
        n_permutations: Shuffles for every p; 0 for none.
        seed: Seed of the shuffles.

    Raises:
        InputError: a run has no checkpoints, the runs cannot be joined, or as
            `within_task_correlation`.
        RunError: a finished trial lacks a measurement.
    """
    found = matched_by_scope(runs, y, role, x, [scope], statistic, eval_task, n_permutations, seed)
    return found[scope]


def matched_by_scope(
    runs: Run | Sequence[Run],
    y: str,
    role: str | None,
    x: str = "pre_update_loss",
    scopes: Sequence[Scope] = SCOPES,
    statistic: Statistic = "pearson",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> dict[Scope, MatchedComparison]:
    """`matched_comparison` in several scopes, the runs read once; same arguments and errors."""
    for scope in scopes:
        check_scope(scope)
    check_settings(statistic, n_permutations, seed)
    matched = Matched.of(trajectories(runs))
    estimates = matched.estimates(y, role, x, scopes, statistic, eval_task, n_permutations, seed)
    table = matched.table(y, role, x, eval_task)
    return {
        scope: MatchedComparison(table, at_steps, at_loss, matched.left_out)
        for scope, (at_steps, at_loss) in zip(scopes, estimates, strict=True)
    }


@dataclass(frozen=True)
class Matched:
    """Impacts tables with the columns `ALONG`: by step after the start, and at equal dev loss."""

    by_step: dict[int, pd.DataFrame]
    at_level: pd.DataFrame
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, found: Trajectories) -> Matched:
        """What trials come to after equally many steps, and where they reach the level."""
        trials = found.dev_loss.index
        by_step = {
            step: found.at(pd.Series(float(i), index=trials))
            for i, step in enumerate(found.steps)
            if step > 0
        }
        positions = [
            crossing(losses, level)
            for losses, level in zip(found.dev_loss.to_numpy(), _levels(found), strict=True)
        ]
        left_out = tuple(
            f"trial {row.trial_id} ({row.current_task}, prompt {row.prompt_id}, seed {row.seed})"
            " diverged"
            for row in found.diverged.itertuples()
        )
        return cls(by_step, found.at(pd.Series(positions, index=trials)), left_out)

    @property
    def sides(self) -> dict[str, pd.DataFrame]:
        """The two that are compared: the end, and the level."""
        return {"equal_steps": self.by_step[max(self.by_step)], "equal_loss": self.at_level}

    def estimates(
        self,
        y: str,
        role: str | None,
        x: str,
        scopes: Sequence[Scope],
        statistic: Statistic,
        eval_task: str | None,
        n_permutations: int,
        seed: int,
    ) -> list[tuple[dict[int, Estimate], Estimate]]:
        """For each scope the correlations of `MatchedComparison`: by step and at equal dev loss."""

        def points(df: pd.DataFrame) -> Points:
            means = prompt_means(df, y, role=role, x=x, eval_task=eval_task)
            return points_of(means, statistic)

        def estimate(found: Points, scope: Scope, where: str) -> Estimate:
            what = f"{where}: {statistic} r"
            return over_tasks(found, x, y, scope, statistic, what, n_permutations, seed)

        by_step = {step: points(df) for step, df in self.by_step.items()}
        at_level = points(self.at_level)
        return [
            (
                {n: estimate(own, scope, f"after {n} steps") for n, own in by_step.items()},
                estimate(at_level, scope, "at the in-task dev loss that all prompts reach"),
            )
            for scope in scopes
        ]

    def table(self, y: str, role: str | None, x: str, eval_task: str | None) -> pd.DataFrame:
        """The table of `MatchedComparison`."""
        parts = [_side(df, name, y, role, x, eval_task) for name, df in self.sides.items()]
        # A task can be left out on one side, where nothing differs between its prompts.
        table = parts[0].combine_first(parts[1]).reset_index()
        columns = [f"{c}_at_{name}" for c in ("outcome", *ALONG) for name in self.sides]
        return table[["current_task", "prompt_id", x, *columns, "n_seeds", "unit"]]

    def progress(self) -> pd.DataFrame:
        """Per current task and prompt the columns `ALONG` of both sides, means over all seeds."""
        parts = [
            df.drop_duplicates("trial_id")
            .groupby(["current_task", "prompt_id"])[list(ALONG)]
            .mean()
            .add_suffix(f"_at_{name}")
            for name, df in self.sides.items()
        ]
        return pd.concat(parts, axis=1).reset_index()


def crossing(losses: Floats, level: float) -> float:
    """Where losses first come down to a level: 1.25 is a quarter of the way from [1] to [2].

    0 where the first is at the level or below it already; nan where none ever is.
    """
    reached = np.flatnonzero(losses <= level)
    if not len(reached):
        return NAN
    i = int(reached[0])
    if i == 0:
        return 0.0
    return float(i - 1 + (losses[i - 1] - level) / (losses[i - 1] - losses[i]))


def _levels(found: Trajectories) -> Floats:
    """By trial: the lowest dev loss that all prompts of its current task, state and seed reach."""
    ends = found.tables[-1].drop_duplicates("trial_id").set_index("trial_id")
    ends = ends.loc[found.dev_loss.index, ["current_task", "state_id", "seed"]]
    lowest = found.dev_loss.min(axis=1)
    keys = [ends[name] for name in ends]
    levels: Floats = lowest.groupby(keys).transform("max").to_numpy(dtype=float)
    return levels


def _side(
    df: pd.DataFrame, name: str, y: str, role: str | None, x: str, eval_task: str | None
) -> pd.DataFrame:
    """Seed-averaged values of one comparison by task and prompt, the columns named after it."""
    df = df[df[x].notna()]
    keys = ["current_task", "prompt_id"]
    table = prompts_table(df, y, role=role, x=x, eval_task=eval_task)
    for column in ALONG:
        # In their own units: a size is no score, whatever the metrics of the evaluated tasks.
        own = prompt_means(df, column, role=role, x=None, eval_task=eval_task, rescale=False).table
        table = table.merge(own[[*keys, column]], on=keys)
    table = table.rename(columns={y: "outcome"}).drop(columns="n_eval_tasks")
    table = table.rename(columns={c: f"{c}_at_{name}" for c in ("outcome", *ALONG)})
    return table.set_index(keys)
