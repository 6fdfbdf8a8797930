"""Diagnostics along a fine-tune: how the tuned task and the format of all other answers go.

`diagnostics.every` asks for them. At a look the tuned task is tested under the prompt it is learned
with and every other task under its original one; the same answers say how many are in the tuned
task's format (`tasks.formats`), and the gradient of the first training rows is held against that of
their labels shuffled (`learning.format_gradient`). Rows are the first that the study tests and
trains on, so a look reads nothing that the study would not. Of a fine-tune's own soft prompt, where
it has one, the persistence diagram is taken (`learning.topology`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.format_gradient import (
    LayerGradients,
    Shuffled,
    alignment_floor,
    cosines,
    last_layer_modules,
)
from sapo_analysis.learning.topology import Summary, summary
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.plan import AnyPlan
from sapo_analysis.plan.amounts import aligned_rows, looked_rows
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies import rows
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.meter import Meter
from sapo_analysis.tasks.formats import Format

TestRows = Callable[[str, Prompt], Sequence[Encoded]]
"""A task's test rows under a prompt, at least as many as a look reads."""


@dataclass(frozen=True)
class Looked:
    """A fine-tune as looks see it: what it learns, under which prompt, from which rows."""

    trial_id: str
    task: str
    prompt: Prompt
    rows: Sequence[Encoded]


class Looks:
    """Looks at the fine-tunes of one stack, as a `Watcher`.

    A fine-tune that diverged is not looked at any more; one that has come to its end before others
    is looked at there.

    Attributes:
        rows: `diagnostics` rows of each fine-tune.
        persistence: `persistence` rows of each fine-tune.
    """

    def __init__(
        self,
        plan: AnyPlan,
        looked: Sequence[Looked],
        test_rows: TestRows,
        meter: Meter,
        say: Callable[[str], None],
    ):
        self._plan, self._looked, self._meter, self._say = plan, looked, meter, say
        self._test_rows, self._settings = test_rows, plan.study.diagnostics
        self._n = looked_rows(plan.study)
        self._formats = {one.task: format_of(plan, one.task) for one in looked}
        self._batches = [one.rows[: aligned_rows(plan.study)] for one in looked]
        self.rows: list[list[rows.Row]] = [[] for _ in looked]
        self.persistence: list[list[rows.Row]] = [[] for _ in looked]

    def pauses(self, tuned: FineTunes) -> tuple[int, ...]:
        """See `Watcher.pauses`: 0, every, 2 · every, …, and the end."""
        end = tuned.total_steps
        return (*range(0, end, self._settings.every), end) if self._settings.every else ()

    def look(self, tuned: FineTunes, step: int) -> None:
        """See `Watcher.look`."""
        taken = [min(step, len(fit.losses)) for fit in tuned.fits]
        seen = [{row["step"] for row in own} for own in self.rows]
        wanted = [
            k for k, fit in enumerate(tuned.fits) if not fit.diverged and taken[k] not in seen[k]
        ]
        if not wanted:
            return
        self._say(f"at step {step} of {tuned.total_steps}")
        tests = [(name, self._evaluated(tuned, name)) for name in self._plan.tasks]
        aligned = self._alignments(tuned)
        # The update before this look can have overflowed; then its numbers say nothing.
        wanted = [k for k in wanted if all(math.isfinite(own[k].loss) for _, own in tests)]
        clouds = self._clouds(tuned, wanted)
        for k in wanted:
            trial_id = self._looked[k].trial_id
            found = [row for name, own in tests for row in self._tested(k, name, own[k], step)]
            found += aligned[k]
            if k in clouds:
                found += rows.cloud(*clouds[k])
                self.persistence[k] += rows.persistence(trial_id, taken[k], clouds[k][0].bars)
            self.rows[k] += [rows.diagnostic(trial_id, taken[k], one) for one in found]

    def _clouds(self, tuned: FineTunes, wanted: Sequence[int]) -> dict[int, tuple[Summary, int]]:
        """Of these fine-tunes with a soft prompt: its point cloud, and its virtual tokens."""
        with self._meter.time("evaluate"):
            prompts = tuned.soft_prompts()
            return {k: (summary(prompts[k]), len(prompts[k])) for k in wanted if prompts}

    def _evaluated(self, tuned: FineTunes, name: str) -> list[Evaluation]:
        """All fine-tunes on a task, under their own prompts where it is the one they learn."""
        original = self._plan.originals[name]
        prompts = [one.prompt if one.task == name else original for one in self._looked]
        task = self._plan.tasks[name]
        with self._meter.time("evaluate"):
            found = tuned.evaluate(
                task,
                task.examples("test", self._n),
                [self._test_rows(name, prompt)[: self._n] for prompt in prompts],
            )
        for own in found:
            self._meter.add("evaluate", len(own.outputs), own.tokens, own.logits)
        return found

    def _tested(self, k: int, name: str, result: Evaluation, step: int) -> list[rows.Diagnostic]:
        n = len(result.outputs)
        if self._looked[k].task == name:
            shares = [
                rows.Diagnostic("chosen_share", prompt_id, times / n, n)
                for prompt_id, times in sorted(Counter(result.chosen).items())
            ]
            return [rows.Diagnostic("tuned_score", name, result.value, n), *shares]
        form = self._formats[self._looked[k].task]
        found = [
            rows.Diagnostic("other_score", name, result.value, n),
            rows.Diagnostic("format_ratio", name, form.ratio(result.outputs), n),
        ]
        if step == 0:
            targets = [row.target for row in self._plan.tasks[name].examples("test", n)]
            share = form.ratio(targets)
            found.append(rows.Diagnostic("format_ratio_of_targets", name, share, n))
        return found

    def _alignments(self, tuned: FineTunes) -> list[list[rows.Diagnostic]]:
        """Of each fine-tune: cosine with the gradient of shuffled labels, its floor, by layer."""
        shuffles = self._settings.shuffles
        with self._meter.time("evaluate"):
            gradients = batch_and_format(tuned, self._batches, shuffles)
        found = []
        for batch, (own, form) in zip(self._batches, gradients, strict=True):
            for one in (own, form):  # the backward pass through a single layer is left out
                self._meter.add("evaluate", one.examples, one.tokens, one.logits)
            floor = alignment_floor(Shuffled(len(batch), shuffles).kept(batch))
            found.append(
                [
                    rows.Diagnostic(name, module, value, len(batch))
                    for module, cosine in cosines(own, form).items()
                    for name, value in (
                        ("gradient_alignment", cosine),
                        ("gradient_alignment_floor", floor),
                    )
                ]
            )
        return found


def batch_and_format(
    tuned: FineTunes, batches: Sequence[Sequence[Encoded]], shuffles: int
) -> list[tuple[LayerGradients, LayerGradients]]:
    """Of each fine-tune the gradient of its batch, and of the batch with its labels shuffled.

    The latter is the mean over all shuffles: every one has the same target tokens.
    """
    own = tuned.gradients(batches)
    form = tuned.gradients([Shuffled(len(batch), shuffles).rows(batch) for batch in batches])
    return list(zip(own, form, strict=True))


def format_of(plan: AnyPlan, task: str) -> Format:
    """The answer format of a task, from the targets that a study trains on."""
    n = plan.study.training.examples
    targets = [row.target for row in plan.tasks[task].examples("train", n)]
    return Format.of(plan.tasks[task], targets)


def check_looks(
    plan: AnyPlan, model: PreTrainedModel, batches: Mapping[str, Sequence[Encoded]], most: int
) -> None:
    """Refuse early what looks cannot do.

    Args:
        plan: of the study.
        model: its base model.
        batches: training rows by what they are of, as a look's fine-tune has them.
        most: the longest text the model reads (tokens).

    Raises:
        InputError: the model's last layer is not known, or a text with another row's answer does
            not fit the model.
    """
    if not plan.study.diagnostics.every:
        return
    last_layer_modules(model)
    for name, rows_of_it in batches.items():
        own = rows_of_it[: aligned_rows(plan.study)]
        longest = max(row.target_start for row in own) + max(row.n_target for row in own)
        if longest > most:
            raise InputError(
                "The gradient alignment reads training texts with each other's answers, of which"
                f" the longest has {longest} tokens ({name}); the model reads {most}. Lower"
                " diagnostics.examples or inputs.max_tokens, or set diagnostics.every to 0."
            )
