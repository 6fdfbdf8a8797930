"""What a fine-tune took by method, as runs' own tables have it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.store import Run

COST_COLUMNS = ["method", "run_id", "steps", "train_seconds", "n_fine_tunes"]


def fine_tune_costs(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (run, method): means over its main fine-tunes that are done.

    `steps`: optimizer steps, of all phases. `train_seconds`: of one fine-tune on the run's device,
    where fine-tunes that were trained at once share their time evenly; nan in paraphrase studies,
    whose tables have it by group of work. `n_fine_tunes`: that were counted. Imported results have
    no rows.
    """
    parts = [_of_run(run) for run in as_runs(runs) if not run.is_imported]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COST_COLUMNS)


def _of_run(run: Run) -> pd.DataFrame:
    curves = run.table("curves")
    losses = curves[curves["series"] == "train_loss"]
    steps = losses.groupby("trial_id")["step"].max() + 1  # a row at each step's start, from 0
    table = _fine_tunes(run)
    table = table.assign(steps=table["trial_id"].map(steps).astype(float))
    by = table.groupby("method", sort=False)
    found = by.agg(
        steps=("steps", "mean"),
        train_seconds=("train_seconds", "mean"),
        n_fine_tunes=("trial_id", "size"),
    )
    return found.reset_index().assign(run_id=run.run_id)[COST_COLUMNS]


def _fine_tunes(run: Run) -> pd.DataFrame:
    """`trial_id`, `method`, `train_seconds`; chains of one method that share one count once."""
    if run.is_sequence:
        chains = run.table("chains")
        done = chains["result_state_id"].map(lambda state: isinstance(state, str)).astype(bool)
        own = chains.loc[done, ["trial_id", "method", "train_seconds"]]
        return own.drop_duplicates(["trial_id", "method"])
    trials = run.table("trials")
    done = (trials["status"] == "done") & (trials["purpose"] == "main")
    return trials.loc[done, ["trial_id", "method"]].assign(train_seconds=float("nan"))
