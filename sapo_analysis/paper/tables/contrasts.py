"""Strategies against each other: paired differences in AP, BWT and FWT, and which are tested."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.sequences import LEAST, SHORT, TESTED, metric_term
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import SequenceNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import plus_minus, standing
from sapo_analysis.paper.tables.spec import Column, TableSpec
from sapo_analysis.paper.tables.strategies import LEVEL, size_of

KIND = "original"
"""The test prompts that contrasts are tested with."""


def contrasts_table(numbers: SequenceNumbers, options: Options) -> TableSpec:
    """A row per pair of strategies: paired differences in AP, BWT and FWT.

    Raises:
        InputError: no two strategies are complete in one order and seed.
    """
    kind = numbers.test_prompts(options)
    table = numbers.contrasts
    own = table[table["test_prompts"] == kind] if len(table) else table
    if own.empty:
        raise InputError("No two strategies are complete in any one order and seed yet.")
    own = own[own["metric"].isin(TESTED)]
    metrics = [m for m in TESTED if own.loc[own["metric"] == m, "value"].notna().any()]
    is_tested = bool(own["p_holm"].notna().any())
    rows = []
    for (strategy, reference), found in own.groupby(["strategy", "reference"], sort=False):
        row: dict[str, Any] = {
            "block": METHOD_WORDS[str(strategy).partition("+")[2]],
            "name": " − ".join(str(s).partition("+")[0] for s in (strategy, reference)),
            "strategy": strategy,
            "reference": reference,
            "test_prompts": kind,
        }
        for one in found.to_dict("records"):
            name, primary = str(one["metric"]), bool(one["is_primary"])
            corrected = float("nan") if one["p_holm"] is None else float(one["p_holm"])
            raw = float("nan") if one["p"] is None else float(one["p"])
            row |= {
                name: _number(one["value"]),
                f"{name}_lower": _number(one["lower"]),
                f"{name}_upper": _number(one["upper"]),
                f"{name}_p": raw,
                f"{name}_p_holm": corrected,
                f"{name}_p_shown": raw if primary or not is_tested else corrected,
                f"{name}_is_primary": primary,
                f"{name}_differs": bool(
                    not numbers.silent and is_tested and (raw if primary else corrected) < LEVEL
                ),
            }
        first = found.iloc[0]
        rows.append({**row, **{name: first[name] for name in ("unit", "n_orders", "n_seeds")}})
    unit = str(own["unit"].iloc[0])
    return TableSpec(
        name=f"contrasts_{kind}",
        columns=(Column("name", "Strategies"), *_columns(metrics)),
        rows=pd.DataFrame(rows),
        caption=Caption(
            shows=f"Strategies against each other with the same method, with {kind} test prompts:"
            " differences paired by order and seed",
            n=size_of(numbers, own),
            interval=f"95 %, paired Student t over {unit}",
            terms=tuple(metrics),
        ),
        notes=(
            plus_minus(own["lower"].astype(float), unit, "paired Student t"),
            *_rules(own, kind, is_tested),
            *standing(numbers),
        ),
        blocks="block",
        wide=True,
    )


def _columns(metrics: list[str]) -> list[Column]:
    columns = []
    for name in metrics:
        columns += [
            Column(
                *(name, "difference", SHORT[name]),
                kind="estimate",
                decimals=1,
                signed=True,
                unit=metric_term(name).unit,
                interval="plus-minus",
                mark="*",
                marked=f"{name}_differs",
            ),
            Column(
                *(f"{name}_p_shown", "p", SHORT[name]),
                kind="p",
                mark="†",
                marked=f"{name}_is_primary",
            ),
        ]
    return columns


def _rules(own: pd.DataFrame, kind: str, is_tested: bool) -> list[str]:
    if not is_tested:
        why = f"with fewer than {LEAST} orders" if kind == KIND else f"without {KIND} test prompts"
        return [f"p: paired Student t, two-sided, uncorrected; nothing is tested {why}."]
    n = int(own["p_holm"].notna().sum())
    return [
        f"p: paired Student t over orders, two-sided, Holm corrected over these {n} contrasts;"
        f" star: p < {LEVEL:g}.",
        *(
            ["†: the primary contrast, named beforehand and tested by itself, uncorrected."]
            if own["is_primary"].astype(bool).any()
            else []
        ),
    ]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
