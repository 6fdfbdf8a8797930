"""A within-task correlation as it would be without seed noise in either variable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import CONFIDENCE, plain
from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.levels.correlation import UNIT, points_of
from sapo_analysis.analysis.noise.across_seeds import AcrossSeeds, across_seeds
from sapo_analysis.analysis.noise.intraclass import ONE_SEED
from sapo_analysis.analysis.noise.layouts import Layout, layouts
from sapo_analysis.analysis.quantiles import student
from sapo_analysis.analysis.remembering import remembering

MIN_TASKS = 3
"""Fewer leave the jackknife no interval to speak of."""


@dataclass(frozen=True)
class Corrected:
    """The corrected correlation beside the raw one.

    Attributes:
        x: Column of the indicator.
        y: Column of the outcome.
        role: Role of the evaluated tasks; None where the table has no roles.
        value: Correlation over prompts of what prompts do to x and y, seeds apart; nan where it
            could not be estimated, held at ±1 where the estimate lies beyond.
        lower: Lower end of its 95 % interval for new tasks; nan where there is none.
        upper: Upper end.
        raw: The within-task correlation of seed-averaged values that `within_task_correlation`
            gives.
        mean_r: Mean over tasks of r of the seed-averaged values: what the value corrects. `raw`
            averages Fisher's z instead.
        from_seed: The part of `mean_r` that x and y have from sharing a seed; the rest is value ·
            √(reliability_x · reliability_y).
        reliability_x: Share of the variance over prompts of x's means over seeds that is the
            prompts', mean over tasks; 1 where x is the same at every seed.
        reliability_y: The same of y.
        n_tasks: Tasks that the correction was made of.
        n_prompts: Prompts per task; the smallest number where tasks differ.
        n_seeds: Seeds averaged per prompt; the smallest number where tasks differ.
        method: How it was made, what is missing and why.
        unit: Unit of value, bounds and raw.
    """

    x: str
    y: str
    role: str | None
    value: float
    lower: float
    upper: float
    raw: float
    mean_r: float
    from_seed: float
    reliability_x: float
    reliability_y: float
    n_tasks: int
    n_prompts: int
    n_seeds: int
    method: str
    unit: str = UNIT

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        return {key: plain(value) for key, value in asdict(self).items()}


@remembering()
def corrected_correlation(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
) -> Corrected:
    """The correlation of x and y that is the prompts' own, with the raw one.

    Per current task the covariance matrix of x and y over prompts, from different seeds
    (`across_seeds`), each divided by the observed standard deviation of its means over seeds, so
    that tasks weigh alike: C_xy, C_xx, C_yy. The value is Σ C_xy / √(Σ C_xx · Σ C_yy) over tasks.
    The seed's part is taken off with the factor that `over_sds` explains; C_xx and C_yy are then
    unbiased reliabilities, for normal values.

    Classical disattenuation divides r by the root of the reliabilities and takes the noise of x and
    y to be independent. Here they are of the same trial: a parent state that lies badly, or a
    fine-tune that went badly, moves both. This takes that out too (`from_seed`), so the corrected
    value may be smaller than the raw one, or of the other sign.

    Sums over tasks make the value an average of r; the raw one averages Fisher's z, in which tasks
    with a large r count more. Where tasks differ much the two differ for this reason too: `mean_r`
    is what the value is to be held against.

    Interval, for new tasks: the value's Fisher z ± t(k - 1) · its delete-one-task jackknife error,
    back through tanh (in simulation of 4 to 12 tasks it covered 93 to 97 %). With fewer than three
    tasks, where leaving one out brings the value to ±1 or beyond, or where all tasks have the same
    correlation, there is none. With few prompts the value is a little small, as every r is: 0.48
    for 0.5 with twelve. It stands beside the raw value, never in its place.

    Args:
        df: As `prompts_table`.
        x: Column of the indicator.
        y: Column of the outcome; its name carries the form.
        role: Role of the evaluated tasks; needed when y has values for several.
        task: Column that names the current task.
        eval_task: Only this evaluated task.

    Returns:
        The value is nan with one seed, with no usable task, and where prompts differ in x or y no
        more than seeds would make them; `method` says which.

    Raises:
        InputError: as `within_task_correlation`.
    """
    means, cells = layouts(df, y, role=role, x=x, eval_task=eval_task, task=task)
    points = points_of(means, "pearson")
    found = {one.name: _parts(cells[one.name]) for one in points.tasks}
    parts = [part for part in found.values() if part is not None]
    prompt = np.array([part.prompt for part in parts]).reshape(-1, 2, 2)
    seed = np.array([part.seed for part in parts]).reshape(-1, 2, 2)
    value, lower, upper, said = _correlation(prompt, (x, y))
    one_seed = [name for name, part in found.items() if part is None]
    if one_seed and parts:
        said += f". With one seed, left out of the correction: {', '.join(one_seed)}"
    elif one_seed:
        said = ONE_SEED
    return Corrected(
        x=x,
        y=y,
        role=points.role,
        value=value,
        lower=lower,
        upper=upper,
        raw=float(np.tanh(np.mean([one.z for one in points.tasks]))) if points.tasks else NAN,
        mean_r=_mean(prompt[:, 0, 1] + seed[:, 0, 1]),
        from_seed=_mean(seed[:, 0, 1]),
        reliability_x=_mean(prompt[:, 0, 0]),
        reliability_y=_mean(prompt[:, 1, 1]),
        n_tasks=len(parts),
        n_prompts=min((one.n for one in points.tasks), default=0),
        n_seeds=min((one.n_seeds for one in points.tasks), default=0),
        method=f"covariance of prompts across seeds, {said}{points.left_out}",
    )


def _parts(layout: Layout) -> AcrossSeeds | None:
    """Of x and y over their observed standard deviations."""
    found = across_seeds(np.stack([layout.x, layout.y]))
    return None if found is None else found.over_sds


def _correlation(prompt: Floats, names: tuple[str, str]) -> tuple[float, float, float, str]:
    """Of covariances [tasks, 2, 2]: value, lower and upper end, and what to say of them."""
    k = len(prompt)
    if k == 0:
        return NAN, NAN, NAN, "no task left"
    total = prompt.sum(axis=0)
    none = [name for name, own in zip(names, np.diag(total), strict=True) if not own > 0]
    if none:
        said = f"prompts differ in {' and '.join(none)} no more than seeds would make them"
        return NAN, NAN, NAN, said
    value = float(_r(total))
    if abs(value) >= 1:
        said = f"estimated at {value:+.2f}, held at ±1; no interval"
        return float(np.sign(value)), NAN, NAN, said
    if k < MIN_TASKS:
        return value, NAN, NAN, f"no interval with fewer than {MIN_TASKS} tasks"
    others = total - prompt
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = _r(others)
    if not (np.abs(left_out) < 1).all() or not (others[:, [0, 1], [0, 1]] > 0).all():
        return value, NAN, NAN, "no interval: with one task left out it lies beyond ±1"
    z = np.arctanh(left_out)
    error = float(np.sqrt((k - 1) / k * np.sum((z - z.mean()) ** 2)))
    if error <= 1e-9:
        return value, NAN, NAN, "no interval: all tasks have the same correlation"
    half = student(0.5 + CONFIDENCE / 2, k - 1) * error
    centre = np.arctanh(value)
    lower, upper = (float(np.tanh(centre + side * half)) for side in (-1, 1))
    return value, lower, upper, f"delete-one-task jackknife of Fisher z, Student t over {k} tasks"


def _r(covariances: Floats) -> Floats:
    r: Floats = covariances[..., 0, 1] / np.sqrt(covariances[..., 0, 0] * covariances[..., 1, 1])
    return r


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else NAN
