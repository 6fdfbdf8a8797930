"""AP, BWT, FWT and loss-based forgetting of each chain, and their means over seeds and orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
    by = scores.groupby(CHAIN, sort=False)
    chain = by.ngroup().to_numpy()
    order = np.argsort(chain, kind="stable")
    ends = np.flatnonzero(np.diff(chain[order])) + 1
    stages, positions, n_stages = (
        scores[name].to_numpy(dtype=np.int64) for name in ("stage", "position", "n_stages")
    )
    values, losses = (scores[name].to_numpy(dtype=np.float64) for name in ("value", "loss"))
    finals = scores["is_final"].to_numpy(dtype=bool)
    keys = scores[CHAIN].drop_duplicates().itertuples(index=False, name=None)
    for key, own in zip(keys, np.split(order, ends), strict=True):
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
    for key, own in metrics.groupby(keys, sort=False):
        unit = unit_of(own)
        means = own.groupby(unit, sort=False)[list(METRICS)].mean()
        n_orders, n_seeds = own["order"].nunique(), own.groupby("order")["seed"].nunique().min()
        for metric in METRICS:
            mean, lower, upper = interval_of(means[metric].to_numpy(dtype=np.float64))
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "metric": metric,
                    "statistic": "mean",
                    "value": mean,
                    "lower": lower,
                    "upper": upper,
                    "unit": UNITS[unit],
                    "n_orders": n_orders,
                    "n_seeds": n_seeds,
                }
            )
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


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
