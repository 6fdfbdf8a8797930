"""Exact match: the output is the target."""

from __future__ import annotations

from unicodedata import normalize

from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.base import EMPTY, Metric


def exact_match(output: str, task: Task, target: str) -> float:
    """1.0 if output and target are equal, else 0.0.

    White space at both ends is dropped and runs of white space inside count as one space; case and
    punctuation count. A letter with an accent is the same as one character or as two, for some
    tokenizers write the one where the target has the other.
    """
    return float(normalize("NFC", output).split() == normalize("NFC", target).split())


EXACT_MATCH = Metric(
    "exact_match",
    "100 × the share of outputs that equal the target. White space at both ends is dropped and"
    " runs of it count as one space; case and punctuation count." + EMPTY,
    "it equals the target but for white space",
    exact_match,
)
