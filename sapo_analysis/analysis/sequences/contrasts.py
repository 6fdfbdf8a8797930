"""Strategies against each other, paired by order and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.sequences.metrics import (
    LEAST,
    METRICS,
    UNITS,
    interval_of,
    means_by_unit,
)
from sapo_analysis.spec import MethodName, Strategy

PRIMARY = ("sapo", "random", "ap", "original")
"""Policy, its rival, metric, test prompts of the one contrast that is tested by itself."""

TESTED = ("ap", "bwt", "fwt")
"""Metrics that are tested, with original test prompts; all others are described."""

ALPHA = 0.05

SIGNIFICANT = (
    f"significant at the {100 * ALPHA:g} % level, two-sided: the primary contrast by its own p, the"
    f" others in {', '.join(name.upper() for name in TESTED)} after Holm's correction over all of"
    f" them; only with original test prompts and from {LEAST} orders on"
)
"""The rule of `significant`, for captions and notes."""


def primary_method(strategies: Sequence[Strategy]) -> MethodName:
    """The method of the primary contrast: `lora`, else the first in which both its policies run."""
    methods = dict.fromkeys(strategy.method for strategy in strategies)
    both = [
        method
        for method in methods
        if {"sapo", "random"} <= {s.policy for s in strategies if s.method == method}
    ]
    return both[0] if both and "lora" not in both else "lora"


CONTRAST_COLUMNS = [
    *("strategy", "reference", "metric", "test_prompts", "statistic", "value", "lower", "upper"),
    *("p", "p_holm", "is_primary", "unit", "n_orders", "n_seeds"),
]


def contrasts(metrics: pd.DataFrame, method: MethodName = "lora") -> pd.DataFrame:
    """One row per (strategy, reference, metric, kind of test prompt): strategy − reference.

    Differences are taken within an order and a seed, seeds averaged within an order, Student t over
    orders (with one order, over its seeds). Every policy stands against `original` of its method;
    `sapo` also against `random` and `sapo-once`.

    `p` is uncorrected. Tested are the primary contrast, by its p, and the other ones in `TESTED`
    with original test prompts, by `p_holm`: Holm corrected over all of them. All else is described,
    and everything with fewer than `LEAST` orders.

    Args:
        metrics: as `chain_metrics` gives them.
        method: of the primary contrast.
    """
    frame = pd.DataFrame(_rows(metrics, method), columns=CONTRAST_COLUMNS)
    tested = frame["metric"].isin(TESTED) & (frame["test_prompts"] == "original")
    tested &= frame["p"].notna() & (frame["n_orders"] >= LEAST)
    family = tested & ~frame["is_primary"].astype(bool)
    if family.any():
        from statsmodels.stats.multitest import multipletests

        frame.loc[family, "p_holm"] = multipletests(frame.loc[family, "p"], method="holm")[1]
    return frame


def significant(found: pd.DataFrame) -> pd.Series[bool]:
    """Which contrasts are `SIGNIFICANT`; what is described alone never is.

    Args:
        found: as `contrasts` gives them.
    """
    by_itself = found["is_primary"].astype(bool) & (found["n_orders"] >= LEAST)
    p = found["p"].where(by_itself, found["p_holm"]).astype(float)
    return p < ALPHA


def _rows(metrics: pd.DataFrame, method: MethodName) -> Iterator[dict[str, Any]]:
    policy, rival, *rest = PRIMARY
    first = (f"{policy}+{method}", f"{rival}+{method}", *rest)
    pairs = list(_pairs(list(dict.fromkeys(metrics["strategy"]))))
    named = pd.DataFrame(pairs, columns=["strategy", "reference"])
    others = metrics[["test_prompts", "strategy", "order", "seed", *METRICS]]
    both = metrics.merge(named, on="strategy").merge(
        others.rename(columns={"strategy": "reference"}),
        on=["test_prompts", "reference", "order", "seed"],
        suffixes=("", "_reference"),
    )
    ahead = both[["test_prompts", "strategy", "reference", "order", "seed"]].assign(
        **{name: both[name] - both[f"{name}_reference"] for name in METRICS}
    )
    keys = ["test_prompts", "strategy", "reference"]
    found = {own.key: own for own in means_by_unit(ahead, keys, METRICS)}
    for kind, (strategy, reference) in product(dict.fromkeys(metrics["test_prompts"]), pairs):
        own = found.get((kind, strategy, reference))
        if own is None:
            continue
        for metric in METRICS:
            values = own.means[metric]
            mean, lower, upper = interval_of(values)
            yield {
                "strategy": strategy,
                "reference": reference,
                "metric": metric,
                "test_prompts": kind,
                "statistic": "difference",
                "value": mean,
                "lower": lower,
                "upper": upper,
                "p": t_test(values),
                "p_holm": NAN,
                "is_primary": (strategy, reference, metric, kind) == first,
                "unit": UNITS[own.unit],
                "n_orders": own.n_orders,
                "n_seeds": own.n_seeds,
            }


def _pairs(known: list[str]) -> Iterator[tuple[str, str]]:
    for strategy in known:
        policy, method = strategy.split("+")
        against = ["original", *(["random", "sapo-once"] if policy == "sapo" else [])]
        for other in against:
            if other != policy and f"{other}+{method}" in known:
                yield strategy, f"{other}+{method}"


def t_test(differences: Floats) -> float:
    """Two-sided p of a mean difference of zero; nan with fewer than `LEAST`.

    Differences that are all the same say nothing about their spread: 1 where that is zero, else
    nan.
    """
    from scipy.special import stdtr

    n = len(differences)
    if n < LEAST:
        return NAN
    error = float(np.std(differences, ddof=1)) / math.sqrt(n)
    mean = float(np.mean(differences))
    if error <= 1e-12 * float(np.abs(differences).max()):  # the rest is rounding
        return 1.0 if mean == 0 else NAN
    return float(2 * stdtr(n - 1, -abs(mean) / error))
