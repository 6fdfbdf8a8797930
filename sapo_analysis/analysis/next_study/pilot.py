"""What is known before a study about the correlation it is to find: from a pilot, or assumed.

Fisher's z of task t over n prompts, each averaged over S seeds, is taken to be

    z_t ~ N(atanh(ρ a), (τ a)² + 1/(n - 3)),    a = √(rel_x(S) rel_y(S)),
    rel(S) = S v / (S v + 1 - v),

where ρ is the correlation without the seed's noise, τ the sd over tasks of its Fisher z, and v the
share of one trial's variance over prompts that is the prompts' own. rel(S) is the reliability of a
mean of S seeds (Spearman 1910, Brown 1910). Noise of the seed shrinks r, and to first order what
tasks differ by in it. Not in the model: noise that x and y of one trial share, and the bias of
Fisher's z, which lies r / (2 (n - 1)) further from 0 and so raises power a little.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.levels.correlation import Points, points_of
from sapo_analysis.analysis.noise.across_seeds import across_seeds
from sapo_analysis.analysis.noise.layouts import Layout, layouts
from sapo_analysis.analysis.noise.variance import upper_limit
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.errors import InputError

ASSUMED_EFFECT = 0.3
"""Correlation to plan for where nothing is known: what is commonly called a medium one."""
ASSUMED_TAU = 0.3
"""How far tasks are taken to differ in Fisher's z (sd) where nothing is known."""
LARGEST_EFFECT = 0.99
"""Where a correlation corrected for the seed's noise is held: by chance it may pass 1."""


@dataclass(frozen=True)
class Pilot:
    """What a study is planned on. A field left at nan is not known: `assumptions` fills it in.

    Attributes:
        effect: ρ, the correlation without the seed's noise, between -1 and 1.
        tau: τ, the sd over tasks of Fisher's z, without the seed's noise and sampling error.
        tau_upper: What τ may be at most, for a cautious plan.
        share: v of y, the share of one trial's variance over prompts that is the prompts' own.
        share_x: The same of x.
        n_tasks: Current tasks of the pilot with a correlation; 0 without a pilot.
        n_prompts: Prompts per task; the smallest number where tasks differ.
        n_seeds: Seeds averaged per prompt; the smallest number where tasks differ.
        source: Where the numbers are from, in words; empty where they were given.
        notes: What had to be taken in place of a value that the pilot could not give, and why.

    Raises:
        InputError: a number is out of range.
    """

    effect: float = NAN
    tau: float = NAN
    tau_upper: float = NAN
    share: float = NAN
    share_x: float = NAN
    n_tasks: int = 0
    n_prompts: int = 0
    n_seeds: int = 0
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no correlation, no standard deviation or no share."""
        if not (math.isnan(self.effect) or -1 < self.effect < 1):
            raise InputError(f"effect is {self.effect}; a correlation lies between -1 and 1.")
        for name in ("tau", "tau_upper"):
            value = getattr(self, name)
            if value < 0 or math.isinf(value):
                raise InputError(f"{name} is {value}; a standard deviation is finite, at least 0.")
        for name in ("share", "share_x"):
            value = getattr(self, name)
            if not (math.isnan(value) or 0 < value <= 1):
                raise InputError(f"{name} is {value}; it must be above 0 and at most 1.")

    @classmethod
    def of(
        cls,
        df: pd.DataFrame,
        y: str = "forgetting",
        role: str | None = None,
        x: str = "pre_update_loss",
        task: str = "current_task",
        eval_task: str | None = None,
    ) -> Pilot:
        """What a finished study says, from its main trials as `within_task_correlation` takes them.

        τ_seen² = max(0, variance over tasks of z - mean of 1/(n_t - 3)). v from B and N, summed
        over tasks: B what is the prompts' own of the variance over prompts (seed averages less
        their noise), N the prompt x seed component: v = B / (B + N). ρ = r / a and τ = τ_seen / a
        at the pilot's seeds. `tau_upper` is the same of the upper end of the 95 % chi-square
        interval of the sd of z over tasks.

        One task gives no τ, one seed no v; where the seed explains all of the spread, v is nan too.
        `assumptions` says so.

        Args:
            df: An impacts table, or any table with the columns named.
            y: Column of the outcome.
            role: Role of the evaluated tasks; needed when y has values for several.
            x: Column of the indicator.
            task: Column that names the current task.
            eval_task: Only this evaluated task.

        Raises:
            InputError: as `within_task_correlation`.
        """
        means, cells = layouts(df, y, role=role, x=x, eval_task=eval_task, task=task)
        points = points_of(means, "pearson")
        tasks = points.tasks
        if not tasks:
            why = points.left_out.removeprefix(". Left out: ").removeprefix(". ")
            return cls(notes=(f"The pilot has no correlation: {why or 'it has no task'}.",))
        z, k = np.array([one.z for one in tasks]), len(tasks)
        n_seeds = min(one.n_seeds for one in tasks)
        share_x, share, notes = _shares(points, cells, (x, y))
        a = attenuation((share_x, share), n_seeds)
        effect = float(np.tanh(z.mean())) / a
        if abs(effect) >= LARGEST_EFFECT:
            held = math.copysign(LARGEST_EFFECT, effect)
            what = f"without the seed's noise r would be {signed(effect)}"
            notes = (*notes, f"By chance, {what}: it is held at {signed(held)}.")
            effect = held
        sd = float(np.std(z, ddof=1)) if k > 1 else NAN
        errors = float(np.mean([one.se**2 for one in tasks]))
        n_prompts = min(one.n for one in tasks)
        size = " × ".join(
            counted(n, what) for n, what in ((k, "task"), (n_prompts, "prompt"), (n_seeds, "seed"))
        )
        return cls(
            effect=effect,
            tau=_beyond(sd, errors) / a if k > 1 else NAN,
            tau_upper=_beyond(upper_limit(sd, k - 1), errors) / a if k > 1 else NAN,
            share=share,
            share_x=share_x,
            n_tasks=k,
            n_prompts=n_prompts,
            n_seeds=n_seeds,
            source=f"pilot of {size}, {x} and {y}{f' ({points.role})' if points.role else ''}",
            notes=notes,
        )

    def expected(self, n_seeds: int, effect: float | None = None) -> tuple[float, float]:
        """Mean and sd over tasks of Fisher's z as averages of so many seeds show it.

        Args:
            n_seeds: Seeds.
            effect: ρ, where another one is asked about.
        """
        a = attenuation((self.share_x, self.share), n_seeds)
        tau = ASSUMED_TAU if math.isnan(self.tau) else self.tau
        return math.atanh(a * (self.r if effect is None else effect)), a * tau

    @property
    def r(self) -> float:
        """`effect`, or what is assumed in its place."""
        return ASSUMED_EFFECT if math.isnan(self.effect) else self.effect

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What a plan on this takes for granted, a sentence each."""
        found = list(self.notes)
        if math.isnan(self.effect):
            found.append(f"r is taken to be {ASSUMED_EFFECT:.2f}: no pilot says how large it is.")
        if math.isnan(self.tau):
            found.append(
                f"Tasks are taken to differ by {ASSUMED_TAU:.2f} in Fisher's z (sd): how far they"
                " do takes a pilot of two tasks."
            )
        if math.isnan(self.share) and self.n_seeds < 2:
            found.append(
                "Further seeds are taken to change nothing: how much of y is the seed's takes a"
                " pilot of two seeds."
            )
        elif math.isnan(self.share_x) and not self.notes:
            found.append("x is taken to be free of the seed's noise.")
        return tuple(found)

    @property
    def in_words(self) -> str:
        """The numbers a plan stands on, in a few sentences."""
        if math.isnan(self.effect):
            return " ".join(self.assumptions)
        noise = "" if math.isnan(self.share) else " were there no noise of the seed"
        source = self.source or "as given"
        found = [f"{source[0].upper()}{source[1:]}: r = {signed(self.effect)}{noise}."]
        if not math.isnan(self.tau):
            found.append(
                f"Tasks differ by {self.tau:.2f} in Fisher's z (sd)"
                + ("." if math.isnan(self.tau_upper) else f", at most {self.tau_upper:.2f}.")
            )
        if not math.isnan(self.share):
            found.append(
                f"Of one trial's variance over prompts {self.share:.0%} is the prompts' own."
            )
        return " ".join((*found, *self.assumptions)).replace("%", " %")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: what is not known is None."""
        found: dict[str, Any] = plain(asdict(self))
        del found["notes"]
        return {**found, "assumptions": list(self.assumptions)}


def pilot_of(df: pd.DataFrame) -> Pilot:
    """The first outcome of claim 3 with a correlation, in score form: what a page plans on.

    Args:
        df: An impacts table.
    """
    for y, role in CLAIM_OUTCOMES.values():
        if (df["role"] == role).any() and (pilot := Pilot.of(df, y, role)).n_tasks:
            return pilot
    return Pilot()


def attenuation(shares: tuple[float, float], n_seeds: int) -> float:
    """a: what the seed's noise leaves of a correlation; a share of nan counts as free of noise."""
    known = [share for share in shares if not math.isnan(share)]
    return math.sqrt(math.prod(n_seeds * v / (n_seeds * v + 1 - v) for v in known))


def _beyond(sd: float, errors: float) -> float:
    """What tasks differ by beyond the sampling error of their prompts (mean square)."""
    return math.sqrt(max(0.0, sd**2 - errors))


def _shares(
    points: Points, cells: dict[str, Layout], columns: tuple[str, str]
) -> tuple[float, float, tuple[str, ...]]:
    """The shares v of x and of y, and what there is to say of them."""
    own, noise = np.zeros(2), np.zeros(2)
    for one in points.tasks:
        found = across_seeds(np.stack([cells[one.name].x, cells[one.name].y]))
        if found is not None:
            own += np.diag(found.prompt)
            noise += np.diag(found.seed) * found.n_seeds
    if not (own + noise).any():
        return NAN, NAN, ()
    shares = [float(b / (b + n)) if b > 0 else NAN for b, n in zip(own, noise, strict=True)]
    notes = tuple(
        f"The seed explains all of the spread of {column} over prompts: r is not corrected for"
        " that, whatever the seeds."
        for column, share in zip(columns, shares, strict=True)
        if math.isnan(share)
    )
    return shares[0], shares[1], notes
