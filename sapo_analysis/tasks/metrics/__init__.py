"""Task metrics: how one greedy output is judged, and the score of a task.

Every score is 0 to 100, higher is better. An empty target is an answer like any other ("no letter
of the list"): an empty output is then right, and only that. For every other target an empty output
is wrong. Empty means nothing but white space.
"""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.base import Metric
from sapo_analysis.tasks.metrics.exact import EXACT_MATCH
from sapo_analysis.tasks.metrics.label import LABEL_ACCURACY
from sapo_analysis.tasks.metrics.numeric import NUMERIC_MATCH
from sapo_analysis.tasks.metrics.pairing import pairing_warnings
from sapo_analysis.tasks.metrics.rouge import ROUGE_L
from sapo_analysis.tasks.metrics.translation import BLEU, CHRF

__all__ = [
    "DEFINITIONS",
    "FULLY_RIGHT",
    "METRICS",
    "Metric",
    "correct",
    "pairing_warnings",
    "score",
]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (EXACT_MATCH, LABEL_ACCURACY, NUMERIC_MATCH, ROUGE_L, BLEU, CHRF)
}

DEFINITIONS = {name: metric.definition for name, metric in METRICS.items()}
"""Each metric's score (0 to 100) in words."""

FULLY_RIGHT = {name: metric.fully_right for name, metric in METRICS.items()}
"""When each metric counts a single output as right, in words."""


def score(task: Task, outputs: Sequence[str], targets: Sequence[str]) -> float:
    """The task's score over all given examples by its metric (0 to 100).

    Of a corpus metric the examples with an empty target, which have no words to count, are left out
    of the corpus and enter by their number: each gives 100 or 0.

    Raises:
        InputError: there are no examples, or not one output for each target.
    """
    if len(outputs) != len(targets) or not targets:
        raise InputError(
            f"Task {task.name!r} cannot be scored: {len(outputs)} outputs for {len(targets)} "
            "targets. Give one output for each target, and at least one."
        )
    metric = _metric(task)
    pairs = list(zip(outputs, targets, strict=True))
    if metric.corpus is None:
        return 100.0 * sum(_mark(metric, o, task, t) for o, t in pairs) / len(pairs)
    whole = [(o, t) for o, t in pairs if t.strip()]
    rest = sum(_mark(metric, o, task, t) for o, t in pairs if not t.strip())
    value = metric.corpus([o for o, _ in whole], [t for _, t in whole]) if whole else 0.0
    return (value * len(whole) + 100.0 * rest) / len(pairs)


def correct(task: Task, output: str, target: str) -> bool:
    """Whether this output is fully right by the task's metric (`FULLY_RIGHT`)."""
    return _mark(_metric(task), output, task, target) == 1.0


def _mark(metric: Metric, output: str, task: Task, target: str) -> float:
    if not target.strip() or not output.strip():
        return float(not target.strip() and not output.strip())
    return metric.mark(output, task, target)


def _metric(task: Task) -> Metric:
    if task.metric not in METRICS:
        raise unknown("metric", task.metric, list(METRICS), f"Task {task.name!r} names it.")
    return METRICS[task.metric]
