"""Rules and warnings that stand below tables."""

from __future__ import annotations

from sapo_analysis.analysis.wording import RANDOM_WEIGHTS
from sapo_analysis.paper.numbers import ParaphraseNumbers, SequenceNumbers

NEW = "95 % interval for new tasks: Student t over tasks"
THESE = "95 % interval for these tasks alone: over prompts within each task"
PAIRED = "95 % interval: Student t over tasks, which are the pairs"


def standing(numbers: ParaphraseNumbers | SequenceNumbers) -> tuple[str, ...]:
    """Why nothing is concluded from these runs, if so; a control says that it means nothing."""
    found = [numbers.silent] if numbers.silent else []
    if any(run.has_random_weights for run in numbers.runs):
        found.append(f"{RANDOM_WEIGHTS[0].upper()}{RANDOM_WEIGHTS[1:]}.")
    return tuple(found)
