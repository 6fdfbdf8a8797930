"""Whether a task's metric can judge its answers: warnings read off its targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sapo_analysis.tasks.base import SPLITS, Example, Task
from sapo_analysis.tasks.choosing import are_read_off
from sapo_analysis.tasks.metrics.label import folding
from sapo_analysis.tasks.metrics.numeric import numbers
from sapo_analysis.tasks.metrics.rouge import seen_words
from sapo_analysis.tasks.scripts import UNSPACED_CHARACTER

_WORTH_SAYING = 0.1
"""Share of targets from which on a metric that only fits badly is warned about (0 to 1)."""
_LONG = 10
"""A free text of more words than this is hardly ever written again word by word."""
_BLEU_WORDS = 4
"""BLEU counts runs of one to four words."""
_PARTIAL = {"rouge_l": "ROUGE-L", "bleu": "BLEU", "chrf": "chrF"}


def pairing_warnings(task: Task) -> list[str]:
    """A sentence for each way in which the task's metric does not suit its targets, or none.

    All splits are read. Shares are of all targets that are not empty.
    """
    targets = Counter(row.target for row in _examples(task))
    total = sum(n for target, n in targets.items() if target.strip())
    check = _CHECKS.get(task.metric)
    if check is None or not total:
        return []
    return check(task, _Shares(targets, total))


def _examples(task: Task) -> list[Example]:
    return [row for split in SPLITS for row in task.examples(split)]


class _Shares:
    """How many targets are of some kind."""

    def __init__(self, targets: Counter[str], total: int):
        self._targets = targets
        self._total = total

    def of(self, is_so: Callable[[str], bool]) -> float:
        """The share of targets for which it holds (0 to 1)."""
        found = (n for target, n in self._targets.items() if target.strip() and is_so(target))
        return sum(found) / self._total

    def some(self, is_so: Callable[[str], bool], least: float = 0.0) -> str | None:
        """The share in words if it is above zero and at least `least`, else None."""
        share = self.of(is_so)
        if share == 0 or share < least:
            return None
        n = round(share * self._total)
        return f"{100 * share:.3g} % of the targets ({n} of {self._total})"


def _exact(task: Task, targets: _Shares) -> list[str]:
    share = targets.some(lambda target: len(target.split()) > _LONG, _WORTH_SAYING)
    # A long list of things from the input has one right answer all the same.
    if task.labels or share is None or are_read_off(_examples(task)):
        return []
    return [
        f"exact_match on long free text: {share} have more than {_LONG} words, and an answer that"
        " differs in one character counts as wrong. rouge_l or chrf measure how near it comes."
    ]


def _label(task: Task, targets: _Shares) -> list[str]:
    fold = folding(task.labels)
    known = {fold(label) for label in task.labels}
    found = []
    if share := targets.some(lambda target: fold(target) not in known):
        found.append(
            f"label_accuracy, but {share} are none of the labels: no answer to them can be right."
            " Mend the labels or the targets."
        )
    if len(known) < len(task.labels):
        found.append("label_accuracy, but some labels differ in white space at their ends alone.")
    elif fold is not folding(()):
        found.append(
            "label_accuracy: labels differ in case or surrounding punctuation alone, so for this"
            " task these count: an answer with a full stop after it may be wrong."
        )
    return found


def _numeric(task: Task, targets: _Shares) -> list[str]:
    found = []
    if share := targets.some(lambda target: not numbers(target)):
        found.append(
            f"numeric_match, but {share} hold no number: no answer to them can be right. Use"
            " exact_match, or label_accuracy with labels."
        )
    if share := targets.some(lambda target: len(numbers(target)) > 1, _WORTH_SAYING):
        found.append(
            f"numeric_match, but {share} hold several numbers, of which the last alone counts."
        )
    return found


def _rouge(task: Task, targets: _Shares) -> list[str]:
    found = _partial(task, targets)
    unseen = targets.some(lambda target: not seen_words(target))
    if unseen:
        found.append(
            f"rouge_l reads a to z and 0 to 9 alone: {unseen} hold none of these and score 0 even"
            " for an answer that equals them. Use exact_match or chrf."
        )
    if dropped := targets.some(
        lambda target: bool(seen_words(target)) and _drops_letters(target), _WORTH_SAYING
    ):
        found.append(
            f"rouge_l reads a to z and 0 to 9 alone: of {dropped} some letters are not read, so an"
            " answer that differs in these counts as equal. Use chrf."
        )
    return found


def _bleu(task: Task, targets: _Shares) -> list[str]:
    found = _partial(task, targets)
    if unspaced := targets.some(_is_unspaced, _WORTH_SAYING):
        found.append(
            f"bleu finds words by white space and punctuation: {unspaced} are in a script without"
            " spaces, in which a whole clause is one word. Use chrf."
        )
    short = targets.some(lambda target: len(target.split()) < _BLEU_WORDS, _WORTH_SAYING)
    if short and not unspaced:
        found.append(
            f"bleu counts runs of one to four words: {short} have fewer than four words. Where all"
            " have, it is 0 whatever is answered. Use exact_match or chrf."
        )
    return found


def _partial(task: Task, targets: _Shares) -> list[str]:
    """Metrics that give a part of the mark, on answers that are right or wrong."""
    metric = _PARTIAL[task.metric]
    if task.labels:
        return [
            f"{metric} on a task with labels: a wrong label gets a part of the mark for what it"
            " shares with the right one (ROUGE-L of '1 star' for '5 stars' is 50). Use"
            " label_accuracy."
        ]
    if task.metric == "bleu":
        return []
    share = targets.some(lambda target: len(target.split()) == 1, _WORTH_SAYING)
    if share is None or targets.of(_is_unspaced) >= _WORTH_SAYING:
        return []
    return [
        f"{task.metric} on single words: {share} are one word, which is right or wrong. Use"
        " exact_match, or label_accuracy with labels."
    ]


def _drops_letters(text: str) -> bool:
    return any(letter.isalnum() and not letter.isascii() for letter in text)


def _is_unspaced(text: str) -> bool:
    """Whether at least half of the letters are of a script that puts no spaces between words."""
    letters = [letter for letter in text if letter.isalpha()]
    unspaced = sum(bool(UNSPACED_CHARACTER.match(letter)) for letter in letters)
    return bool(letters) and 2 * unspaced >= len(letters)


_CHECKS = {
    "exact_match": _exact,
    "label_accuracy": _label,
    "numeric_match": _numeric,
    "rouge_l": _rouge,
    "bleu": _bleu,
    "chrf": _partial,
}
