"""Fine-tunes along their training: what each had done to every task at each step measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.impacts import impacts, with_changes
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import Run

ALONG = ("steps_taken", "dev_loss", "delta_norm")
"""Columns beyond those of an impacts table that say where on its way a trial is."""


@dataclass(frozen=True)
class Trajectories:
    """Finished main trials at every step at which they were measured.

    Attributes:
        steps: optimizer steps, rising, from 0 to the end.
        tables: per step an impacts table, all with the same rows in the same order.
        dev_loss: loss on the current task's dev examples under the training prompt (nats per target
            token), trials x steps, by trial id.
        delta_norm: Frobenius norm of the update, trials x steps, by trial id.
        diverged: main trials that have no end: trial_id, current_task, prompt_id, seed.
    """

    steps: tuple[int, ...]
    tables: tuple[pd.DataFrame, ...]
    dev_loss: pd.DataFrame
    delta_norm: pd.DataFrame
    diverged: pd.DataFrame

    def at(self, positions: pd.Series[float]) -> pd.DataFrame:
        """An impacts table of trials each somewhere between two steps, with the columns `ALONG`.

        Args:
            positions: By trial id, where: 1.25 is a quarter of the way from the second step
                measured to the third. What lies between is interpolated linearly.
        """
        table = self.tables[-1]
        where = table["trial_id"].map(positions).to_numpy(dtype=float)
        for column in ("score_after", "loss_after"):
            along = np.column_stack([then[column].to_numpy(dtype=float) for then in self.tables])
            table = table.assign(**{column: _between(along, where)})
        own = positions.loc[self.dev_loss.index].to_numpy(dtype=float)
        steps = np.tile(np.array(self.steps, dtype=float), (len(own), 1))
        all_along = (steps, self.dev_loss.to_numpy(), self.delta_norm.to_numpy())
        for column, along in zip(ALONG, all_along, strict=True):
            values = pd.Series(_between(along, own), index=self.dev_loss.index)
            table = table.assign(**{column: table["trial_id"].map(values)})
        return with_changes(table)


def has_checkpoints(run: Run) -> bool:
    """Whether trials were measured on the way too; of imported results only the ends are known."""
    return not run.is_imported and bool(run.paraphrase.evaluation.checkpoints)


def trajectories(runs: Run | Sequence[Run]) -> Trajectories:
    """The main trials of one or several joined runs, at every step.

    Raises:
        InputError: a run has no checkpoints, no trial is finished, or the runs cannot be joined.
        RunError: a finished trial lacks a score, its dev loss or the size of its update somewhere.
    """
    several = as_runs(runs)
    for run in several:
        if not run.paraphrase.evaluation.checkpoints:
            raise InputError(
                f"Run {run.run_id} has no checkpoints: its trials are known at their ends alone."
                " Run its spec.json again with evaluation.checkpoints, the steps to measure at"
                " (sapo run SPEC --set 'evaluation.checkpoints=[10, 20, 30]')."
            )
    end = _main(impacts(several))
    if end.empty:
        names = ", ".join(run.run_id for run in several)
        raise InputError(f"{names}: no trial is finished yet. `sapo resume RUN` continues a run.")
    study = several[0].paraphrase  # joined runs share these settings
    between = [_main(impacts(several, step)) for step in study.evaluation.checkpoints]
    start = with_changes(end.assign(score_after=end["score_before"], loss_after=end["loss_before"]))
    steps = (0, *study.evaluation.checkpoints, study.training.steps)
    trials = pd.Index(end["trial_id"].unique())
    curves = pd.concat([run.table("curves").assign(run_id=run.run_id) for run in several])
    curves = curves.drop_duplicates(["trial_id", "series", "step"])
    of_trial = dict(zip(end["trial_id"], end["run_id"], strict=True))
    looks = [_looks(curves, name, trials, steps, of_trial) for name in ("dev_loss", "delta_norm")]
    return Trajectories(steps, (start, *between, end), looks[0], looks[1], _diverged(several))


def _main(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["purpose"] == "main"]
    return rows.sort_values(["trial_id", "eval_task"], kind="stable").reset_index(drop=True)


def _looks(
    curves: pd.DataFrame,
    series: str,
    trials: pd.Index[str],
    steps: tuple[int, ...],
    of_trial: dict[str, str],
) -> pd.DataFrame:
    own = curves[curves["series"] == series]
    wide = own.pivot(index="trial_id", columns="step", values="value")
    wide = wide.reindex(index=trials, columns=pd.Index(steps))
    for trial_id, values in wide[wide.isna().any(axis=1)].iterrows():
        step = values.index[values.isna()][0]
        raise RunError(
            f"Run {of_trial[str(trial_id)]}: trial {trial_id} has no {series} after {step} steps."
            " A missing number never becomes a zero."
            " Copy the run folder in again, or run its spec.json again."
        )
    return wide


def _diverged(runs: Sequence[Run]) -> pd.DataFrame:
    trials = pd.concat([run.table("trials") for run in runs]).drop_duplicates("trial_id")
    wanted = (trials["purpose"] == "main") & (trials["status"] == "diverged")
    names = ["trial_id", "current_task", "prompt_id", "seed"]
    return trials.loc[wanted, names].reset_index(drop=True)


def _between(along: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Each row of [n, steps] at its place, linearly between its neighbours."""
    rows, before = np.arange(len(along)), np.floor(where).astype(int)
    after = np.minimum(before + 1, along.shape[1] - 1)
    share = where - before
    found: np.ndarray = (1 - share) * along[rows, before] + share * along[rows, after]
    return found
