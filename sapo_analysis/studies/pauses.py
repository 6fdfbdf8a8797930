"""Training that pauses to be looked at; where it pauses decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.meter import Meter


class Watcher(Protocol):
    """Looks at fine-tunes while they train; its looks change nothing of them."""

    def pauses(self, tuned: FineTunes) -> Sequence[int]:
        """Steps after which it looks at fine-tunes that have begun."""
        ...

    def look(self, tuned: FineTunes, step: int) -> None:
        """Measure the fine-tunes, which have taken `step` steps or come to their end."""
        ...


def train_watched(tuned: FineTunes, watchers: Sequence[Watcher], meter: Meter) -> None:
    """Train fine-tunes that have begun to their ends, paused for all looks in rising order."""
    wanted = [(watcher, set(watcher.pauses(tuned))) for watcher in watchers]
    for step in sorted({step for _, steps in wanted for step in steps}):
        with meter.time("train"):
            tuned.train(step)
        for watcher, steps in wanted:
            if step in steps:
                watcher.look(tuned, step)
    with meter.time("train"):
        tuned.train()
