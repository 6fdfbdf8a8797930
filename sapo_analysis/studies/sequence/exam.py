"""Measuring states on every task of a sequence, under every kind of test prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation, of_first
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies import rows as shared_rows
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.sequence import rows
from sapo_analysis.studies.sequence.stages import FineTune
from sapo_analysis.studies.sequence.texts import Texts

Result = tuple[str, Prompt, int, Evaluation]
"""A task, the prompt it was tested with, behind how many demonstrations, what came out."""


class Exam:
    """The tests of a study."""

    def __init__(self, engine: Engine, texts: Texts):
        self._engine, self._texts, self._plan = engine, texts, texts.plan

    def of_base(self, base: PreTrainedModel, meter: Meter) -> list[Result]:
        """The base model under every fixed test prompt."""
        found: list[Result] = []
        for task, prompt, n_shots in self._texts.fixed_tests():
            encoded = self._texts.test(task, prompt, n_shots)
            examples = self._plan.tasks[task].examples("test", len(encoded))
            with meter.time("evaluate"):
                result = self._engine.evaluate(base, self._plan.tasks[task], examples, encoded)
            meter.add("evaluate", len(encoded), result.tokens, result.logits)
            found.append((task, prompt, n_shots, result))
        return found

    def of_stage(
        self, tunes: Sequence[FineTune], tuned: FineTunes, meter: Meter
    ) -> list[list[Result]]:
        """Fine-tunes of one stage, each under fixed test prompts and those it learned with."""
        found: list[list[Result]] = [[] for _ in tunes]
        if all(fit.diverged for fit in tuned.fits):
            return found
        settings = self._plan.study.evaluation
        last = len(tunes[0].place.past) + 1 == len(self._plan.study.tasks)
        n = settings.at_the_end if last else settings.examples
        for task, prompts, n_shots in self._tests(tunes):
            # All adapters of a stack read: one that asks for nothing reads the original again.
            read = [prompt or self._plan.originals[task] for prompt in prompts]
            with meter.time("evaluate"):
                results = tuned.evaluate(
                    self._plan.tasks[task],
                    self._plan.tasks[task].examples("test", n),
                    [self._texts.test(task, prompt, n_shots)[:n] for prompt in read],
                )
            for mine, prompt, result in zip(found, prompts, results, strict=True):
                meter.add("evaluate", n, result.tokens, result.logits)
                if prompt is not None:
                    mine.append((task, prompt, n_shots, result))
        return found

    def scores(self, state_id: str, found: Result) -> list[dict[str, Any]]:
        """`scores` rows of one result: over what every stage is measured on, and over all."""
        task, prompt, n_shots, result = found
        of = self._plan.tasks[task]
        examples = of.examples("test", len(result.outputs))
        encoded = self._texts.test(task, prompt, n_shots)
        sizes = dict.fromkeys((self._plan.study.evaluation.examples, len(examples)))
        return [
            rows.score(
                *(state_id, task, of.metric, prompt, n_shots),
                *of_first(result, of, examples, encoded, n),
                n,
            )
            for n in sizes
        ]

    def predictions(self, state_id: str, found: Result) -> list[dict[str, Any]]:
        """`predictions` rows of one result: of the task's original prompt, or none."""
        task, prompt, n_shots, result = found
        if prompt != self._plan.originals[task]:
            return []
        key = shared_rows.measured(state_id, None, task, prompt, 0, n_shots)
        return shared_rows.predictions(key, result, self._plan.study.evaluation.kept)

    def _tests(self, tunes: Sequence[FineTune]) -> Iterator[tuple[str, list[Prompt | None], int]]:
        """(task, the prompt each fine-tune is tested with or None, number of demonstrations)."""
        for task, prompt, n_shots in self._texts.fixed_tests():
            yield task, [prompt] * len(tunes), n_shots
        own = [dict(self._learned_with(tune)) for tune in tunes]
        for task in self._plan.tasks:
            if any(task in mine for mine in own):
                yield task, [mine.get(task) for mine in own], 0

    def _learned_with(self, tune: FineTune) -> Iterator[tuple[str, Prompt]]:
        """Every learned task with the prompt it was learned with, where that is another one."""
        learned = [(stage.task, stage.prompt) for stage in tune.place.past]
        for task, prompt in [*learned, (tune.task, tune.prompt)]:
            if prompt != self._plan.originals[task]:
                yield task, prompt
