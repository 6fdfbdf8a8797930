"""What is measured of fine-tunes while they train: at both ends and at every checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sapo_analysis.plan import Trial
from sapo_analysis.plan.amounts import looks_of
from sapo_analysis.studies import rows
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.meter import Meter

if TYPE_CHECKING:
    from sapo_analysis.studies.paraphrase import ParaphraseWork


class Watch:
    """Looks at the trials of one group; between looks they train as if nobody looked.

    A look takes the dev loss and the size of the update; at a checkpoint also every task's score. A
    trial that diverged is not looked at any more.

    Attributes:
        steps: optimizer steps after which to look, rising (`looks_of`).
        scores: `scores` rows of each trial, those of the checkpoints alone.
        curves: `curves` rows of each trial, series `delta_norm` and `dev_loss`.
    """

    def __init__(self, work: ParaphraseWork, trials: Sequence[Trial], meter: Meter):
        self._work, self._trials, self._meter = work, trials, meter
        self.steps = looks_of(work.plan.study, trials)
        self.scores: list[list[rows.Row]] = [[] for _ in trials]
        self.curves: list[list[rows.Row]] = [[] for _ in trials]

    def pauses(self, tuned: FineTunes) -> tuple[int, ...]:
        """See `Watcher.pauses`."""
        return self.steps

    def look(self, tuned: FineTunes, step: int) -> None:
        """Measure the trials that have taken `step` steps."""
        training = [k for k, fit in enumerate(tuned.fits) if not fit.diverged]
        if not training:
            return
        plan, task = self._work.plan, self._trials[0].task
        self._work.say(f"{task}: at step {step} of {plan.study.training.steps}")
        scores: list[list[rows.Row]] = [[] for _ in self._trials]
        if step in self.steps[1:-1]:  # both ends are measured in any case
            measured = self._work.measure_trials(self._trials, tuned, self._meter)
            for trial, results, found in zip(self._trials, measured, scores, strict=True):
                for name, prompt, _, result in results:
                    key = rows.measured(trial.state_id, trial, name, prompt, step)
                    role = plan.role(trial, name)
                    found.append(rows.score(key, plan.tasks[name], role, result))
        dev_losses, norms = self._dev_losses(tuned), tuned.delta_norms()
        for k in training:
            series = {"dev_loss": dev_losses[k]}
            if norms is not None:
                series = {"delta_norm": norms[k], **series}
            # The update before this look can have overflowed; then its numbers say nothing.
            if all(map(math.isfinite, [*series.values(), *(row["loss"] for row in scores[k])])):
                trial_id = self._trials[k].trial_id
                self.curves[k] += [rows.curve(trial_id, step, *item) for item in series.items()]
                self.scores[k] += scores[k]

    def _dev_losses(self, tuned: FineTunes) -> list[float]:
        encoded = [self._work.dev_rows(trial.task, trial.prompt) for trial in self._trials]
        with self._meter.time("evaluate"):
            found = tuned.mean_losses(encoded)
        for own, loss in zip(encoded, found, strict=True):
            self._meter.add("evaluate", len(own), loss.tokens, loss.logits)
        return [loss.value for loss in found]
