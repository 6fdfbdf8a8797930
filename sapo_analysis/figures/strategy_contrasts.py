"""Strategies against each other, paired by order and seed: a panel per metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.glossary import DIRECTIONS
from sapo_analysis.analysis.glossary.term import POINTS
from sapo_analysis.analysis.sequences import SHORT, SIGNIFICANT, metric_term, significant
from sapo_analysis.analysis.wording import p_value, signed
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.spec import (
    FigureSpec,
    Intervals,
    Layer,
    Note,
    Panel,
    Points,
    Ticks,
    require_columns,
)
from sapo_analysis.figures.strategies import TITLES, counts_of, interval_over, padded

COLUMNS = (
    *("strategy", "reference", "metric", "test_prompts", "value", "lower", "upper"),
    *("p", "p_holm", "is_primary", "unit", "n_orders", "n_seeds"),
)


def strategy_contrasts(
    table: pd.DataFrame,
    *,
    method: str = "lora",
    test_prompts: str = "original",
    metrics: Sequence[str] = ("ap", "bwt", "fwt"),
    hollow: bool = False,
    judged: bool = True,
) -> FigureSpec:
    """Paired differences strategy − reference of one method, with 95 % intervals.

    Args:
        table: `contrasts(chain_metrics(sequence_scores(runs)))`.
        method: whose strategies to compare.
        test_prompts: which of the three kinds.
        metrics: the panels; one that no difference has is left out.
        hollow: draw hollow points: the numbers are not final.
        judged: whether anything may be concluded; if not, nothing is called significant.

    Raises:
        InputError: another table, or one without a difference of this method.
    """
    require_columns(table, COLUMNS, "contrasts(chain_metrics(scores))")
    table = table.assign(is_significant=significant(table) & judged)
    of_method = table["strategy"].str.split("+").str[1] == method
    own = table[
        of_method
        & (table["test_prompts"] == test_prompts)
        & table["metric"].isin(list(metrics))
        & table["value"].notna()
    ]
    if own.empty:
        raise InputError(
            f"No two strategies of {method} are complete in the same order and seed, with"
            f" {test_prompts} test prompts: there is no paired difference yet."
        )
    metrics = [name for name in metrics if name in set(own["metric"])]
    pairs = list(dict.fromkeys(zip(own["strategy"], own["reference"], strict=True)))
    heights = {pair: float(len(pairs) - 1 - i) for i, pair in enumerate(pairs)}
    return FigureSpec(
        name=f"strategy_contrasts_{method}_{test_prompts}",
        panels=tuple(_panel(own[own["metric"] == name], name, heights, hollow) for name in metrics),
        table=own,
        caption=_caption(own, metrics, method, test_prompts, hollow, judged),
        alt=f"{len(pairs)} paired differences between strategies of {method} in"
        f" {', '.join(TITLES[name] for name in metrics)} with 95 % intervals, {test_prompts} test"
        " prompts.",
        columns=len(metrics),
        height=165 + 30 * len(pairs),
        wide=True,
        legend=False,
    )


def _panel(
    rows: pd.DataFrame, metric: str, heights: dict[tuple[str, str], float], hollow: bool
) -> Panel:
    layers: list[Layer] = []
    for row in rows.to_dict("records"):
        color, marker = theme.POLICIES[_policy(row["strategy"])]
        y = heights[row["strategy"], row["reference"]]
        if not math.isnan(row["lower"]):
            ends = (row["lower"],), (row["upper"],)
            layers.append(Intervals((y,), *ends, color, 1.8, part="intervals"))
        hover = (f"{_named(row)}\n{_words(row, TITLES[metric])}",)
        layers.append(Points((row["value"],), (y,), color, marker, 10.0, hollow, hover=hover))
        if row["is_significant"]:
            end = row["upper"] if row["value"] > 0 else row["lower"]
            side = "left" if row["value"] > 0 else "right"
            layers.append(Note(end, y, "*", side, gap=5.0, part="significance"))
    term = metric_term(metric)
    return Panel(
        layers=tuple(layers),
        x_label=f"difference ({term.unit}),\n{DIRECTIONS[term.better]}",
        y_label="",
        title=TITLES[metric],
        x_range=padded(rows),
        y_range=(-0.7, max(heights.values()) + 0.7),
        x_zero=True,
        y_ticks=Ticks(
            tuple(heights.values()), tuple(f"{_policy(a)} − {_policy(b)}" for a, b in heights)
        ),
    )


def _caption(
    rows: pd.DataFrame,
    metrics: Sequence[str],
    method: str,
    test_prompts: str,
    hollow: bool,
    judged: bool,
) -> Caption:
    records = rows.to_dict("records")
    primary = [
        f"Primary contrast: {_named(row)}, {_words(row, SHORT[row['metric']])}."
        for row in records
        if row["is_primary"]
    ]
    others = [row for row in records if row["is_significant"] and not row["is_primary"]]
    tested = rows["p_holm"].notna().any()
    said = [f"{_named(row)}: {_words(row, SHORT[row['metric']])}." for row in others]
    if tested and judged and not others:
        said = [f"No {'other ' * bool(primary)}difference is significant."]
    known = rows.dropna(subset=["lower"])
    marked = rows["is_significant"].any()
    return Caption(
        shows=f"Paired differences between policies with {method}: strategy − reference within an"
        f" order and a seed, seeds averaged within an order, {test_prompts} test prompts.",
        n=counts_of(rows),
        statistics=(*primary, *said),
        interval=""
        if known.empty
        else f"{interval_over(known)} of the paired differences, each for itself",
        marks=(
            *(
                (Of("significance", f"*: {SIGNIFICANT}."),)
                if judged and (tested or primary)
                else ()
            ),
            *(() if marked or tested or primary else ("Described, not tested.",)),
            *(("Hollow: the run is not complete, numbers will move.",) if hollow else ()),
        ),
        terms=tuple(metric_term(name).name for name in metrics),
    )


def _policy(strategy: str) -> str:
    return strategy.split("+")[0]


def _named(row: Mapping[Any, Any]) -> str:
    return f"{row['strategy']} − {row['reference']}"


def _words(row: Mapping[Any, Any], metric: str) -> str:
    digits = 1 if metric_term(row["metric"]).unit == POINTS else 3
    value, lower, upper = (signed(row[name], digits) for name in ("value", "lower", "upper"))
    bounds = "no interval" if math.isnan(row["lower"]) else f"95 % {lower} to {upper}"
    found = f"{metric} {value} ({bounds})"
    if row["is_primary"]:
        return f"{found}, {p_value(row['p'])}"
    return found if math.isnan(row["p_holm"]) else f"{found}, Holm {p_value(row['p_holm'])}"
