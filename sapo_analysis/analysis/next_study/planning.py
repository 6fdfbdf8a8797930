"""How many prompts, tasks and seeds a study needs for an interval's width or for a test's power.

What a design of each size would give is `expected`'s to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

import pandas as pd

from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import Scope, check_scope, plain
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.analysis.next_study.expected import (
    Expected,
    check_effect,
    check_whole,
    is_number,
    precision,
    typical,
)
from sapo_analysis.analysis.next_study.pilot import ASSUMED_EFFECT, ASSUMED_TAU, Pilot
from sapo_analysis.analysis.wording import SCOPE_WORDS, counted, signed
from sapo_analysis.errors import InputError

PROMPTS = (10, 12, 16, 20, 24, 32)
"""Prompts of a task that are tried, the original among them; a verdict on these tasks takes ten."""
SEEDS = (1, 2, 3, 5)
"""Numbers of seeds that are tried."""
MAX_TASKS = 200
USUAL_HALF_WIDTH = 0.2
USUAL_POWER = 0.8
_ANY_NUMBER = 10**9
"""So many seeds leave no noise, so many prompts no sampling error."""


@dataclass(frozen=True)
class Design:
    """The size of a study and what it would give.

    Attributes:
        n_tasks: Current tasks.
        n_prompts: Prompts per task, the original among them.
        n_seeds: Main seeds.
        n_trials: Main trials, the product of the three.
        r: Correlation to expect: the effect as averages of so many seeds show it.
        half_width: Of the 95 % interval around it, as a correlation.
        power: Probability that this interval lies wholly on the effect's side of 0.
    """

    n_tasks: int
    n_prompts: int
    n_seeds: int
    n_trials: int
    r: float
    half_width: float
    power: float

    def __str__(self) -> str:
        """`14 tasks × 12 prompts × 1 seed (168 trials)`."""
        return (
            f"{counted(self.n_tasks, 'task')} × {self.n_prompts} prompts ×"
            f" {counted(self.n_seeds, 'seed')} ({counted(self.n_trials, 'trial')})"
        )


COLUMNS = tuple(field.name for field in fields(Design))


@dataclass(frozen=True)
class StudyPlan:
    """Which designs would do what was asked.

    Attributes:
        pilot: What it was planned on.
        scope: What the interval is to speak of.
        half_width: Wanted half-width of the 95 % interval, as a correlation; nan where not asked.
        power: Wanted power; nan where not asked.
        effect: Correlation to be told from 0, without the seed's noise.
        max_tasks: The most tasks that were tried.
        found: By number of prompts and of seeds the design with the fewest tasks that does; fewest
            trials first. Those that would take more than `max_tasks` are absent.
        cautious: The one with the fewest trials were tasks to differ by `Pilot.tau_upper`; None
            where that is not known, does not matter (these tasks), or none does.
        limit: Why no design does; empty where one does.
    """

    pilot: Pilot
    scope: Scope
    half_width: float
    power: float
    effect: float
    max_tasks: int
    found: tuple[Design, ...]
    cautious: Design | None
    limit: str

    @property
    def best(self) -> Design | None:
        """The design with the fewest trials; None where none does."""
        return self.found[0] if self.found else None

    @property
    def designs(self) -> pd.DataFrame:
        """`found` as a table with the columns `COLUMNS`."""
        return pd.DataFrame([asdict(one) for one in self.found], columns=list(COLUMNS))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is taken for granted, a sentence each."""
        return self.pilot.assumptions

    @property
    def sentence(self) -> str:
        """What it takes, in words."""
        wishes, scope = [], f" for {SCOPE_WORDS[self.scope]}"
        if not math.isnan(self.half_width):
            wishes.append(f"know r{scope} to ±{self.half_width:.2f}")
            scope = ""
        if not math.isnan(self.power):
            # What is told apart is r as averages of the design's seeds show it; `designs` has it.
            known = math.isnan(self.pilot.share)
            r = f"r = {signed(self.effect)}" + ("" if known else " (less where seeds are few)")
            wishes.append(f"tell {r} from 0{scope} with {_percent(self.power)} power")
        wish = f"To {' and '.join(wishes)}"
        if self.best is None:
            return f"{wish}: more than {counted(self.max_tasks, 'task')}. {self.limit}"
        text = f"{wish}: {self.best}"
        if self.scope == "new_tasks" and not math.isnan(self.pilot.tau_upper):
            text += f"; were tasks to differ as much as the pilot allows, {self._cautiously}"
        return f"{text}."

    @property
    def _cautiously(self) -> str:
        best, other = self.best, self.cautious
        if other is None:
            return f"more than {counted(self.max_tasks, 'task')}"
        if best and (best.n_prompts, best.n_seeds) == (other.n_prompts, other.n_seeds):
            return counted(other.n_tasks, "task")
        return str(other)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: what was not asked or does not exist is None."""
        found: dict[str, Any] = plain(
            {
                "pilot": self.pilot.to_dict(),
                "scope": self.scope,
                "half_width": self.half_width,
                "power": self.power,
                "effect": self.effect,
                "max_tasks": self.max_tasks,
                "designs": [asdict(one) for one in self.found],
                "best": asdict(self.best) if self.best else None,
                "cautious": asdict(self.cautious) if self.cautious else None,
                "sentence": self.sentence,
                "assumptions": self.assumptions,
            }
        )
        return found


def plan_study(
    pilot: pd.DataFrame | Pilot | None = None,
    half_width: float | None = None,
    power: float | None = None,
    effect: float | None = None,
    scope: Scope = "new_tasks",
    *,
    y: str = "forgetting",
    role: str | None = None,
    x: str = "pre_update_loss",
    task: str = "current_task",
    eval_task: str | None = None,
    max_tasks: int = MAX_TASKS,
) -> StudyPlan:
    """The designs with the fewest trials that know r well enough, or tell it from 0.

    Tried are `PROMPTS` by `SEEDS`, each with as few tasks as do: at least four for new tasks, as a
    verdict asks, and at most `max_tasks`. The interval is around r as that many seeds show it: with
    fewer seeds it is around a smaller one.

    Args:
        pilot: An impacts table to learn from (with the five columns named below), a `Pilot`, or
            None for the assumptions alone.
        half_width: Wanted half-width of the 95 % interval, as a correlation (0 to 1).
        power: Wanted probability that the interval lies wholly on the effect's side of 0. 0.8 where
            neither is asked for; both may be.
        effect: Correlation to plan for, without the seed's noise; by default the pilot's, which is
            itself uncertain: the smallest that would matter is often the better choice.
        scope: `new_tasks` or `these_tasks`.
        y: Of a table: column of the outcome.
        role: Of a table: role of the evaluated tasks.
        x: Of a table: column of the indicator.
        task: Of a table: column that names the current task.
        eval_task: Of a table: only this evaluated task.
        max_tasks: The most tasks to try.

    Raises:
        InputError: a number is out of range, the scope is unknown, or as `Pilot.of`.
    """
    check_scope(scope)
    wanted = ("half_width", half_width, USUAL_HALF_WIDTH), ("power", power, USUAL_POWER)
    for name, value, usual in wanted:
        if value is not None and not (is_number(value) and 0 < value < 1):
            raise InputError(
                f"{name} is {value!r}; it must lie between 0 and 1, for example {usual}."
            )
    check_effect(effect)
    check_whole("max_tasks", max_tasks, MIN_TASKS)
    if half_width is None and power is None:
        power = USUAL_POWER
    if pilot is None:
        pilot = Pilot()
    elif not isinstance(pilot, Pilot):
        pilot = Pilot.of(pilot, y, role, x, task, eval_task)
    wish = _Wish(
        NAN if half_width is None else half_width,
        NAN if power is None else power,
        pilot.r if effect is None else effect,
        scope,
        max_tasks,
    )
    found = _designs(pilot, wish)
    cautious: list[Design] = []
    if found and scope == "new_tasks" and not math.isnan(pilot.tau_upper):
        cautious = _designs(replace(pilot, tau=pilot.tau_upper), wish)
    return StudyPlan(
        pilot,
        scope,
        wish.half_width,
        wish.power,
        wish.effect,
        max_tasks,
        tuple(found),
        cautious[0] if cautious else None,
        "" if found else _limit(pilot, wish),
    )


def outlook(n_prompts: Sequence[int], n_seeds: int, pilot: Pilot | None = None) -> str:
    """What a design would say of new tasks, and what ±0.20 and 80 % power would take, in words.

    Args:
        n_prompts: Prompts of each current task, the original among them.
        n_seeds: Main seeds.
        pilot: What is known; None for the assumptions alone.

    Returns:
        One or two sentences: fewer than four tasks with a correlation speak of no others, so that
        what they would say is left out. Empty where no task has four prompts.
    """
    k = sum(n >= MIN_PROMPTS for n in n_prompts)
    if not k:
        return ""
    pilot = pilot or Pilot()
    differ = (
        f"by {ASSUMED_TAU} in Fisher's z (assumed)" if math.isnan(pilot.tau) else "as in the pilot"
    )
    here = ""
    at = f" at r = {ASSUMED_EFFECT:.2f}" if math.isnan(pilot.effect) else " at the pilot's r"
    if k >= MIN_TASKS:
        gives = precision(pilot, k, typical(n_prompts), n_seeds)
        here = f"r to about ±{gives.new_tasks:.2f}, {_percent(gives.power)} power{at}. "
        at = ""
    width, power = _usual(pilot)
    return (
        f"New tasks, if they differ {differ}: {here}±{USUAL_HALF_WIDTH:.2f} takes {width},"
        f" {_percent(USUAL_POWER)} power{at} takes {power}."
    )


@lru_cache(maxsize=32)
def _usual(pilot: Pilot) -> tuple[str, str]:
    """What the usual half-width and the usual power take: a page says it at every change of it."""
    plans = plan_study(pilot, USUAL_HALF_WIDTH), plan_study(pilot, power=USUAL_POWER)
    width, power = (str(one.best or f"more than {one.max_tasks} tasks") for one in plans)
    return width, power


@dataclass(frozen=True)
class _Wish:
    """What is asked for; nan where it is not."""

    half_width: float
    power: float
    effect: float
    scope: Scope
    max_tasks: int

    def met_by(self, expected: Expected, k: int) -> bool:
        # A comparison with nan is false: what was not asked for is met.
        return not expected.half_width(k) > self.half_width and not (
            not math.isnan(self.power) and expected.power(k) < self.power
        )


def _designs(pilot: Pilot, wish: _Wish) -> list[Design]:
    """By numbers of prompts and of seeds the smallest design that does; fewest trials first."""
    found = []
    for n_seeds in SEEDS:
        z, tau = pilot.expected(n_seeds, wish.effect)
        for n in PROMPTS:
            expected = Expected(z, tau, 1 / (n - 3), wish.scope)
            k = _fewest(expected, wish)
            if k is not None:
                gives = math.tanh(z), expected.half_width(k), expected.power(k)
                found.append(Design(k, n, n_seeds, k * n * n_seeds, *gives))
    return sorted(found, key=lambda one: (one.n_trials, one.n_tasks))


def _fewest(expected: Expected, wish: _Wish) -> int | None:
    """The fewest tasks that do: more tasks always know more, so halves of the range drop out."""
    low, high = MIN_TASKS if wish.scope == "new_tasks" else 1, wish.max_tasks
    if not wish.met_by(expected, high):
        return None
    while low < high:
        middle = (low + high) // 2
        if wish.met_by(expected, middle):
            high = middle
        else:
            low = middle + 1
    return low


def _limit(pilot: Pilot, wish: _Wish) -> str:
    """What keeps every design that was tried from doing."""
    if wish.effect == 0 and not math.isnan(wish.power):
        return "An r of 0 cannot be told from 0."

    def would_do(prompts: Sequence[int], seeds: Sequence[int]) -> bool:
        return any(
            wish.met_by(
                Expected(*pilot.expected(n_seeds, wish.effect), 1 / (n - 3), wish.scope),
                wish.max_tasks,
            )
            for n in prompts
            for n_seeds in seeds
        )

    helps = [
        what
        for what, does in (
            (
                f"more than {PROMPTS[-1]} prompts of a task",
                would_do([_ANY_NUMBER], [*SEEDS, _ANY_NUMBER]),
            ),
            (f"more than {SEEDS[-1]} seeds", would_do(PROMPTS, [_ANY_NUMBER])),
        )
        if does
    ]
    if helps:
        return f"With {' or '.join(helps)} fewer tasks would do."
    tau = ASSUMED_TAU if math.isnan(pilot.tau) else pilot.tau
    return (
        f"Tasks differ by {tau:.2f} in Fisher's z (sd): more prompts or seeds cannot help, only"
        " more tasks can."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
