"""Which indicator predicts impact best: a leader board that knows how many were tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.claims import predicted_sign
from sapo_analysis.analysis.estimate import CONFIDENCE, plain
from sapo_analysis.analysis.impacts import COLUMNS, HEADLINE_INDICATOR
from sapo_analysis.analysis.indicators.held_out import (
    MIN_TASKS,
    SAME,
    Winner,
    held_out,
    oriented,
    standardised,
)
from sapo_analysis.analysis.indicators.indicator_z import IndicatorZ, indicator_z
from sapo_analysis.analysis.indicators.rivals import INDICATORS
from sapo_analysis.analysis.intervals import NAN, Floats, mean_interval
from sapo_analysis.analysis.levels.correlation import N_PERMUTATIONS, check_settings
from sapo_analysis.analysis.levels.permutation import two_sided_p
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import check_columns
from sapo_analysis.analysis.wording import counted
from sapo_analysis.errors import InputError

AVERAGINGS = (
    "pre_update_loss_token_mean",
    "pre_update_loss_example_mean",
    "pre_update_loss_content",
)
"""Pre-update loss beside the released averaging."""

BOARD_INDICATORS = (HEADLINE_INDICATOR, *AVERAGINGS, *INDICATORS[1:])
"""What is tried where a table holds it, in this order."""

_NOT_TRIED = ("prompt_frequency",)
"""Its logarithm is tried, which puts prompts in the same order."""

UNIT = "correlation (-1 to 1); difference: of Fisher's z"
_METHOD = (
    "Pearson r per task, mean of Fisher z; p: prompts shuffled within task, p_adjusted:"
    " Westfall and Young, largest |T| of {n} indicators in the same shuffles; strength: sign of"
    " each task's z from the other tasks{of_x}; its interval and that of the difference, paired"
    " over tasks: Student t, either sign allowed for; difference_p_adjusted: Holm"
)


@dataclass(frozen=True)
class IndicatorRow:
    """One indicator of a `Board`; the attributes are described there."""

    indicator: str
    r: float
    lower: float
    upper: float
    these_lower: float
    these_upper: float
    p: float
    p_adjusted: float
    n_tasks: int
    n_prompts: int
    strength: float
    strength_lower: float
    strength_upper: float
    difference: float
    difference_lower: float
    difference_upper: float
    difference_p: float
    difference_p_adjusted: float = NAN
    rank: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Board:
    """Indicators by how well they predict an outcome.

    Attributes:
        rows: One per indicator, strongest first; those without a strength last. Each has
            `indicator`; `r`, tanh of the mean over tasks of Fisher's z, with `lower`, `upper` for
            new tasks and `these_lower`, `these_upper` for these tasks; `p` of its own and
            `p_adjusted` for all that were tried; `n_tasks`, `n_prompts` (the smallest of a task);
            `strength`, its r with a sign that other tasks give, and the interval for new tasks;
            `difference`, strength minus that of x over the tasks that both have (difference of
            Fisher's z), its interval for new tasks, p, and p adjusted for the number of differences
            (all nan for x); `rank` from 1, None where too few tasks can rank; `note`: which tasks
            and prompts it lacks, and why a number is not there.
        winner: The best indicator, judged on tasks not used to choose it.
        x: The indicator that was named beforehand, which the others are compared with.
        y: Column of the outcome.
        role: Role of the evaluated tasks; None where the table has no roles.
        predicted: Sign that the claims predict for x and y; 0 where they predict none.
        left_out: Indicators of the table that were not tried, and why.
        n_permutations: Shuffles.
        seed: Seed of the shuffles.
        confidence: Coverage that the intervals aim at (probability).
        unit: Unit of the numbers.
        method: How they were made.
    """

    rows: tuple[IndicatorRow, ...]
    winner: Winner
    x: str
    y: str
    role: str | None
    predicted: int
    left_out: dict[str, str]
    n_permutations: int
    seed: int
    confidence: float
    unit: str
    method: str

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a table, one column per attribute of `IndicatorRow`."""
        columns = [field.name for field in fields(IndicatorRow)]
        table = pd.DataFrame([asdict(row) for row in self.rows], columns=columns)
        return table.astype({"rank": "Int64"})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        return {
            **{key: plain(value) for key, value in asdict(self).items()},
            "winner": self.winner.to_dict(),
        }


def indicator_board(
    df: pd.DataFrame,
    y: str = "forgetting",
    role: str | None = None,
    x: str = HEADLINE_INDICATOR,
    indicators: Sequence[str] | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Board:
    """Rank indicators by their correlation with an outcome over prompts, within current tasks.

    r, its intervals and p are those of `within_task_correlation`.

    *p_adjusted* (Westfall and Young 1993, single step): share of shuffles in which the largest |T|
    of all indicators is at least this one's, (b + 1) / (m + 1). T = Σ z / √(Σ 1/(n - 3)) over
    tasks, mean z in units of its error; all indicators are shuffled alike, so that those which say
    the same do not count twice. If nothing were correlated, some indicator would come out below
    0.05 in 5 of 100 tables.

    *strength* tells how well an indicator predicts, be its r above or below 0: tanh of the mean
    over tasks of z_t times the sign of its mean z over the *other* tasks. So a useless indicator
    has 0 on average, below 0 where tasks disagree, and taking its sign from the data adds nothing.
    x alone has the sign that the claims predict, +1 for forgetting and -1 for generalization; for
    other outcomes, and for an x that is not a pre-update loss, it is treated as the others.
    Fewer than three tasks orient nothing: nan, and no rank.

    Intervals of strength and *difference* are for new tasks, Student t over tasks on z. A sign from
    data moves with the data, so an interval by one sign is too narrow where the sign is in doubt
    (in simulation it covers 75 to 95 %). Strength is the larger of ±mean z; its interval is [max l,
    max u] over the intervals [l, u] of both signs, and that of a difference alike (where x has no
    predicted sign, the smaller end over the signs of x). It covers 95 to 98 % for 3 to 20 tasks and
    is widened to hold the value where that lies outside; where the sign is clear it is the interval
    by that sign. `difference_p` is two-sided, of the larger t of both signs, and below 0.05 just
    where the interval leaves out 0; `difference_p_adjusted` is corrected for the number of
    differences (Holm).

    Where x came out against its prediction, an indicator that says the same as x is stronger than
    x: turned around it does predict, but nobody had said so before.

    Args:
        df: Any table with columns x, y and `task`; see `prompts_table`.
        y: Column of the outcome; its name carries the form.
        role: Role of the evaluated tasks; needed when y has values for several.
        x: Column of the indicator that was named beforehand.
        indicators: Columns to try beside x. None: every known one that the table holds and, as
            imported results may bring their own, every other column of numbers that is not of the
            impacts table; those that differ between prompts in no task are left out.
        task: Column that names the current task.
        eval_task: Only this evaluated task.
        n_permutations: Shuffles; 0 for none (p is nan).
        seed: Seed of the shuffles.

    Raises:
        InputError: a column or role is unknown, a column is not numeric or holds an infinite value,
            an indicator is named twice or is y, or several roles have values and none was chosen.
    """
    check_settings("pearson", n_permutations, seed)
    names = _tried(df, x, y, task, indicators)
    with remembering():
        found = indicator_z(df, y, names, role, task, eval_task, n_permutations, seed)
    left_out: dict[str, str] = {}
    if indicators is None:
        idle = set(np.flatnonzero(found.n.sum(axis=0) == 0)) - {0}
        left_out = {names[j]: found.left_out[j] or "no task to correlate in" for j in sorted(idle)}
        found = found.only(j for j in range(len(names)) if j not in idle)
    predicted = _predicted(x, y)
    rows = _ranked(_adjusted(_rows(found, predicted)))
    of_x = ", of x as predicted" if predicted else ""
    return Board(
        rows=tuple(rows),
        winner=held_out(found, 0, predicted),
        x=x,
        y=y,
        role=found.role,
        predicted=predicted,
        left_out=left_out,
        n_permutations=n_permutations,
        seed=seed,
        confidence=CONFIDENCE,
        unit=UNIT,
        method=_METHOD.format(n=len(rows), of_x=of_x),
    )


def _tried(
    df: pd.DataFrame, x: str, y: str, task: str, indicators: Sequence[str] | None
) -> list[str]:
    """The names, x first."""
    check_columns(df, [task, x, y])
    named = [indicators] if isinstance(indicators, str) else list(indicators or ())
    if y in (x, *named):
        raise InputError(f"{y!r} is the outcome and no indicator of itself. Leave it out.")
    for i, name in enumerate(named):
        if name in named[:i]:
            raise InputError(f"`indicators` names {name!r} twice. Name each column once.")
    if indicators is not None:
        check_columns(df, [task, *named])
        return [x, *(name for name in named if name != x)]
    taken = {*COLUMNS, *BOARD_INDICATORS, *_NOT_TRIED, task, y}
    others = (name for name in df.columns if isinstance(name, str) and name not in taken)
    names = (name for name in (*BOARD_INDICATORS, *others) if name in df and name not in (x, y))
    return [x, *(name for name in names if _has_numbers(df[name]))]


def _has_numbers(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and bool(column.notna().any())


def _predicted(x: str, y: str) -> int:
    """The sign of r that claim 3 predicts, of whichever role; 0 where it says nothing."""
    if x not in (HEADLINE_INDICATOR, *AVERAGINGS):
        return 0
    signs = {name: predicted_sign(claim) for claim, (name, _) in CLAIM_OUTCOMES.items()}
    return signs.get(y.removesuffix("_loss"), 0)


def _rows(found: IndicatorZ, predicted: int) -> list[IndicatorRow]:
    """The rows in the order tried, without what hangs on all of them."""
    z = np.where(found.n > 0, found.z[..., 0], NAN)
    scores = standardised(found.z.sum(axis=0), found.variances.sum(axis=0)[:, np.newaxis])
    largest = np.abs(scores[:, 1:]).max(axis=0)
    rows = []
    for j, name in enumerate(found.names):
        enters = found.n[:, j] > 0
        own, errors = z[enters, j], np.sqrt(found.variances[enters, j])
        tested = len(own) > 0 and len(largest) > 0
        r, lower, upper = map(math.tanh, mean_interval(own, errors, "new_tasks"))
        _, these_lower, these_upper = map(math.tanh, mean_interval(own, errors, "these_tasks"))
        strength = _strength(own, 0 if j else predicted)
        difference = _difference(z[:, j], z[:, 0], predicted) if j else _Signed()
        notes = (found.left_out[j], strength.note, difference.note)
        rows.append(
            IndicatorRow(
                indicator=name,
                r=r,
                lower=lower,
                upper=upper,
                these_lower=these_lower,
                these_upper=these_upper,
                p=two_sided_p(scores[j, 0], scores[j, 1:]) if tested else NAN,
                p_adjusted=two_sided_p(scores[j, 0], largest) if tested else NAN,
                n_tasks=len(own),
                n_prompts=int(found.n[enters, j].min()) if len(own) else 0,
                strength=math.tanh(strength.value),
                strength_lower=math.tanh(strength.lower),
                strength_upper=math.tanh(strength.upper),
                difference=difference.value,
                difference_lower=difference.lower,
                difference_upper=difference.upper,
                difference_p=difference.p,
                note="; ".join(dict.fromkeys(note for note in notes if note)),
            )
        )
    return rows


@dataclass(frozen=True)
class _Signed:
    """A mean over tasks of z, or of a difference of z, whose sign the data gave; p is of 0."""

    value: float = NAN
    lower: float = NAN
    upper: float = NAN
    p: float = NAN
    note: str = ""

    @classmethod
    def of(cls, values: Floats, ways: Sequence[Sequence[Floats]]) -> _Signed:
        """The mean of `values`; interval and p of the largest over rows of the smallest mean.

        Args:
            values: One per task, as oriented.
            ways: The same by every sign that is possible: a row per sign of the indicator, in it
                one per sign of what it is compared with.
        """
        value = float(values.mean())
        if np.max(np.abs(values)) <= SAME:
            return cls(0.0, note="the same as x in every task")
        t, lower, upper = np.array([[_student(way) for way in row] for row in ways]).min(1).max(0)
        # Numbers that do not exist stay so: one task has no interval.
        lower, upper = np.minimum(lower, value), np.maximum(upper, value)
        return cls(value, float(lower), float(upper), _p_of_t(float(t), len(values) - 1))


def _student(values: Floats) -> tuple[float, float, float]:
    """Student's t of the mean, and its interval; three nan for one task, or equal values."""
    mean, lower, upper = mean_interval(values, values, "new_tasks")
    if math.isnan(lower):
        return NAN, lower, upper
    return mean / (float(values.std(ddof=1)) / math.sqrt(len(values))), lower, upper


def _p_of_t(t: float, df: int) -> float:
    """Two-sided."""
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(t))) if df > 0 else NAN


def _strength(z: Floats, sign: int) -> _Signed:
    """Of one indicator in the tasks that it enters."""
    needed = 1 if sign else MIN_TASKS
    if len(z) < needed:
        return _Signed(note=f"{counted(len(z), 'task')}, a strength needs {needed}")
    return _Signed.of(oriented(z, sign), [[own * z] for own in _signs(sign)])


def _difference(z: Floats, of_x: Floats, predicted: int) -> _Signed:
    """Strength minus that of x, over the tasks that both enter; nan where one does not."""
    known, known_x = (int(np.isfinite(part).sum()) for part in (z, of_x))
    both = np.isfinite(z) & np.isfinite(of_x)
    if known < MIN_TASKS or known_x < (1 if predicted else MIN_TASKS) or not both.any():
        return _Signed()
    values = (oriented(z, 0) - oriented(of_x, predicted))[both]
    own, other = z[both], of_x[both]
    ways = [[a * own - b * other for b in _signs(predicted)] for a in _signs(0)]
    return _Signed.of(values, ways)


def _signs(given: int) -> tuple[int, ...]:
    return (given,) if given else (1, -1)


def _adjusted(rows: Sequence[IndicatorRow]) -> list[IndicatorRow]:
    """With the differences' p corrected by Holm for how many there are."""
    p = np.array([row.difference_p for row in rows])
    order = np.argsort(p)[: np.isfinite(p).sum()]
    corrected = np.full(len(p), NAN)
    steps = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected[order] = np.minimum(steps, 1.0)
    return [
        replace(row, difference_p_adjusted=float(own))
        for row, own in zip(rows, corrected, strict=True)
    ]


def _ranked(rows: Sequence[IndicatorRow]) -> list[IndicatorRow]:
    """Strongest first; of equally strong ones the one that was named first."""

    def place(row: IndicatorRow) -> tuple[bool, float]:
        unranked = row.n_tasks < MIN_TASKS
        return unranked, 0.0 if unranked else -round(row.strength, 9)

    return [
        row if row.n_tasks < MIN_TASKS else replace(row, rank=i)
        for i, row in enumerate(sorted(rows, key=place), start=1)
    ]
