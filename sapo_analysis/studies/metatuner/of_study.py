"""MetaTuner (small) in a paraphrase study: which prompts and labels its fine-tunes have."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from transformers import PreTrainedModel

from sapo_analysis.methods.meta_tuning import MetaTuning
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.plan import Plan
from sapo_analysis.plan.amounts import labelled_rows
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.metatuner.candidates import Candidates
from sapo_analysis.studies.metatuner.fine_tunes import metatuned
from sapo_analysis.studies.metatuner.labels import best_candidates
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.rows import dev_examples
from sapo_analysis.tasks.base import Split


class MetaTuners:
    """Makes fine-tunes of a study whose method writes for each text.

    What is the same for all of them is found out once: a task's texts under its candidates, and at
    each state the best candidate of each labelled row.
    """

    def __init__(self, engine: Engine, plan: Plan, made: MetaTuning):
        self._engine, self._plan, self._made = engine, plan, made
        self._candidates: dict[str, Candidates] = {}
        self._labels: dict[tuple[str, str], list[int]] = {}

    def start(
        self, model: PreTrainedModel, state_id: str, task: str, seed: int, meter: Meter
    ) -> AbstractContextManager[FineTunes]:
        """A fine-tune of a task on a state, as it starts; finding out labels counts as scoring."""
        labels: Sequence[int] = ()
        if self._made.policy:
            if (state_id, task) not in self._labels:
                self._labels[state_id, task] = self._found(model, task, meter)
            labels = self._labels[state_id, task]
        return self._metatuned(model, self._made, task, labels, seed)

    def unlabelled(
        self, model: PreTrainedModel, task: str, seed: int = 0
    ) -> AbstractContextManager[FineTunes]:
        """A fine-tune that is taught to choose the original: to try it, or to take its time."""
        n = labelled_rows(self._plan.study) if self._made.policy else 0
        never = self._made.settings.model_copy(update={"refresh": 0})
        made = replace(self._made, settings=never)
        return self._metatuned(model, made, task, [0] * n, seed)

    def tokens_per_step(self, rows: Sequence[Encoded]) -> float:
        """Tokens that an average step reads; a token through half the layers is half a token."""
        made, share = self._made, self._made.settings.share
        read = sum(len(row.ids) for row in rows) / len(rows)
        before = sum(row.target_start for row in rows) / len(rows)
        # To write or choose for the actor's rows, and to learn from the labelled ones.
        passes = 1 + made.policy + (made.policy and made.parameters and not made.shared)
        return self._plan.study.training.batch_size * (read + passes * share * before)

    def label_tokens(self, task: str) -> int:
        """Tokens read to label a task's rows at one state, about."""
        read = self._under_candidates(task)
        return sum(self._engine.reading(rows)[0] for rows in read) if self._made.policy else 0

    def _metatuned(
        self,
        model: PreTrainedModel,
        made: MetaTuning,
        task: str,
        labels: Sequence[int],
        seed: int,
    ) -> AbstractContextManager[FineTunes]:
        candidates = self._candidates_of(task)
        return metatuned(self._engine, model, made, candidates, labels, seed)

    def _candidates_of(self, task: str) -> Candidates:
        if task not in self._candidates:
            study, data = self._plan.study, self._plan.tasks[task]
            prompts, encode = self._plan.candidates(task), self._engine.encoder.encode_split
            n_tested = study.evaluation.examples
            read: list[tuple[Split, int, int]] = [("train", study.training.examples, 0)]
            read += [("test", n_tested, n_shots) for n_shots in study.evaluation.n_shots]
            if study.evaluation.checkpoints:
                read.append(("dev", len(dev_examples(self._plan, task)), 0))
            texts = [
                [encode(data, split, n, prompt, n_shots) for prompt in prompts]
                for split, n, n_shots in read
            ]
            self._candidates[task] = Candidates([p.prompt_id for p in prompts], texts)
        return self._candidates[task]

    def _under_candidates(self, task: str) -> list[Sequence[Encoded]]:
        """The labelled rows under each candidate."""
        study, data = self._plan.study, self._plan.tasks[task]
        n = labelled_rows(study)
        encode, n_trained = self._engine.encoder.encode_split, study.training.examples
        return [encode(data, "train", n_trained, p)[:n] for p in self._plan.candidates(task)]

    def _found(self, model: PreTrainedModel, task: str, meter: Meter) -> list[int]:
        losses = []
        for rows in self._under_candidates(task):
            with meter.time("score"):
                losses.append(self._engine.losses(model, rows))
            meter.add("score", len(rows), *self._engine.reading(rows))
        return best_candidates(losses)
