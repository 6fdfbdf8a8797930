"""What a sequence study comes to, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sapo_analysis.analysis.sequences.metrics import LEAST
from sapo_analysis.analysis.wording import signed

Verdict = Literal["better", "worse", "unclear", "too few"]

AS_WELL_WITHIN = 3.0
"""`sapo-once` does as well as `sapo` where the interval of their difference lies within ± this
(points of AP), about half of what orders scatter by. Said before the declared sequences ran."""

Row = Mapping[str, Any]


def primary_verdict(row: Row) -> Verdict:
    """Whether the strategy is better than its reference, by the 95 % interval over orders."""
    if row["n_orders"] < LEAST:
        return "too few"
    if not _has_interval(row):
        return "unclear"
    if row["lower"] > 0:
        return "better"
    return "worse" if row["upper"] < 0 else "unclear"


Adaptive = Literal["as well", "not shown", "too few"]


def adaptive_verdict(row: Row) -> Adaptive:
    """Whether choosing once at θ_0 does as well as choosing at each state; `row`: sapo − sapo-once.

    `as well`: the interval lies within ± `AS_WELL_WITHIN`, or the two never differ at all, as
    where they always choose alike; else it is not shown. Whether the two differ is another
    question, which the contrasts answer with their correction.
    """
    if row["n_orders"] < LEAST:
        return "too few"
    if not _has_interval(row):
        return "as well" if row["value"] == 0 else "not shown"
    within = row["lower"] > -AS_WELL_WITHIN and row["upper"] < AS_WELL_WITHIN
    return "as well" if within else "not shown"


def primary_sentence(row: Row, verdict: Verdict | None) -> str:
    """The primary contrast read out; without a verdict its numbers alone."""
    strategy, reference = row["strategy"], row["reference"]
    return (
        f"{strategy} − {reference} = {signed(row['value'], 1)} points of average performance"
        f" after the last task ({interval(row, 1)}), with original test prompts."
        + ("" if verdict is None else f" {verdict.capitalize()}{_beyond(verdict)}.")
    )


def adaptive_sentence(row: Row, verdict: Adaptive | None, same: int, of: int) -> str:
    """Read out sapo − sapo-once, and how often the two choose alike."""
    words: dict[Adaptive | None, str] = {
        None: "no verdict",
        "as well": f"choosing once does as well (within ±{AS_WELL_WITHIN:g} points)",
        "not shown": "choosing once is not shown to do as well"
        f" (within ±{AS_WELL_WITHIN:g} points)",
        "too few": f"too few orders (fewer than {LEAST})",
    }
    return (
        f"State-adaptive? {row['strategy']} − {row['reference']} ="
        f" {signed(row['value'], 1)} points ({interval(row, 1)}): {words[verdict]}. They choose the"
        f" same prompt at {same} of {of} stages after the first."
    )


def interval(row: Row, digits: int) -> str:
    """A contrast's interval and what it speaks of."""
    if not _has_interval(row):
        return "no interval"
    bounds = f"{signed(row['lower'], digits)} to {signed(row['upper'], digits)}"
    n = row["n_orders"] if row["unit"] == "orders" else row["n_seeds"]
    return f"95 % over {n} {row['unit']}: {bounds}"


def _beyond(verdict: str) -> str:
    return f" orders (fewer than {LEAST})" if verdict == "too few" else ""


def _has_interval(row: Row) -> bool:
    return row["lower"] is not None and row["lower"] == row["lower"]
