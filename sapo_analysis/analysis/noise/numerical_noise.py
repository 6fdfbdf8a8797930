"""How far rounding alone moves one trial's result: main trials against their repeats.

A repeat is a main trial once more in a stack of another size, so nothing but floating-point
rounding can differ. Repeats enter this measure and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.impacts import CurrentTest, trial_impacts
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.noise.band import noise_band
from sapo_analysis.analysis.noise.variance import seed_cells
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.quantities import QUANTITIES
from sapo_analysis.store import Run

_FINE_TUNE = ["state_id", "current_task", "prompt_id", "seed"]
_MADE_BY = ["engine", "chunk", "device"]
_NAMES = [
    *("trial_id", "current_task", "prompt_id", "state_seed", "seed"),
    *("purpose", "eval_task", "role", "metric"),
]
_NUMBERS = [
    *(quantity.name for quantity in QUANTITIES),
    *(f"{quantity.name}_loss" for quantity in QUANTITIES),
    *("score_after", "loss_after"),
]
_SMALL_RATIO = 0.001


@dataclass(frozen=True)
class NumericalNoise:
    """What rounding does to one trial's y.

    Attributes:
        sd: √(mean of d² / 2) over the pairs, d = y of the repeat - y of the main trial, in the unit
            of y: a difference of two values has twice the variance of one. nan where nothing was
            repeated.
        n: Pairs of a main trial and its repeat, all current tasks together.
        ratio: sd ÷ the pooled σ of the noise band, both of one trial; nan where either is missing
            or σ is 0.
    """

    sd: float
    n: int
    ratio: float

    def in_words(self) -> str:
        """The numbers in one phrase; "not measured" without a repeat, never a zero."""
        if self.n == 0:
            return "not measured"
        repeats = f"n = {self.n} repeat{'s' if self.n != 1 else ''}"
        return f"sd {self.sd:.2g} ({repeats}{self._share()})"

    def _share(self) -> str:
        if math.isnan(self.ratio):
            return ""
        under = 0 < self.ratio < _SMALL_RATIO
        share = f"under {_SMALL_RATIO}" if under else f"{self.ratio:.2g}"
        return f", {share} of the noise floor"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {key: plain(value) for key, value in asdict(self).items()}


def repeat_differences(
    runs: Run | Sequence[Run], current_test: CurrentTest = "training"
) -> pd.DataFrame:
    """Repeat - main of every outcome: one row per (repeat, evaluated task).

    Columns are named as in the impacts table. A pair is taken within one run, so runs of other
    engines or devices that are joined make no pair; a repeat that two runs share counts once. Left
    out are pairs with a diverged trial, and pairs made by the same engine, stack size and device:
    these measure nothing, and their zero would look like a result.

    Args:
        runs: One run, or several that may be joined.
        current_test: As in `impacts`.

    Raises:
        RunError: a finished trial of a pair lacks a score.
    """
    several = as_runs(runs)
    parts = [part for run in several if len(part := _differences(run, current_test))]
    if not parts:
        return pd.DataFrame(columns=[*_NAMES, *_NUMBERS])
    table = pd.concat(parts, ignore_index=True)
    return table.drop_duplicates(["trial_id", "eval_task"], ignore_index=True)


def numerical_noise(
    df: pd.DataFrame,
    differences: pd.DataFrame,
    y: str,
    role: str,
    eval_task: str | None = None,
) -> NumericalNoise:
    """How far rounding moves one trial's y, a mean over evaluated tasks as in the noise band.

    Args:
        df: An impacts table; the weights of the evaluated tasks and the noise floor come from it.
        differences: `repeat_differences` of the same runs.
        y: Outcome column.
        role: Role of the evaluated tasks.
        eval_task: Only this evaluated task.

    Raises:
        InputError: as `prompts_table`.
    """
    rows = differences[differences["role"] == role]
    if eval_task is not None:
        rows = rows[rows["eval_task"] == eval_task]
    if rows.empty:
        return NumericalNoise(NAN, 0, NAN)
    means = prompt_means(df, y, role=role, x=None, eval_task=eval_task)
    # The mean over evaluated tasks is linear: averaging differences is the difference of averages.
    cells = seed_cells(rows, y, means, role=role, purpose="repeat", eval_task=eval_task)
    values = [value for table in cells.values() for value in table.to_numpy(float).ravel()]
    d = np.array(values)[~np.isnan(values)]
    if not d.size:
        return NumericalNoise(NAN, 0, NAN)
    sd = float(np.sqrt(np.mean(d**2) / 2))
    floor = noise_band(df, y, role, eval_task).pooled
    return NumericalNoise(sd, d.size, sd / floor.sigma if floor and floor.sigma > 0 else NAN)


def _differences(run: Run, current_test: CurrentTest) -> pd.DataFrame:
    trials = run.table("trials")
    pairs = _pairs(trials[trials["status"] == "done"])
    if pairs.empty:
        return pd.DataFrame(columns=[*_NAMES, *_NUMBERS])
    paired = trials["trial_id"].isin([*pairs["trial_id"], *pairs["trial_id_main"]])
    table = trial_impacts(run, trials[paired], current_test=current_test)
    table = table.set_index([*_FINE_TUNE, "eval_task"])
    repeats = table[table["purpose"] == "repeat"].copy()
    main = table.loc[table["purpose"] == "main", _NUMBERS]
    repeats[_NUMBERS] = repeats[_NUMBERS] - main.loc[repeats.index]
    return repeats.reset_index()[[*_NAMES, *_NUMBERS]]


def _pairs(done: pd.DataFrame) -> pd.DataFrame:
    """Finished repeats beside their main trials, where something in their making differs."""
    keys = ["trial_id", *_FINE_TUNE, *_MADE_BY]
    both = done.loc[done["purpose"] == "repeat", keys].merge(
        done.loc[done["purpose"] == "main", keys], on=_FINE_TUNE, suffixes=("", "_main")
    )
    other = [both[name] != both[f"{name}_main"] for name in _MADE_BY]
    return both[np.logical_or.reduce(other)]
