"""The best of several indicators, judged on tasks that had no say in choosing it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import CONFIDENCE, plain
from sapo_analysis.analysis.indicators.indicator_z import IndicatorZ, Ints
from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.quantiles import student

MIN_TASKS = 3
"""With fewer, at most one other task would choose."""
SAME = 1e-9
"""Values of z no further apart are the same but for rounding."""
_AT_ONCE = 1000
"""Shuffles judged together: more do not fit the processor's cache."""


@dataclass(frozen=True)
class Judged:
    """One task, and what the other tasks chose for it.

    Attributes:
        task: The task left out of the choice.
        indicator: The indicator with the largest |T| over the others.
        sign: The sign of its mean z over the others, +1 or -1.
        r: Its r in the task left out, times that sign.
        r_x: r of x there, times the sign predicted for it, or else that of its mean over the
            others; nan where x does not enter.
    """

    task: str
    indicator: str
    sign: int
    r: float
    r_x: float


@dataclass(frozen=True)
class Winner:
    """What the best indicator is worth on a task that it was not chosen on.

    Attributes:
        r: tanh of the mean over tasks of z of `Judged.r`; 0 on average if all are useless.
        lower: Lower end of the 95 % interval for new tasks.
        upper: Upper end.
        p: Share of shuffles in which the best does as well on tasks left out: one-sided, (b + 1) /
            (m + 1). It knows how many were tried, whatever their number.
        difference: Mean over tasks of z of the chosen one minus that of x (difference of Fisher's
            z).
        difference_lower: Lower end of its 95 % interval for new tasks; nan where the two are the
            same in every task.
        difference_upper: Upper end.
        n_tasks: Tasks left out in turn.
        overall: What all tasks together choose.
        overall_r: |r| of it over the tasks that chose it: the luck of being chosen is in there.
        tasks: Task by task.
        note: Why there is no number; empty where there is one.
    """

    r: float = NAN
    lower: float = NAN
    upper: float = NAN
    p: float = NAN
    difference: float = NAN
    difference_lower: float = NAN
    difference_upper: float = NAN
    n_tasks: int = 0
    overall: str = ""
    overall_r: float = NAN
    tasks: tuple[Judged, ...] = ()
    note: str = ""

    @property
    def chosen(self) -> dict[str, int]:
        """How often each indicator was chosen, most often first."""
        return dict(Counter(row.indicator for row in self.tasks).most_common())

    @property
    def table(self) -> pd.DataFrame:
        """The tasks as a table: task, indicator, sign, r, r_x."""
        columns = [field.name for field in fields(Judged)]
        return pd.DataFrame([asdict(row) for row in self.tasks], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        return {**{key: plain(value) for key, value in asdict(self).items()}, "chosen": self.chosen}


def held_out(found: IndicatorZ, x: int, sign: int) -> Winner:
    """Leave each task out in turn: the others choose indicator and sign, the task left out judges.

    The others choose the largest |T|, T = Σ z / √(Σ 1/(n - 3)): mean z in units of its error, so
    the largest |mean z| where all indicators have the same tasks and prompts. Only indicators that
    enter in at least three tasks can be chosen.

    Interval: mean ± t(k - 1) · s on z, where s is the delete-one-task jackknife error of the whole
    procedure, every choice made anew, and at least sd / √k of the k values. These depend on each
    other, as any two choices share most of their tasks: what chance favours, it favours in all of
    them. By sd / √k alone the interval would lie above 0 in 14 of 100 tables of 14 useless
    indicators and 11 tasks, in 19 for 20 tasks; by s it does in 2 and 5, and covers 95 to 99 %
    (3 to 20 tasks, between-task sd of z up to 0.65). Where every choice is the same the two are
    equal.

    Args:
        found: z of all indicators.
        x: Place of the indicator to compare with.
        sign: The sign predicted for it; 0: none is.
    """
    able = np.flatnonzero((found.n > 0).sum(axis=0) >= MIN_TASKS)
    if not len(able):
        return Winner(note=f"no indicator enters in {MIN_TASKS} tasks")
    judging = np.flatnonzero((found.n[:, able] > 0).any(axis=1))
    k = len(judging)
    choice_of = _Choices(found.z[judging][:, able], found.variances[judging][:, able])
    own = np.where(found.n[judging, x] > 0, found.z[judging, x, 0], NAN)
    choices, signed = choice_of.made(slice(1))
    choice, values = choices[:, 0], signed[:, 0]
    of_x = oriented(own, sign)
    fewer = [choice_of.without(i) for i in range(k)]
    r, lower, upper = _interval(values, fewer)
    gap = [less - oriented(np.delete(own, i), sign) for i, less in enumerate(fewer)]
    difference, difference_lower, difference_upper = _interval(values - of_x, gap)
    best, best_z = choice_of.overall()
    return Winner(
        r=math.tanh(r),
        lower=math.tanh(lower),
        upper=math.tanh(upper),
        p=choice_of.p(r),
        difference=difference,
        difference_lower=difference_lower,
        difference_upper=difference_upper,
        n_tasks=k,
        overall=found.names[able[best]],
        overall_r=math.tanh(abs(best_z)),
        tasks=tuple(
            Judged(
                found.tasks[place],
                found.names[able[choice[i]]],
                choice_of.sign(i, choice[i]),
                math.tanh(values[i]),
                math.tanh(of_x[i]),
            )
            for i, place in enumerate(judging)
        ),
    )


def oriented(z: Floats, sign: int) -> Floats:
    """Each task's z times a sign: the one given or, if 0, that of the mean over the other tasks.

    nan stays nan; without a sign given, two tasks are needed.
    """
    if sign:
        return sign * z
    rest = np.nansum(z) - z
    if np.isfinite(z).sum() < 2:
        return np.full(len(z), NAN)
    signed: Floats = np.sign(rest) * z
    return signed


def standardised(sums: Floats, variances: Floats) -> Floats:
    """T: sums of z in units of their error if nothing were correlated; 0 where nothing enters."""
    known = np.broadcast_to(variances > SAME, sums.shape)
    scores: Floats = np.divide(sums, np.sqrt(variances), out=np.zeros(sums.shape), where=known)
    return scores


@dataclass(frozen=True)
class _Choices:
    """z [tasks, indicators, 1 + shuffles], 0 where not known, and its variances."""

    z: Floats
    variances: Floats

    def made(self, columns: slice) -> tuple[Ints, Floats]:
        """Per task and column, what the other tasks choose and its z in this one as they sign it.

        nan where they can choose nothing that enters in it.
        """
        z = self.z[..., columns]
        rest, variances = z.sum(axis=0) - z, self.variances.sum(axis=0) - self.variances
        usable = (self.variances > 0) & (variances > SAME)
        weights = np.divide(1.0, np.sqrt(variances), out=np.zeros(usable.shape), where=usable)
        # Of indicators that say the same, rounding must not choose.
        choice = np.round(np.abs(rest) * weights[..., np.newaxis], 9).argmax(axis=1)
        of_rest, own = (np.take_along_axis(a, choice[:, np.newaxis], 1)[:, 0] for a in (rest, z))
        return choice, np.where(usable.any(axis=1)[:, np.newaxis], np.sign(of_rest) * own, NAN)

    def sign(self, task: int, indicator: int) -> int:
        """The sign of an indicator's mean over the other tasks."""
        seen = self.z[:, indicator, 0]
        return 1 if seen.sum() >= seen[task] else -1

    def without(self, task: int) -> Floats:
        """The values as seen, had there been no such task."""
        z = np.delete(self.z[..., :1], task, axis=0)
        return _Choices(z, np.delete(self.variances, task, axis=0)).made(slice(1))[1][:, 0]

    def overall(self) -> tuple[int, float]:
        """What all tasks choose, and its mean z."""
        z = self.z[..., 0].sum(axis=0)
        scores = np.round(np.abs(standardised(z, self.variances.sum(axis=0))), 9)
        best = int(scores.argmax())
        return best, float(z[best] / (self.variances[:, best] > 0).sum())

    def p(self, mean: float) -> float:
        """How rarely shuffled prompts do as well."""
        n = self.z.shape[2]
        if n == 1:
            return NAN
        blocks = (slice(i, min(i + _AT_ONCE, n)) for i in range(1, n, _AT_ONCE))
        null = np.concatenate([self.made(block)[1].mean(axis=0) for block in blocks])
        return float((np.sum(null >= mean - SAME) + 1) / n)


def _interval(values: Floats, without_each: Sequence[Floats]) -> tuple[float, float, float]:
    """Mean with its 95 % interval; nan among the values are no tasks. All alike: no interval."""
    known = values[~np.isnan(values)]
    if not len(known):
        return NAN, NAN, NAN
    mean = float(known.mean())
    if np.ptp(known) <= SAME:
        return (0.0 if abs(mean) <= SAME else mean), NAN, NAN
    n = len(known)
    fewer = [less[~np.isnan(less)] for less in without_each]
    means = np.array([less.mean() for less in fewer if len(less)])
    jackknife = math.sqrt((len(means) - 1) * means.var())
    half = student(0.5 + CONFIDENCE / 2, n - 1) * max(known.std(ddof=1) / math.sqrt(n), jackknife)
    return mean, mean - half, mean + half
