"""Do two wordings ask for the same? What a base model answers under each, compared.

Nothing is decided here: a share of answers alike is a reason to look at a prompt, and means
something only for a model whose answers follow what it is asked. So every share stands beside what
chance alone would give, and beside the share without any instruction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt

from sapo_analysis.analysis.estimate import Z_95
from sapo_analysis.tasks import Task, score
from sapo_analysis.tasks.metrics.label import folding

WITHOUT = ""
"""The text that stands for no instruction at all."""
MOST = 0.5
"""A model that gives fewer usable answers than this does not know the task."""
Answers = Sequence[str | None]


@dataclass(frozen=True)
class Alike:
    """A prompt's answers beside those under the original prompt, on the same dev examples.

    Attributes:
        text: The prompt.
        n: Examples that both prompts leave room for.
        n_alike: Of these, answered alike: equal labels by the task's folding, or equal texts but
            for white space.
        lower: Lower end of the 95 % Wilson interval of the share alike (0 to 1); nan without
            examples.
        upper: Upper end.
        by_chance: The share (0 to 1) expected alike were the answers of one prompt dealt out to the
            examples at random: near 1 where the model always says the same.
        usable: Share of the prompt's answers that are a label, or not empty where the answer is
            free text (0 to 1).
        score: The task's metric on the prompt's answers (0 to 100).
    """

    text: str
    n: int
    n_alike: int
    lower: float
    upper: float
    by_chance: float
    usable: float
    score: float

    @property
    def share(self) -> float:
        """Answered alike (0 to 1)."""
        return self.n_alike / self.n if self.n else nan


@dataclass(frozen=True)
class Equivalence:
    """The prompts of a task as one model answers under them.

    Attributes:
        original: The original prompt beside itself, for what its answers are worth.
        without: No instruction at all, beside the original.
        prompts: Every other prompt, in the order given.
        cannot_tell: Why this model cannot tell what is equivalent; "" where it can.
    """

    original: Alike
    without: Alike
    prompts: tuple[Alike, ...]
    cannot_tell: str

    def remark(self, prompt: Alike) -> str:
        """What a prompt's share says, in words."""
        if self.cannot_tell:
            return "cannot be told with this model"
        if not prompt.lower > prompt.by_chance:
            return "not above chance"
        if not prompt.lower > self.without.share:
            return "not above no instruction"
        return "above chance and above no instruction"


def equivalence(
    task: Task, original: str, answers: Mapping[str, Answers], n: int | None = None
) -> Equivalence:
    """Compare each prompt with the original one.

    Args:
        task: The task, whose first dev examples were asked about.
        original: Text of its original prompt.
        answers: Per text, what the model answered; with those of `original` and of `WITHOUT`.
        n: How many examples to compare; default: as many as the original was asked about.
    """
    n = len(answers[original]) if n is None else n
    rows = {text: list(own[:n]) for text, own in answers.items() if len(own) >= n}
    found = {text: _alike(task, text, own, rows[original]) for text, own in rows.items()}
    first, without = found.pop(original), found.pop(WITHOUT)
    return Equivalence(first, without, tuple(found.values()), _cannot_tell(task, first, without))


def wilson(n_yes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share of n; nan without any."""
    if n == 0:
        return nan, nan
    z2 = Z_95**2
    share = n_yes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends the bounds are 0 and 1 themselves, which rounding would miss.
    return (middle - half if n_yes else 0.0), (middle + half if n_yes < n else 1.0)


def folded(task: Task, answer: str) -> str:
    """An answer as it is compared: as the metric does with labels, else without extra white space.

    What is no label of a task with labels stays what it is.
    """
    return folding(task.labels)(answer) if _is_label(task, answer) else " ".join(answer.split())


def _is_label(task: Task, answer: str) -> bool:
    fold = folding(task.labels)
    return fold(answer) in {fold(label) for label in task.labels}


def _alike(task: Task, text: str, own: Answers, first: Answers) -> Alike:
    targets = [row.target for row in task.examples("dev", len(own))]
    both = [
        (folded(task, a), folded(task, b))
        for a, b in zip(own, first, strict=True)
        if a is not None and b is not None
    ]
    answered = [(a, t) for a, t in zip(own, targets, strict=True) if a is not None]
    n, n_alike = len(both), sum(a == b for a, b in both)
    mine, theirs = (Counter(pair[i] for pair in both) for i in (0, 1))
    lower, upper = wilson(n_alike, n)
    return Alike(
        text,
        n,
        n_alike,
        lower,
        upper,
        sum(k * theirs[answer] for answer, k in mine.items()) / n**2 if n else nan,
        sum(_is_usable(task, a) for a, _ in answered) / len(answered) if answered else nan,
        score(task, [a for a, _ in answered], [t for _, t in answered]) if answered else nan,
    )


def _is_usable(task: Task, answer: str) -> bool:
    return _is_label(task, answer) if task.labels else bool(answer.strip())


def _cannot_tell(task: Task, original: Alike, without: Alike) -> str:
    """Why the answers of this model say nothing about what prompts ask for; "" where they do."""
    if not original.n:
        return "No dev example fits into what the model reads."
    if original.usable < MOST:
        what = "outside the labels" if task.labels else "empty"
        return (
            f"Under the original prompt {100 * (1 - original.usable):.0f} % of its answers are"
            f" {what}: it does not know the task."
        )
    if not original.score > without.score:
        return (
            f"The instruction does not help it: it scores {original.score:.1f} under the original"
            f" prompt and {without.score:.1f} without any."
        )
    return ""
