"""From the picks of each task to what they are worth over tasks: tables and measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import CONFIDENCE
from sapo_analysis.analysis.intervals import NAN, Floats, mean_intervals
from sapo_analysis.analysis.prompt_means import PromptMeans
from sapo_analysis.analysis.quantiles import student
from sapo_analysis.analysis.worth.picks import RULES, TaskPicks, pool_weights

RULE = "lowest_loss"
RIVALS = tuple(rule for rule in RULES if rule != RULE)
IN_POOLS = ("lowest_loss", "random", "hindsight_best")
"""The rules that put all prompts in order, and so pick from any pool of them."""

NOT_KNOWN = "not known"
ONE_SEED = "needs two seeds"
_TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Measure:
    """One number on how well the rule picks, mean over tasks of the mean over seeds.

    Attributes:
        value: The mean; nan where no task has it.
        lower: Lower end of the 95 % interval for new tasks; nan with one task.
        upper: Upper end.
        at_random: What a random pick comes to.
        n_tasks: Current tasks that entered.
        unit: Unit of all of them.
    """

    value: float
    lower: float
    upper: float
    at_random: float
    n_tasks: int
    unit: str


class Tables:
    """The tables and measures of `SelectionValue`, all made of per-task picks."""

    def __init__(
        self,
        tasks: dict[str, TaskPicks],
        means: PromptMeans,
        good_when: str,
        knows_originals: bool,
    ):
        self.tasks, self.means, self.knows_originals = tasks, means, knows_originals
        self.sign = -1.0 if good_when == "low" else 1.0
        self.unit = means.unit
        largest = (float(np.abs(own.in_order["lowest_loss"]).max()) for own in tasks.values())
        self.rounding = 1e-12 * max(largest, default=0.0)
        self.values = {
            rule: np.array([own.values[rule].mean() for own in tasks.values()], dtype=np.float64)
            for rule in RULES
        }

    def gains(self, ours: Floats, theirs: Floats) -> Floats:
        """What `ours` is better by; what subtracting equal numbers left is 0."""
        gains: Floats = self.sign * (ours - theirs)
        return np.where(np.abs(gains) <= self.rounding, 0.0, gains)

    def sizes(self, rule: str) -> dict[str, Any]:
        """What the number of a rule is a mean of, and why it may be missing."""
        known = ~np.isnan(self.values[rule])
        own = [task for task, is_in in zip(self.tasks.values(), known, strict=True) if is_in]
        return {
            "n_tasks": len(own),
            "n_prompts": min((task.n_prompts for task in own), default=0),
            "n_seeds": min((task.n_seeds for task in own), default=0),
            "unit": self.unit,
            "note": self.note(rule),
        }

    def note(self, rule: str) -> str:
        """Why a rule has no number, or not in all tasks; empty where it has."""
        missing = [
            name
            for name, value in zip(self.tasks, self.values[rule], strict=True)
            if np.isnan(value)
        ]
        if not missing:
            return ""
        reason = NOT_KNOWN if rule == "original" else ONE_SEED
        if rule == "original" and self.knows_originals:
            reason = "not among the prompts"
        return reason if len(missing) == len(self.tasks) else f"{reason}: {', '.join(missing)}"

    def rules(self) -> pd.DataFrame:
        """What each rule comes to, over tasks."""
        rows = []
        for rule in RULES:
            value, lower, upper = _over_tasks(self.values[rule])
            bounds = {"value": float(value), "lower": float(lower), "upper": float(upper)}
            rows.append({"rule": rule, **bounds, **self.sizes(rule)})
        return pd.DataFrame(rows)

    def contrasts(self) -> pd.DataFrame:
        """What the rule gains over each other one, with both intervals."""
        rows = []
        for rule in RIVALS:
            gains = self.gains(self.values[RULE], self.values[rule])
            gain, lower, upper = map(float, _over_tasks(gains))
            seeds = [self.gains(t.values[RULE], t.values[rule]) for t in self.tasks.values()]
            half = _half_over_seeds(
                [own for own in seeds if not np.isnan(own).any()], rule == "hindsight_best"
            )
            rows.append(
                {
                    **{"against": rule, "gain": gain, "lower": lower, "upper": upper},
                    **{"these_lower": gain - half, "these_upper": gain + half},
                    "tasks_better": int((gains > 0).sum()),
                    **self.sizes(rule),
                }
            )
        return pd.DataFrame(rows)

    def regret(self) -> Measure:
        """What the rule loses against the hindsight best."""
        best = self.values["hindsight_best"]
        lost = self.gains(best, self.values[RULE])
        known = lost[~np.isnan(lost)]
        at_random = self.gains(best, self.values["random"])[~np.isnan(lost)]
        value, lower, upper = map(float, _over_tasks(known))
        return Measure(value, lower, upper, _mean(at_random), len(known), self.unit)

    def hit_rate(self) -> Measure:
        """How often its pick is the hindsight best."""
        own = [(task.hit.mean(), task.chance.mean()) for task in self.tasks.values()]
        known = np.array([pair for pair in own if not np.isnan(pair[0])]).reshape(-1, 2)
        rate, chance = (_mean(column) for column in known.T)
        lower, upper = _clopper_pearson(rate, len(known))
        return Measure(rate, lower, upper, chance, len(known), "share of picks (0 to 1)")

    def rank(self) -> Measure:
        """How many of the other prompts did better than its pick."""
        own = np.array([task.rank.mean() for task in self.tasks.values()], dtype=np.float64)
        value, lower, upper = map(float, _over_tasks(own))
        # No rank lies outside: so does no mean of them.
        low, high = (float(np.clip(bound, 0.0, 1.0)) for bound in (lower, upper))
        at_random = 0.5 if len(own) else NAN
        return Measure(value, low, high, at_random, len(own), "0 (best) to 1 (worst)")

    def by_task(self, task: str) -> pd.DataFrame:
        """All of it task by task; `task` names the column."""
        own = self.tasks.values()
        columns: dict[str, Any] = {
            task: list(self.tasks),
            **self.values,
            "gain": self.gains(self.values[RULE], self.values["random"]),
            "regret": self.gains(self.values["hindsight_best"], self.values[RULE]),
            "hit_rate": [float(picks.hit.mean()) for picks in own],
            "chance": [float(picks.chance.mean()) for picks in own],
            "rank": [float(picks.rank.mean()) for picks in own],
            "n_prompts": [picks.n_prompts for picks in own],
            "n_seeds": [picks.n_seeds for picks in own],
            "n_eval_tasks": [len(self.means.tasks[name].weights) for name in self.tasks],
            "unit": self.unit,
        }
        return pd.DataFrame(columns)

    def curve(self) -> pd.DataFrame:
        """What picking from random pools of each size comes to."""
        largest = min((task.n_prompts for task in self.tasks.values()), default=0)
        in_pools = np.empty((len(self.tasks), len(IN_POOLS), largest))
        for i, task in enumerate(self.tasks.values()):
            orders = np.array([task.in_order[rule] for rule in IN_POOLS])
            in_pools[i] = orders @ pool_weights(task.n_prompts, largest)
        curves = {rule: in_pools[:, i] for i, rule in enumerate(IN_POOLS)}
        parts = []
        for rule, own in curves.items():
            value, lower, upper = _over_tasks(own)
            gain, gain_lower, gain_upper = _over_tasks(self.gains(own, curves["random"]))
            lost = self.gains(curves["hindsight_best"], own)
            regret, regret_lower, regret_upper = _over_tasks(lost)
            columns: dict[str, Any] = {
                "rule": rule,
                "pool_size": np.arange(1, largest + 1),
                **{"value": value, "lower": lower, "upper": upper},
                **{"gain": gain, "gain_lower": gain_lower, "gain_upper": gain_upper},
                **{"regret": regret, "regret_lower": regret_lower, "regret_upper": regret_upper},
                "n_tasks": int((~np.isnan(own).any(axis=1)).sum()),
                "unit": self.unit,
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else NAN


def _over_tasks(values: Floats) -> tuple[Floats, Floats, Floats]:
    """`intervals.mean_interval` for new tasks, of each column; tasks without a value left out.

    Args:
        values: Tasks, or tasks x anything.
    """
    own = np.moveaxis(values, 0, -1)
    return mean_intervals(own, own, "new_tasks")


def _half_over_seeds(gains: list[Floats], folds_overlap: bool) -> float:
    """Half the 95 % interval for these tasks of the mean over tasks of their means over seeds.

    nan without a second seed anywhere, and where no gain differs between seeds.
    """
    freedom = sum(len(own) - 1 for own in gains)
    if freedom < 1:
        return NAN
    squares = sum(float(((own - own.mean()) ** 2).sum()) for own in gains)
    if squares <= 1e-24 * max(float((own**2).sum()) for own in gains):
        return NAN
    shares = sum(1 / len(own) + (1 / (len(own) - 1) if folds_overlap else 0.0) for own in gains)
    error = float(np.sqrt(squares / freedom * shares)) / len(gains)
    return student(1 - _TAIL, freedom) * error


def _clopper_pearson(rate: float, n: int) -> tuple[float, float]:
    """95 % interval of a rate, as if it were that of n draws; nan with fewer than two."""
    if n < 2:
        return NAN, NAN
    from scipy.special import betaincinv

    hits, misses = rate * n, n - rate * n
    lower = float(betaincinv(hits, misses + 1, _TAIL)) if hits > 0 else 0.0
    upper = float(betaincinv(hits + 1, misses, 1 - _TAIL)) if misses > 0 else 1.0
    return lower, upper
