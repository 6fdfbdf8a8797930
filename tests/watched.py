"""Synthetic runs with checkpoints: where each trial stands at each step is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tests.synthetic import STEPS, study_of, write_run


@dataclass(frozen=True)
class Look:
    """One trial at one step: dev loss, size of the update, share of its final changes so far."""

    dev_loss: float
    delta_norm: float
    share: float


def write_watched_run(
    folder: Path,
    look: Callable[[int, int, int], Look],
    checkpoints: Sequence[int] = (10, 20),
    *,
    n_prompts: int,
    diverged: Sequence[str] = (),
    metrics: dict[str, str] | None = None,
    **settings: Any,
) -> Path:
    """Write a run as `write_run` does, with `look(number of the prompt, seed, step)` at each step.

    At a checkpoint every score and loss is its share of the way from before to the end.
    """
    study = study_of(n_prompts=n_prompts, **settings)
    evaluation = study.evaluation.model_copy(update={"checkpoints": tuple(checkpoints)})
    study = study.model_copy(update={"evaluation": evaluation})
    path = write_run(folder, study=study, n_prompts=n_prompts, diverged=diverged, metrics=metrics)
    trials = pd.read_parquet(path / "tables/trials/all.parquet")
    watched = trials[trials["purpose"].isin(["main", "noise"]) & (trials["status"] == "done")]
    numbers = {"original": 0, **{f"para-{i:02d}": i for i in range(1, n_prompts)}}
    looks = {
        (row.trial_id, step): look(numbers[row.prompt_id], row.seed, step)
        for row in watched.itertuples()
        for step in (0, *checkpoints, STEPS)
    }
    rewrite(path, "scores", lambda table: _with_checkpoints(table, looks, checkpoints))
    rewrite(path, "curves", lambda table: _with_looks(table, looks))
    return path


def rewrite(path: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change one table of a finished run."""
    file = path / "tables" / table / "all.parquet"
    change(pd.read_parquet(file)).to_parquet(file, index=False)


def _with_checkpoints(
    scores: pd.DataFrame, looks: dict[tuple[str, int], Look], checkpoints: Sequence[int]
) -> pd.DataFrame:
    keys = ["state_id", "eval_task", "test_prompt"]
    before = scores[scores["trial_id"].isna()].set_index(keys)[["value", "loss"]]
    ends = scores[scores["trial_id"].isin({trial_id for trial_id, _ in looks})]
    start = before.loc[list(map(tuple, ends[keys].to_numpy()))].to_numpy()
    parts = [scores]
    for step in checkpoints:
        shares = [looks[trial_id, step].share for trial_id in ends["trial_id"]]
        then = ends.assign(step=step)
        for i, column in enumerate(("value", "loss")):
            then[column] = start[:, i] + shares * (ends[column].to_numpy() - start[:, i])
        parts.append(then)
    return pd.concat(parts, ignore_index=True)


def _with_looks(curves: pd.DataFrame, looks: dict[tuple[str, int], Look]) -> pd.DataFrame:
    rows = [
        {"trial_id": trial_id, "step": step, "series": series, "value": getattr(look, series)}
        for (trial_id, step), look in looks.items()
        for series in ("delta_norm", "dev_loss")
    ]
    return pd.concat([curves, pd.DataFrame(rows)], ignore_index=True)
