"""AP, BWT and FWT of every strategy, and AP under each kind of test prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.sequences import SHORT, TEST_PROMPTS, TESTED, metric_term
from sapo_analysis.analysis.wording import counted
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import SequenceNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import plus_minus, standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

LEVEL = 0.05
BOLD = "Bold: the best of its column with the same method."


def strategies_table(numbers: SequenceNumbers, options: Options) -> TableSpec:
    """A block per method, a row per policy: AP, BWT, FWT.

    Raises:
        InputError: no chain has learned all its tasks with these test prompts.
    """
    kind = numbers.test_prompts(options)
    own = complete(numbers, kind)
    tested = _against_original(numbers, kind)
    rows = []
    for strategy, metrics in own.groupby("strategy", sort=False):
        policy, _, method = str(strategy).partition("+")
        row: dict[str, Any] = {
            "block": METHOD_WORDS[method],
            "strategy": strategy,
            "policy": policy,
            "method": method,
            "test_prompts": kind,
        }
        for one in metrics.to_dict("records"):
            name = str(one["metric"])
            row |= _with_ends(name, one)
        for name in TESTED:
            p = tested.get((str(strategy), name), float("nan"))
            row[f"{name}_p_holm"] = p
            row[f"{name}_differs"] = bool(not numbers.silent and p < LEVEL)
        first = metrics.iloc[0]
        rows.append({**row, **{name: first[name] for name in ("unit", "n_orders", "n_seeds")}})
    over = f"{counted(int(own['n_orders'].max()), 'order')}"
    unit = str(own["unit"].iloc[0])
    return TableSpec(
        name=f"strategies_{kind}",
        columns=(
            Column("policy", "Policy"),
            *(
                Column(
                    *(name, SHORT[name]),
                    kind="estimate",
                    decimals=1,
                    better=metric_term(name).better,
                    unit=metric_term(name).unit,
                    interval="plus-minus",
                    mark="*",
                    marked=f"{name}_differs",
                )
                for name in TESTED
                if own.loc[own["metric"] == name, "value"].notna().any()
            ),
        ),
        rows=pd.DataFrame(rows),
        caption=Caption(
            shows=f"Average performance, backward and forward transfer of every strategy, with"
            f" {kind} test prompts",
            n=size_of(numbers, own),
            interval=f"95 %, Student t over {unit}",
            terms=TESTED,
        ),
        notes=(
            plus_minus(own["lower"], unit),
            BOLD,
            *_star(numbers, kind, over),
            *standing(numbers),
        ),
        blocks="block",
    )


def _with_ends(name: str, one: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: one["value"], f"{name}_lower": one["lower"], f"{name}_upper": one["upper"]}


def complete(numbers: SequenceNumbers, kind: str) -> pd.DataFrame:
    """The summary with one kind of test prompts.

    Raises:
        InputError: no chain has learned all its tasks.
    """
    own = numbers.summary[numbers.summary["test_prompts"] == kind]
    if own.empty:
        raise InputError(f"No chain has learned all its tasks with {kind} test prompts yet.")
    return own


def test_prompts_table(numbers: SequenceNumbers, options: Options) -> TableSpec:
    """AP of every strategy under each kind of test prompts.

    Raises:
        InputError: no chain has learned all its tasks.
    """
    own = numbers.summary[numbers.summary["metric"] == "ap"]
    kinds = [kind for kind in TEST_PROMPTS if (own["test_prompts"] == kind).any()]
    if not kinds:
        raise InputError("No chain has learned all its tasks yet.")
    rows = []
    for strategy, metrics in own.groupby("strategy", sort=False):
        policy, _, method = str(strategy).partition("+")
        row = {"block": METHOD_WORDS[method], "strategy": strategy, "policy": policy}
        for one in metrics.to_dict("records"):
            name = str(one["test_prompts"])
            row |= _with_ends(name, one)
        rows.append(row)
    unit = str(own["unit"].iloc[0])
    return TableSpec(
        name="test_prompts",
        columns=(
            Column("policy", "Policy"),
            *(
                Column(
                    *(kind, kind, "AP with test prompts"),
                    kind="estimate",
                    decimals=1,
                    better="high",
                    unit=metric_term("ap").unit,
                    interval="plus-minus",
                )
                for kind in kinds
            ),
        ),
        rows=pd.DataFrame(rows),
        caption=Caption(
            shows="Average performance of every strategy under each kind of test prompts, so that"
            " better training does not hide in a better test prompt",
            n=size_of(numbers, own),
            interval=f"95 %, Student t over {unit}",
            terms=("ap",),
        ),
        notes=(
            plus_minus(own["lower"], unit),
            BOLD,
            "Training: the prompt that each task was learned with, of paft the original. Test-only:"
            " never trained with.",
            *standing(numbers),
        ),
        blocks="block",
    )


def _against_original(numbers: SequenceNumbers, kind: str) -> dict[tuple[str, str], float]:
    """Holm corrected p of each strategy and metric against `original` with the same method."""
    table = numbers.contrasts
    if table.empty:
        return {}
    own = table[
        (table["test_prompts"] == kind) & table["reference"].str.startswith("original+")
    ].dropna(subset="p_holm")
    keys = zip(own["strategy"], own["metric"], strict=True)
    return dict(zip(keys, own["p_holm"].astype(float), strict=True))


def _star(numbers: SequenceNumbers, kind: str, over: str) -> list[str]:
    if numbers.silent:
        return []
    if not _against_original(numbers, kind):
        return [f"Nothing is tested with {kind} test prompts and {over}."]
    own = numbers.contrasts
    n = int((own["p_holm"].notna() & (own["test_prompts"] == kind)).sum())
    return [
        f"Star: differs from original with the same method, p < {LEVEL:g}: paired Student t over"
        f" orders, two-sided, Holm corrected over the {n} contrasts of strategies that are tested"
        " beside the primary one."
    ]


def size_of(numbers: SequenceNumbers, own: pd.DataFrame) -> dict[str, int]:
    """N of a caption: tasks, orders and seeds behind some rows of the metrics."""
    return {
        "tasks": len(numbers.report["tasks"]),
        "orders": int(own["n_orders"].max()),
        "seeds": int(own["n_seeds"].min()),
    }
