"""Task metrics: how one greedy output is judged, and the score of a task."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.tasks.base import Task


def exact_match(output: str, task: Task, target: str) -> float:
    """1.0 if output and target are equal, else 0.0.

    White space at both ends is dropped and runs of white space inside count as one space; case and
    punctuation count. An empty output is wrong.
    """
    said = " ".join(output.split())
    return float(bool(said) and said == " ".join(target.split()))


def label_accuracy(output: str, task: Task, target: str) -> float:
    """1.0 if the output names the target label, else 0.0.

    Case, surrounding white space and surrounding punctuation are dropped from output, labels and
    target. An output that is empty or outside the task's label set is wrong.
    """
    said = _fold(output)
    return float(bool(said) and said in {_fold(x) for x in task.labels} and said == _fold(target))


METRICS: dict[str, Callable[[str, Task, str], float]] = {
    "exact_match": exact_match,
    "label_accuracy": label_accuracy,
}


DEFINITIONS = {
    "exact_match": "100 × the share of outputs that equal the target. White space at both ends is"
    " dropped and runs of it count as one space; case and punctuation count. An empty output is"
    " wrong.",
    "label_accuracy": "100 × the share of outputs that name the target label. Case, surrounding"
    " white space and surrounding punctuation do not count. An output that is empty or no label of"
    " the task is wrong.",
}
"""Each metric's score (0 to 100) in words."""


def score(task: Task, outputs: Sequence[str], targets: Sequence[str]) -> float:
    """The task's score: 100 times the mean of its per-example metric over all given examples."""
    if len(outputs) != len(targets) or not targets:
        raise InputError(
            f"Task {task.name!r} cannot be scored: {len(outputs)} outputs for {len(targets)} "
            "targets. Give one output for each target, and at least one."
        )
    judge = _metric(task)
    return (
        100.0 * sum(judge(o, task, t) for o, t in zip(outputs, targets, strict=True)) / len(targets)
    )


def correct(task: Task, output: str, target: str) -> bool:
    """Whether the task's metric gives this output its full mark."""
    return _metric(task)(output, task, target) == 1.0


def _metric(task: Task) -> Callable[[str, Task, str], float]:
    if task.metric not in METRICS:
        raise unknown("metric", task.metric, list(METRICS), f"Task {task.name!r} names it.")
    return METRICS[task.metric]


def _fold(text: str) -> str:
    return text.strip(string.whitespace + string.punctuation).casefold()
