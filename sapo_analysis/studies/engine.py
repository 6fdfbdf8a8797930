"""The plain engine: carries out one group of a plan at a time, one adapter after the other.

It is the reference: no batching over prompts or adapters, so each number can be followed by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation, evaluate
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.learning.training import Fit, train
from sapo_analysis.models.encoding import Encoder, count_tokens
from sapo_analysis.models.loading import Device, context_length, load_tokenizer
from sapo_analysis.models.lora import fresh_adapter, save_adapter
from sapo_analysis.plan import BASE_STATE, Group, Plan, Stage, Trial, stream_seed
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies import rows
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.states import States

Rows = dict[str, list[dict[str, Any]]]
Say = Callable[[str], None]


class PlainEngine:
    """Runs the groups of one plan on one device."""

    name = "plain"
    chunk = 1

    def __init__(self, plan: Plan, device: Device, states_folder: Path):
        self.plan = plan
        self.device = device
        self.states = States(plan, device, states_folder)
        self.say: Say = lambda phase: None
        tokenizer = load_tokenizer(plan.model)
        base = self.states.at(BASE_STATE)
        self.encoder = Encoder(tokenizer, context_length(base))
        self._n_parameters = sum(p.numel() for p in base.parameters())

    @property
    def _made_by(self) -> rows.Row:
        """How trials are made: every candidate is trained, so there is no policy."""
        return {
            "policy": None,
            "method": self.plan.study.method,
            "engine": self.name,
            "chunk": self.chunk,
            "device": self.device.name,
        }

    def check_lengths(self) -> None:
        """Encode all the study will read, so that a text that does not fit is refused early."""
        study = self.plan.study
        for name, task in self.plan.tasks.items():
            self.encoder.encode_split(task, "test", study.evaluation.examples, self.original(name))
        for name, candidates in self.plan.prompts.items():
            for prompt in candidates:
                self.training_rows(name, prompt)
                self.scoring_rows(name, prompt)
                self.encoder.encode_split(
                    self.plan.tasks[name], "test", study.evaluation.examples, prompt
                )
        for stage in self.plan.stages.values():
            self.training_rows(stage.task, self.original(stage.task))

    def run(self, group: Group) -> Rows:
        """Everything that one group measures, as table rows."""
        meter = Meter(self._n_parameters)
        if group.kind == "base":
            found = self._base(meter)
        elif group.stage is not None:
            found = self._stage(group.stage, meter)
        elif group.trial is not None:
            found = self._trial(group.trial, meter)
        else:
            assert group.state_id is not None and group.task is not None
            found = self._score(group.state_id, group.task, meter)
        return {**found, "costs": meter.rows(group.group_id)}

    def original(self, task: str) -> Prompt:
        """The prompt a task came with: past tasks learn with it, every task is tested with it."""
        return self.plan.originals[task]

    def training_rows(self, task: str, prompt: Prompt) -> Sequence[Any]:
        """The examples a task is trained on, encoded under a prompt."""
        return self.encoder.encode_split(
            self.plan.tasks[task], "train", self.plan.study.training.examples, prompt
        )

    def scoring_rows(self, task: str, prompt: Prompt) -> Sequence[Any]:
        """The examples a prompt's pre-update loss is taken over, encoded under it."""
        return self.encoder.encode_split(
            self.plan.tasks[task], "train", self.plan.study.scoring.examples, prompt
        )

    def _base(self, meter: Meter) -> Rows:
        self.say("measuring the base model")
        prompts = {prompt.text: prompt for prompt in self._all_prompts()}
        lengths = dict(
            zip(prompts, count_tokens(self.encoder.tokenizer, list(prompts)), strict=True)
        )
        found = self._evaluate_state(BASE_STATE, meter)
        found["states"] = [rows.state(BASE_STATE, None, None, ())]
        found["prompts"] = [rows.prompt(p, lengths[p.text]) for p in self._all_prompts()]
        found["examples"] = rows.examples(self.plan)
        return found

    def _stage(self, stage: Stage, meter: Meter) -> Rows:
        self.say(f"learning past task {stage.task}")
        prompt = self.original(stage.task)
        seed = stream_seed(stage.state_seed, stage.parent_id, stage.task)
        with fresh_adapter(self.states.at(stage.parent_id), self.plan.study.lora, seed) as adapted:
            fit = self._train(adapted, stage.task, prompt, seed, meter)
            if fit.diverged:
                raise FloatingPointError(
                    f"Learning the past task {stage.task!r} diverged at step {len(fit.losses)}:"
                    " its loss is not finite. Lower training.learning_rate."
                )
            save_adapter(adapted, self.states.folder(stage.state_id))
        found = self._evaluate_state(stage.state_id, meter)
        found["states"] = [
            rows.state(stage.state_id, stage.parent_id, stage.state_seed, stage.learned)
        ]
        found["trials"] = [rows.past_trial(stage, prompt, self._made_by)]
        found["curves"] = rows.curves(stage.trial_id, fit)
        return found

    def _score(self, state_id: str, task: str, meter: Meter) -> Rows:
        model = self.states.at(state_id)
        study = self.plan.study
        found: Rows = {"candidate_losses": [], "indicators": [], "scores": [], "predictions": []}
        candidates = self.plan.candidates(task)
        for i, prompt in enumerate(candidates, start=1):
            self.say(f"scoring prompt {i} of {len(candidates)} of {task}")
            encoded = self.scoring_rows(task, prompt)
            with meter.time("score"):
                losses = example_losses(
                    model, encoded, study.evaluation.batch_size, self.encoder.tokenizer.pad_token_id
                )
            meter.add("score", len(encoded), sum(len(row.ids) for row in encoded))
            found["candidate_losses"] += rows.candidate_losses(state_id, prompt, losses)
            n_tokens = count_tokens(self.encoder.tokenizer, [prompt.text])[0]
            found["indicators"] += rows.indicators(
                state_id, prompt, losses, n_tokens, study.scoring.batch_size
            )
            # Under the original prompt the state is measured as a whole.
            if prompt != self.original(task):
                self._measure(model, state_id, None, task, prompt, meter, found)
        return found

    def _trial(self, trial: Trial, meter: Meter) -> Rows:
        self.say(f"{trial.task}: training with {trial.prompt.prompt_id}, seed {trial.seed}")
        found: Rows = {"scores": [], "predictions": []}
        seed = stream_seed(trial.seed, trial.state_id, trial.task)
        with fresh_adapter(self.states.at(trial.state_id), self.plan.study.lora, seed) as adapted:
            fit = self._train(adapted, trial.task, trial.prompt, seed, meter)
            diverged = fit.diverged
            if not diverged:
                self.say(f"{trial.task}: evaluating {trial.prompt.prompt_id}, seed {trial.seed}")
                for name in self.plan.tasks:
                    self._measure(
                        adapted, trial.state_id, trial, name, self.original(name), meter, found
                    )
                if trial.prompt != self.original(trial.task):
                    self._measure(
                        adapted, trial.state_id, trial, trial.task, trial.prompt, meter, found
                    )
        # The last update can overflow too; then the scores say nothing and are not kept.
        if diverged or not all(math.isfinite(row["loss"]) for row in found["scores"]):
            diverged, found = True, {}
        found["trials"] = [rows.trial(trial, "diverged" if diverged else "done", self._made_by)]
        found["curves"] = rows.curves(trial.trial_id, fit)
        return found

    def _train(
        self, adapted: PreTrainedModel, task: str, prompt: Prompt, seed: int, meter: Meter
    ) -> Fit:
        encoded = self.training_rows(task, prompt)
        settings = self.plan.study.training
        with meter.time("train"):
            fit = train(adapted, encoded, settings, seed, self.encoder.tokenizer.pad_token_id)
        n_trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
        meter.add("train", len(fit.losses) * settings.batch_size, fit.tokens, n_trained)
        return fit

    def _evaluate_state(self, state_id: str, meter: Meter) -> Rows:
        model = self.states.at(state_id)
        found: Rows = {"scores": [], "predictions": []}
        for name in self.plan.tasks:
            self._measure(model, state_id, None, name, self.original(name), meter, found)
        return found

    def _measure(
        self,
        model: PreTrainedModel,
        state_id: str,
        trial: Trial | None,
        task_name: str,
        prompt: Prompt,
        meter: Meter,
        found: Rows,
    ) -> None:
        task, settings = self.plan.tasks[task_name], self.plan.study.evaluation
        encoded = self.encoder.encode_split(task, "test", settings.examples, prompt)
        with meter.time("evaluate"):
            result: Evaluation = evaluate(
                model,
                self.encoder,
                task,
                task.examples("test", settings.examples),
                encoded,
                settings.batch_size,
            )
        meter.add("evaluate", len(encoded), result.tokens)
        key = rows.measured(state_id, trial, task_name, prompt, self.plan.study.training.steps)
        role = None if trial is None else self.plan.role(trial, task_name)
        found["scores"].append(rows.score(key, task, role, result))
        found["predictions"] += rows.predictions(key, result, settings.n_predictions_kept)

    def _all_prompts(self) -> list[Prompt]:
        """Every prompt the study reads: all candidates, and each evaluated task's fixed prompt."""
        fixed = [self.original(name) for name in self.plan.tasks if name not in self.plan.prompts]
        return [*(p for candidates in self.plan.prompts.values() for p in candidates), *fixed]
