"""Label accuracy: the output names the target label, of a closed set."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from unicodedata import category, normalize

from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.base import EMPTY, Metric


def label_accuracy(output: str, task: Task, target: str) -> float:
    """1.0 if the output names the target label, else 0.0; outside the task's labels it is wrong.

    Output, labels and target are compared after `folding` them.
    """
    fold = folding(task.labels)
    said = fold(output)
    return float(said in {fold(label) for label in task.labels} and said == fold(target))


@cache
def folding(labels: tuple[str, ...]) -> Callable[[str], str]:
    """The most forgiving of three comparisons that still tells all labels apart.

    Without case and without white space and punctuation at the ends; where labels would then be
    equal ("1" and "-1"), with punctuation; where they still would ("US" and "us"), with case too.
    """
    for fold in (_words_alone, _without_case, _without_edges):
        if len({fold(label) for label in labels}) == len(set(labels)):
            break
    return fold


def _words_alone(text: str) -> str:
    text = normalize("NFC", text)
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]):
        start += 1
    while end > start and _is_edge(text[end - 1]):
        end -= 1
    # A label may be punctuation alone.
    return text[start:end].casefold() or _without_case(text)


def _without_case(text: str) -> str:
    return _without_edges(text).casefold()


def _without_edges(text: str) -> str:
    return normalize("NFC", text).strip()


def _is_edge(character: str) -> bool:
    return character.isspace() or category(character)[0] in "PS"


LABEL_ACCURACY = Metric(
    "label_accuracy",
    "100 × the share of outputs that name the target label. Case, surrounding white space and"
    " surrounding punctuation do not count, unless labels differ in nothing else. An output that"
    " is no label of the task is wrong." + EMPTY,
    "it names the target label",
    label_accuracy,
)
