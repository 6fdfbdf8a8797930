"""What a scatter of prompts needs beyond its points: centring, slope bands, clip limits, marks.

Everything here describes the points of `prompts_table`; the estimate that is judged is
`within_task_correlation`, never a slope from this file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import CONFIDENCE
from sapo_analysis.analysis.quantiles import student

CLIP_MADS = 4.0
"""Half-width of the shown range: this many median absolute deviations around the median."""

SHOWN = 0.95
"""At least this share of the points lies inside the shown range of an axis."""

LOG_RATIO = 3.0
"""Above this ratio of the largest to the median value an axis is easier to read in logarithms."""


@dataclass(frozen=True)
class SlopeBand:
    """A least-squares line and the 95 % band of its mean, at the places `x`."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    slope: float
    n: int


def centred(
    points: pd.DataFrame, columns: list[str], by: str, of: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The points with each of these columns minus its mean within the groups.

    Args:
        points: A row per point.
        columns: Columns to centre.
        by: Column that names the group.
        of: The rows whose means are taken off; without them, those of the points themselves.
    """
    middle = (points if of is None else of).groupby(by)[columns].mean()
    moved = {column: points[column] - points[by].map(middle[column]) for column in columns}
    return points.assign(**moved)


def slope_band(points: pd.DataFrame, x: str, y: str, groups: int = 0) -> SlopeBand | None:
    """Least-squares line of y on x with the 95 % band of its mean; None where it has no meaning.

    Args:
        points: A row per point.
        x: Column on the horizontal axis.
        y: Column on the vertical axis.
        groups: Number of group means already taken out of both columns. Each costs a degree of
            freedom, and the line then goes through the origin. 0: a line with its own intercept.

    Returns:
        None when x does not vary or no degree of freedom is left.
    """
    values_x, values_y = points[x].to_numpy(float), points[y].to_numpy(float)
    middle_x, middle_y = (0.0, 0.0) if groups else (values_x.mean(), values_y.mean())
    spread = float(((values_x - middle_x) ** 2).sum())
    freedom = len(points) - max(groups, 1) - 1
    if freedom < 1 or spread <= 1e-24:
        return None
    slope = float(((values_x - middle_x) * (values_y - middle_y)).sum() / spread)
    residual = values_y - middle_y - slope * (values_x - middle_x)
    variance = float((residual**2).sum()) / freedom
    places = np.linspace(values_x.min(), values_x.max(), 41)
    line = middle_y + slope * (places - middle_x)
    intercept = 0.0 if groups else 1.0 / len(points)
    half = np.sqrt(variance * (intercept + (places - middle_x) ** 2 / spread))
    half = half * student(0.5 + CONFIDENCE / 2, freedom)
    at, middle, low, high = (
        tuple(float(value) for value in values)
        for values in (places, line, line - half, line + half)
    )
    return SlopeBand(at, middle, low, high, slope, len(points))


def clip_limits(values: pd.Series[float]) -> tuple[float, float]:
    """The range to show: `CLIP_MADS` median absolute deviations around the median, or wider.

    It always holds `SHOWN` of the values: where tasks differ in spread, a whole task may lie beyond
    the deviations, and that is no outlier.
    """
    middle = float(values.median())
    distance = (values - middle).abs()
    farthest = float(distance.quantile(SHOWN, interpolation="higher"))
    half = max(CLIP_MADS * float(distance.median()), farthest)
    return middle - half, middle + half


def needs_log(values: pd.Series[float]) -> bool:
    """Whether the largest value lies more than `LOG_RATIO` times above the median."""
    positive = bool((values > 0).all())
    return positive and float(values.max()) > LOG_RATIO * float(values.median())


def marked_prompts(
    points: pd.DataFrame, prompts: pd.DataFrame, y: str, *, lower_is_better: bool
) -> pd.DataFrame:
    """Per current task: the original prompt, SAPO's pick and the best prompt in hindsight.

    SAPO's pick has the lowest `pre_update_loss`, the hindsight best the best `y`; ties go to the
    first id.

    Args:
        points: `prompts_table` with x = `pre_update_loss`.
        prompts: The run's table `prompts`.
        y: The outcome that decides what was best.
        lower_is_better: Whether a low outcome is good.

    Returns:
        `current_task`, `prompt_id`, `mark` (`original`, `sapo` or `best`).
    """
    rows = points.sort_values("prompt_id", kind="stable").reset_index(drop=True)
    by_task = rows.groupby("current_task")
    outcome = rows[y] if lower_is_better else -rows[y]
    best = rows.loc[outcome.groupby(rows["current_task"]).idxmin(), ["current_task", "prompt_id"]]
    pick = rows.loc[by_task["pre_update_loss"].idxmin(), ["current_task", "prompt_id"]]
    original = prompts.loc[prompts["source"] == "original", ["task", "prompt_id"]]
    original = original.rename(columns={"task": "current_task"})
    original = original[original["current_task"].isin(rows["current_task"])]
    parts = [original.assign(mark="original"), pick.assign(mark="sapo"), best.assign(mark="best")]
    return pd.concat(parts, ignore_index=True)


def extremes(points: pd.DataFrame, x: str = "pre_update_loss") -> list[tuple[str, str]]:
    """(task, prompt_id) of the lowest and highest x of the first task; one pair if they agree."""
    first = points[points["current_task"] == points["current_task"].min()]
    pairs = [
        first.loc[i, ["current_task", "prompt_id"]] for i in (first[x].idxmin(), first[x].idxmax())
    ]
    return list(dict.fromkeys((str(p["current_task"]), str(p["prompt_id"])) for p in pairs))
