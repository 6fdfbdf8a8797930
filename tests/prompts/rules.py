"""What makes the prompts of the suite varied, faithful and told apart: plain functions of texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_STOP_WORDS = set(
    "a an the of in to on at for from with by as and or nor but if so is are was were be been being"
    " it its this that these those there here what which who whom whose where when why how do does"
    " did done can could would should will shall may might must you your yours i me my we us our"
    " they them their he she his her not no only just one each any all some please then than too"
    " also very into out up down about over under".split()
)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower())


def pieces(text: str, labels: Sequence[str]) -> list[list[str]]:
    """The words between the label words: what a writer was free to choose."""
    # A label of one letter is one only where it stands as it is written.
    folded = {x if len(x) == 1 else x.lower() for x in labels}
    found: list[list[str]] = [[]]
    for word in re.findall(r"[A-Za-z0-9]+(?:'[a-z]+)?", text):
        if (word if len(word) == 1 else word.lower()) in folded:
            found.append([])
        else:
            found[-1].append(word.lower())
    return found


def spans(text: str, labels: Sequence[str], n: int = 5) -> set[tuple[str, ...]]:
    """Every run of `n` words between label words."""
    return {
        tuple(piece[i : i + n]) for piece in pieces(text, labels) for i in range(len(piece) - n + 1)
    }


def content_phrases(text: str, labels: Sequence[str]) -> set[tuple[str, str]]:
    """Every two content words in a row, stop words left out, between label words."""
    found: set[tuple[str, str]] = set()
    for piece in pieces(text, labels):
        content = [word for word in piece if word not in _STOP_WORDS]
        found |= set(zip(content, content[1:], strict=False))
    return found


def read_tasks(prompts: Sequence[tuple[str, str]]) -> list[str]:
    """The task of each (task, text) as a bag-of-words reader takes it that learned from the others.

    Multinomial naive Bayes with additive smoothing 0.1, leaving each prompt out in turn.
    """
    counts: dict[str, Counter[str]] = {}
    for task, text in prompts:
        counts.setdefault(task, Counter()).update(words(text))
    vocabulary = len({word for own in counts.values() for word in own})
    read = []
    for task, text in prompts:
        own = Counter(words(text))
        likelihood = {}
        for candidate, seen in counts.items():
            known = seen - own if candidate == task else seen
            total = sum(known.values()) + 0.1 * vocabulary
            likelihood[candidate] = sum(
                n * math.log((known[word] + 0.1) / total) for word, n in own.items()
            )
        read.append(max(likelihood, key=lambda candidate: likelihood[candidate]))
    return read
