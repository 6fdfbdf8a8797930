"""Cells and tables of a Markdown report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.output import MISSING

Report = dict[str, Any]

OUTCOMES = tuple(CLAIM_OUTCOMES.values())
"""(quantity in score form, role)."""


def outcome_words(outcome: tuple[str, str]) -> str:
    """An outcome as a column's head."""
    quantity, role = outcome
    return quantity if quantity == "generalization" else f"{quantity}, {role}"


def estimate(row: Report | None) -> str:
    """Value and interval; a dash where there is none."""
    if row is None:
        return MISSING
    return f"{signed_or_dash(row['value'])} ({interval(row)})"


def interval(row: Report) -> str:
    """Lower to upper; a dash where there is none."""
    if row["lower"] is None:
        return MISSING
    return f"{signed_or_dash(row['lower'])} to {signed_or_dash(row['upper'])}"


def signed_or_dash(value: float | None) -> str:
    """A number with its sign; a dash where there is none."""
    return MISSING if value is None else signed(value)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; empty without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
