"""AP, BWT, FWT and loss-based forgetting of each chain, and their means over seeds and orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from sapo_analysis.analysis.continual import ContinualMetrics, continual_metrics
from sapo_analysis.analysis.glossary import Term, entry
from sapo_analysis.analysis.intervals import NAN, Floats, differs, mean_interval
from sapo_analysis.analysis.selection import Ints

_TERMS = {
    **{name: name for name in ("ap", "bwt", "bwt_final", "fwt")},
    "forgetting_loss": "chain_forgetting_loss",  # of a chain; a trial has a column of that name too
}


def metric_term(name: str) -> Term:
    """What a metric of `METRICS` is, in which unit, and which way is good."""
    return entry(_TERMS[name])


METRICS = {name: metric_term(name).in_words for name in _TERMS}
"""Every metric of a chain and its unit; high is good, but for `forgetting_loss`."""

SHORT = {name: metric_term(name).label for name in _TERMS}
"""Each metric's name where there is little room."""

LEAST = 3
"""Values below which their spread is hardly known: no interval, nothing tested, no verdict."""

Unit = Literal["order", "seed"]
UNITS: dict[Unit, str] = {"order": "orders", "seed": "seeds of one order"}
"""What values are independent over, and how that is said."""

CHAIN = ["order", "policy", "method", "strategy", "seed", "test_prompts"]

SUMMARY_COLUMNS = [
    *("strategy", "policy", "method", "test_prompts", "metric", "statistic"),
    *("value", "lower", "upper", "unit", "n_orders", "n_seeds"),
]


def chain_metrics(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (chain, kind of test prompt) that has learned all tasks: the `METRICS`.

    `ap` is taken over all examples of the last stage, everything else over those that all stages
    share, so that no difference between stages is one between examples.

    Args:
        scores: as `sequence_scores` gives them.
    """
    return pd.DataFrame(_chain_rows(scores), columns=[*CHAIN, *METRICS])


def _chain_rows(scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    if scores.empty:
        return
    # Arrays cut into chains: a frame for each of hundreds would take most of the time.
    stages, positions, n_stages = (
        scores[name].to_numpy(dtype=np.int64) for name in ("stage", "position", "n_stages")
    )
    values, losses = (scores[name].to_numpy(dtype=np.float64) for name in ("value", "loss"))
    finals = scores["is_final"].to_numpy(dtype=bool)
    for key, own in groups_of(scores, CHAIN):
        n = int(n_stages[own[0]])
        shared = own[~finals[own]]
        known = set(stages[shared].tolist())
        if n not in known:
            continue  # under way, or diverged
        at = stages[shared], positions[shared]
        value, loss = _matrix(*at, values[shared]), _matrix(*at, losses[shared])
        base = value[0].tolist() if 0 in known else None  # imported sequences may lack it
        found: ContinualMetrics = continual_metrics(value[-n:].tolist(), base)
        final = own[finals[own] & (stages[own] == n)]
        if len(final):
            found = replace(found, ap=float(values[final].mean()))
        yield {
            **dict(zip(CHAIN, key, strict=True)),
            **{name: getattr(found, name) for name in ("ap", "bwt", "bwt_final", "fwt")},
            "forgetting_loss": float(np.mean((loss[-1] - np.diagonal(loss[-n:]))[:-1])),
        }


def groups_of(rows: pd.DataFrame, keys: list[str]) -> Iterator[tuple[tuple[Any, ...], Ints]]:
    """Each group's key and where its rows are, as in `groupby(keys, sort=False)`.

    A frame for every group, as that gives, took most of the time of a report.
    """
    numbers = rows.groupby(keys, sort=False).ngroup().to_numpy()
    where = np.argsort(numbers, kind="stable")
    where = where[np.searchsorted(numbers[where], 0) :]  # -1: a key is missing
    if len(where):
        parts = np.split(where, np.flatnonzero(np.diff(numbers[where])) + 1)
        first = rows[keys].iloc[[part[0] for part in parts]]
        yield from zip(first.itertuples(index=False, name=None), parts, strict=True)


def score_matrix(shared: pd.DataFrame, value: str) -> Floats:
    """Stages (θ_0 first, where it was measured) × positions in the order."""
    stage, position = (shared[name].to_numpy(dtype=np.int64) for name in ("stage", "position"))
    return _matrix(stage, position, shared[value].to_numpy(dtype=np.float64))


def _matrix(stage: Ints, position: Ints, value: Floats) -> Floats:
    stages, rows = np.unique(stage, return_inverse=True)
    positions, columns = np.unique(position, return_inverse=True)
    table: Floats = np.full((len(stages), len(positions)), np.nan)
    table[rows, columns] = value
    return table


def furthest(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of the chains that went as far as any of their strategy.

    So that a mean by stage is over the same chains at every stage: with others in it, what changes
    from stage to stage could be which chains there are.
    """
    chain = scores.groupby([*CHAIN], sort=False)["stage"].transform("max")
    return scores[chain == chain.groupby(scores["strategy"]).transform("max")]


def stage_means(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (strategy, kind of test prompt, stage): the race as it went.

    `learned`: mean score on the tasks learned by then; `ahead`: mean gain over θ_0 on those that
    were not (nan at the last stage). Means over the `n_chains` chains that went `furthest`, seeds
    averaged within an order.
    """
    columns = ["strategy", "test_prompts", "stage", "learned", "ahead", "n_chains"]
    if scores.empty:
        return pd.DataFrame(columns=columns)
    shared = furthest(scores[~scores["is_final"]])
    keys = ["strategy", "order", "seed", "test_prompts"]
    base = shared[shared["stage"] == 0].set_index([*keys, "eval_task"])["value"]
    after = shared[shared["stage"] > 0].copy()
    after["gain"] = after["value"] - base.reindex(
        pd.MultiIndex.from_frame(after[[*keys, "eval_task"]])
    ).to_numpy(dtype=np.float64)
    is_learned = after["position"] <= after["stage"]
    after["learned"] = after["value"].where(is_learned)
    after["ahead"] = after["gain"].where(~is_learned)
    chains = after.groupby([*keys, "stage"], sort=False)[["learned", "ahead"]].mean().reset_index()
    at = ["strategy", "test_prompts", "stage"]
    orders = chains.groupby([*at, "order"], sort=False).agg(
        learned=("learned", "mean"), ahead=("ahead", "mean"), n_chains=("learned", "size")
    )
    by = orders.groupby(at, sort=False)
    return by.agg({"learned": "mean", "ahead": "mean", "n_chains": "sum"}).reset_index()


def summary(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per (strategy, kind of test prompt, metric): mean with its 95 % interval.

    Seeds are averaged within an order; Student t over orders, so the interval speaks of other
    orders of these tasks. With a single order it is taken over its seeds and speaks of that order
    alone; `unit` says which. With fewer than `LEAST` there is no interval (nan).

    Args:
        metrics: as `chain_metrics` gives them.
    """
    rows = []
    keys = SUMMARY_COLUMNS[:4]
    for own in means_by_unit(metrics, keys, METRICS):
        for metric in METRICS:
            mean, lower, upper = interval_of(own.means[metric])
            rows.append(
                {
                    **dict(zip(keys, own.key, strict=True)),
                    "metric": metric,
                    "statistic": "mean",
                    "value": mean,
                    "lower": lower,
                    "upper": upper,
                    "unit": UNITS[own.unit],
                    "n_orders": own.n_orders,
                    "n_seeds": own.n_seeds,
                }
            )
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


@dataclass(frozen=True)
class UnitMeans:
    """The independent values of one group of rows.

    Attributes:
        key: Of the group.
        unit: What they are independent over.
        n_orders: Of the group's rows.
        n_seeds: The fewest that any of the orders has.
        means: Per column, one mean per order or seed (nan where all of its values are), in order of
            appearance.
    """

    key: tuple[Any, ...]
    unit: Unit
    n_orders: int
    n_seeds: int
    means: Mapping[str, Floats]


def means_by_unit(
    rows: pd.DataFrame, keys: list[str], columns: Iterable[str]
) -> Iterator[UnitMeans]:
    """Of each group of rows with `order` and `seed`, the means per `unit_of` it.

    Args:
        rows: chains, or parts of them.
        keys: columns that tell the groups apart; groups come in order of appearance.
        columns: whose means are wanted.
    """
    if rows.empty:
        return
    names = list(columns)
    seeds = rows.groupby([*keys, "order"], sort=False)["seed"].nunique()
    counts = seeds.groupby(keys, sort=False).agg(["size", "min"])
    n_orders, n_seeds = counts["size"].tolist(), counts["min"].tolist()
    several = rows.groupby(keys, sort=False)["order"].transform("nunique") > 1
    of = np.where(several, pd.factorize(rows["order"])[0], pd.factorize(rows["seed"])[0])
    means = rows.groupby([*keys, pd.Series(of, rows.index, name="unit")], sort=False)[names].mean()
    values = {name: means[name].to_numpy(dtype=np.float64) for name in names}
    groups = groups_of(means.index.to_frame(index=False), keys)
    for (key, where), orders, least in zip(groups, n_orders, n_seeds, strict=True):
        unit: Unit = "order" if orders > 1 else "seed"
        own = {name: column[where] for name, column in values.items()}
        yield UnitMeans(key, unit, orders, least, own)


def unit_of(rows: pd.DataFrame) -> Unit:
    """Orders, where there are several; else the seeds of the one there is."""
    return "order" if rows["order"].nunique() > 1 else "seed"


def interval_of(values: Floats) -> tuple[float, float, float]:
    """Mean of independent values and its 95 % interval.

    Fewer than `LEAST` values, or values that are all the same, say too little about their spread:
    no interval (nan).
    """
    mean, lower, upper = mean_interval(values, values, "new_tasks")
    if len(values) < LEAST or not differs(values):
        return mean, NAN, NAN
    return mean, lower, upper


def means_over(rows: pd.DataFrame, column: str, unit: Unit) -> Floats:
    """Independent values of rows with `order` and `seed`: a mean per order, or per seed."""
    return rows.groupby(unit, sort=False)[column].mean().to_numpy(dtype=np.float64)
