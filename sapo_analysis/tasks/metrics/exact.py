"""Exact match: the output is the target."""

from __future__ import annotations

from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.base import EMPTY, Metric


def exact_match(output: str, task: Task, target: str) -> float:
    """1.0 if output and target are equal, else 0.0.

    White space at both ends is dropped and runs of white space inside count as one space; case and
    punctuation count.
    """
    return float(output.split() == target.split())


EXACT_MATCH = Metric(
    "exact_match",
    "100 × the share of outputs that equal the target. White space at both ends is dropped and"
    " runs of it count as one space; case and punctuation count." + EMPTY,
    "it equals the target but for white space",
    exact_match,
)
