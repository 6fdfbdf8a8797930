"""ROUGE-L, as the released SAPO code scores every task."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.base import EMPTY, Metric, of_the_training_half


def rouge_l(output: str, task: Task, target: str) -> float:
    """F1 of the longest common subsequence of words (rouge-score, Porter stemming), 0.0 to 1.0."""
    return float(_scorer().score(target, output)["rougeL"].fmeasure)


def seen_words(text: str) -> list[str]:
    """What rouge-score keeps of a text, before stemming: lower-case runs of a to z and 0 to 9."""
    return re.findall("[a-z0-9]+", text.lower())


@cache
def _scorer() -> Any:
    with of_the_training_half("rouge_l"):
        from rouge_score.rouge_scorer import RougeScorer
    return RougeScorer(["rougeL"], use_stemmer=True)


ROUGE_L = Metric(
    "rouge_l",
    "100 × the mean ROUGE-L F1 of outputs against targets (rouge-score with Porter stemming): the"
    " longest common subsequence of words, which are runs of a to z and 0 to 9, in lower case."
    + EMPTY,
    "its words equal the target's in order, stemmed and in lower case",
    rouge_l,
)
