"""A paraphrase study's work: one group of its plan at a time, as table rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.members import Dev, Member
from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.encoding import Encoded, count_tokens
from sapo_analysis.models.loading import Device
from sapo_analysis.plan import BASE_STATE, Group, Plan, Stage, Trial, stream_seed
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import MethodName
from sapo_analysis.studies import rows
from sapo_analysis.studies.composed import Begun, check_recipe, composed
from sapo_analysis.studies.diagnostics import Diagnostics
from sapo_analysis.studies.engines import make_engine
from sapo_analysis.studies.fine_tunes import FineTunes, trained_values
from sapo_analysis.studies.kept_adapters import KeptAdapters
from sapo_analysis.studies.looks import Looked, Looks, check_looks
from sapo_analysis.studies.memory import halved_when_full
from sapo_analysis.studies.metatuner.of_study import MetaTuners
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.pauses import Watcher, train_watched
from sapo_analysis.studies.readings import readings
from sapo_analysis.studies.sequence.whole_model import whole_model
from sapo_analysis.studies.states import States
from sapo_analysis.studies.watch import Watch
from sapo_analysis.tasks.base import Example

Rows = dict[str, list[dict[str, Any]]]
Say = Callable[[str], None]
Started = Callable[[PreTrainedModel], AbstractContextManager[FineTunes]]
"""Puts fine-tunes on a model."""
Measured = tuple[str, Prompt, int, Evaluation]
"""A task, the prompt it was tested with, behind how many demonstrations, what came out."""


class ParaphraseWork:
    """Runs the groups of one plan on one device."""

    def __init__(self, plan: Plan, device: Device, states_folder: Path):
        self.plan = plan
        self.states = States(plan, device, states_folder)
        self.engine = make_engine(plan, device, self.states.at(BASE_STATE))
        self.kept = KeptAdapters(plan, states_folder.parent)
        self.encoder = self.engine.encoder
        self.say: Say = lambda phase: None
        self.diagnostics = Diagnostics(self) if plan.study.scoring.diagnostics else None
        self._method = make_method(plan.study.method, plan.study)
        made = self._method.metatuned()
        self.tuners = None if made is None else MetaTuners(self.engine, plan, made)
        self.trained_values: dict[str, int] = {}

    def _made_by(self, chunk: int, method: MethodName) -> rows.Row:
        """How trials are made: every candidate is trained, so there is no policy."""
        return {
            "policy": None,
            "method": method,
            "engine": self.engine.name,
            "chunk": chunk,
            "device": self.engine.device.name,
        }

    def check(self) -> None:
        """Refuse early what cannot be run: all that the study will read is encoded here.

        Raises:
            InputError: a text does not fit, or this engine cannot work with the model or adapters.
        """
        self.encoder.encode_all(readings(self.plan))
        if self.diagnostics is not None:
            self.diagnostics.check()
        longest = max(self.encoder.known(), key=lambda row: len(row.ids))
        name = next(iter(self.plan.tasks))
        some = [*self.test_rows(name, self.original(name))[:3], longest]
        base = self.states.at(BASE_STATE)
        self.engine.check(base, some)
        if (recipe := self._method.recipe(0)) is not None:
            room = len(longest.ids) + max(task.max_new_tokens for task in self.plan.tasks.values())
            begun = [
                self._begun(task, prompt, 0)
                for task, candidates in self.plan.prompts.items()
                for prompt in candidates
            ]
            check_recipe(self.engine, base, recipe, begun, some, room)
        if self.tuners is not None:
            for task in self.plan.prompts:
                with self.tuners.unlabelled(base, task) as tuned:
                    tuned.losses([some])
        batches = {
            f"task {task}, prompt {prompt.prompt_id}": self.own_member(task, prompt, 0).rows
            for task, candidates in self.plan.prompts.items()
            for prompt in candidates
        }
        check_looks(self.plan, base, batches, self.encoder.max_length)

    def run(self, group: Group) -> Rows:
        """Everything that one group measures, as table rows."""
        meter = Meter(self.engine.sizes)
        if group.kind == "base":
            found = self._base(meter)
        elif group.stage is not None:
            found = self._stage(group.stage, meter)
        elif group.trials:
            found = halved_when_full(self._trials, group.trials, meter, self.engine, self.say)
        else:
            assert group.state_id is not None and group.task is not None
            found = self._score(group.state_id, group.task, meter)
        return {**found, "costs": meter.rows(group.group_id)}

    def original(self, task: str) -> Prompt:
        """The prompt a task came with: past tasks learn with it, every task is tested with it."""
        return self.plan.originals[task]

    def training_rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The examples a task is trained on, encoded under a prompt."""
        return self.encoder.encode_split(
            self.plan.tasks[task], "train", self.plan.study.training.examples, prompt
        )

    def scoring_rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The examples a prompt's pre-update loss is taken over, encoded under it."""
        return self.encoder.encode_split(
            self.plan.tasks[task], "train", self.plan.study.scoring.examples, prompt
        )

    def dev_rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The dev examples on which a fine-tune is watched, encoded under its prompt."""
        n = len(rows.dev_examples(self.plan, task))
        return self.encoder.encode_split(self.plan.tasks[task], "dev", n, prompt)

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
        member = self._member(stage.task, prompt, seed)
        with self._train(stage.parent_id, [member], meter) as tuned:
            (fit,) = tuned.fits
            if fit.diverged:
                raise FloatingPointError(
                    f"Learning the past task {stage.task!r} diverged at step {len(fit.losses)}:"
                    " its loss is not finite. Lower training.learning_rate."
                )
            tuned.save(0, self.states.folder(stage.state_id))
            self.kept.keep(tuned, 0, stage.trial_id)
        found = self._evaluate_state(stage.state_id, meter)
        found["states"] = [
            rows.state(stage.state_id, stage.parent_id, stage.state_seed, stage.learned)
        ]
        found["trials"] = [rows.past_trial(stage, prompt, self._made_by(1, "lora"))]
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
                losses = self.engine.losses(model, encoded)
            meter.add("score", len(encoded), *self.engine.reading(encoded))
            found["candidate_losses"] += rows.candidate_losses(state_id, prompt, losses)
            n_tokens = count_tokens(self.encoder.tokenizer, [prompt.text])[0]
            found["indicators"] += rows.indicators(
                state_id, prompt, losses, n_tokens, study.scoring.batch_size
            )
            if self.diagnostics is not None:
                more = self.diagnostics.measure(state_id, task, prompt, meter)
                found["indicators"] += rows.indicator_rows(state_id, prompt, more)
            # Under the original prompt the state is measured as a whole.
            if prompt != self.original(task):
                self._measure_state(state_id, task, prompt, meter, found)
        return found

    def _trials(self, trials: Sequence[Trial], meter: Meter) -> Rows:
        """Fine-tunes of one task from one state: trained, then measured on every task."""
        state_id, task = trials[0].state_id, trials[0].task
        which = f"{task}, {_counted(len(trials), 'fine-tune')}"
        members = [
            self.own_member(task, t.prompt, stream_seed(t.seed, t.state_id, t.task)) for t in trials
        ]
        self.say(f"{which}: training")
        watch, looks = Watch(self, trials, meter), self._looks(which, trials, members, meter)
        started = self._started(trials, members, meter)
        with self._train(state_id, members, meter, [watch, *looks], started) as tuned:
            fits = tuned.fits
            self.say(f"{which}: evaluating")
            shots = self.plan.study.evaluation.n_shots
            measured = self.measure_trials(trials, tuned, meter, shots)
            # The last update can overflow too; then the scores say nothing and are not kept.
            failed = [
                fit.diverged or not all(math.isfinite(r.loss) for *_, r in results)
                for fit, results in zip(fits, measured, strict=True)
            ]
            for k, trial in enumerate(trials):
                if not failed[k]:
                    self.kept.keep(tuned, k, trial.trial_id)
        names = ("trials", "curves", "diagnostics", "persistence", "scores", "predictions")
        found: Rows = {name: [] for name in names}
        for k, (trial, fit, results) in enumerate(zip(trials, fits, measured, strict=True)):
            status = "diverged" if failed[k] else "done"
            found["trials"].append(
                rows.trial(trial, status, self._made_by(len(trials), self._method.name))
            )
            found["curves"] += rows.curves(trial.trial_id, fit) + watch.curves[k]
            found["diagnostics"] += [row for own in looks for row in own.rows[k]]
            found["persistence"] += [row for own in looks for row in own.persistence[k]]
            found["scores"] += watch.scores[k]
            for name, prompt, n_shots, result in [] if failed[k] else results:
                self._keep(state_id, trial, name, prompt, n_shots, result, found)
        return found

    def _looks(
        self, which: str, trials: Sequence[Trial], members: Sequence[Member], meter: Meter
    ) -> list[Looks]:
        """Diagnostics of some trials, where the study asks for them; repeats have none."""
        if not self.plan.study.diagnostics.every or trials[0].purpose == "repeat":
            return []
        looked = [
            Looked(trial.trial_id, trial.task, trial.prompt, member.rows)
            for trial, member in zip(trials, members, strict=True)
        ]
        return [
            Looks(self.plan, looked, self.test_rows, meter, lambda s: self.say(f"{which}: {s}"))
        ]

    def _member(self, task: str, prompt: Prompt, seed: int) -> Member:
        return Member(self.training_rows(task, prompt), self.plan.study.training, seed)

    def own_member(self, task: str, prompt: Prompt, seed: int) -> Member:
        """A fine-tune by the study's method."""
        method, study = self._method, self.plan.study
        shots, data = method.demonstrations, self.plan.tasks[task]
        recipe = method.recipe(0)
        rows = self.encoder.encode_split(data, "train", study.training.examples, prompt, shots)
        dev = None
        if recipe is not None and any(phase.select_every for phase in recipe.phases):
            examples = data.examples("dev")[: study.promot.dev_examples]
            own = self.encoder.encode_split(data, "dev", len(examples), prompt, shots)
            dev = Dev(data, examples, own)
        return Member(rows, method.training(0), seed, dev=dev)

    def _begun(self, task: str, prompt: Prompt, seed: int) -> Begun:
        data, original = self.plan.tasks[task], self.original(task)
        return Begun(AdapterStart(seed), data, original.text, prompt.text)

    def _started(self, trials: Sequence[Trial], members: Sequence[Member], meter: Meter) -> Started:
        """How the study's method puts fine-tunes of a task on a parent state."""
        recipe = self._method.recipe(0)
        starts = [AdapterStart(member.seed) for member in members]

        def start(model: PreTrainedModel) -> AbstractContextManager[FineTunes]:
            if recipe is not None:
                begun = [
                    self._begun(trial.task, trial.prompt, member.seed)
                    for trial, member in zip(trials, members, strict=True)
                ]
                return composed(self.engine, model, recipe, begun)
            if self.tuners is not None:
                first = trials[0]
                seed = members[0].seed
                return self.tuners.start(model, first.state_id, first.task, seed, meter)
            if self._method.trains_all:
                return whole_model(self.engine, model, starts[0])
            return self.engine.adapters(model, starts)

        return start

    @contextmanager
    def _train(
        self,
        state_id: str,
        members: Sequence[Member],
        meter: Meter,
        watchers: Sequence[Watcher] = (),
        started: Started | None = None,
    ) -> Iterator[FineTunes]:
        """Fine-tunes of one state, trained; past tasks are learned with adapters."""
        model = self.states.at(state_id)
        if started is None:
            starts = [AdapterStart(member.seed) for member in members]
            block: AbstractContextManager[FineTunes] = self.engine.adapters(model, starts)
        else:
            block = started(model)
        with ExitStack() as stack:
            with meter.time("train"):
                tuned = stack.enter_context(block)
                if started is not None:
                    members = [
                        replace(member, penalty=self._method.penalty((), tuned.layout))
                        for member in members
                    ]
                tuned.begin(members)
            train_watched(tuned, watchers, meter)
            for member, fit in zip(members, tuned.fits, strict=True):
                examples = len(fit.losses) * member.settings.batch_size + fit.reread
                own = tuned.n_trained, tuned.n_differentiated, fit.searched
                meter.add("train", examples, fit.tokens, fit.logits, *own)
            if started is not None:
                self.trained_values[self.plan.study.method] = trained_values(tuned)
            yield tuned

    def measure_trials(
        self,
        trials: Sequence[Trial],
        tuned: FineTunes,
        meter: Meter,
        shots: Sequence[int] = (0,),
    ) -> list[list[Measured]]:
        """For each trial: all tasks, its own under its own prompt as well, all behind `shots`.

        Behind demonstrations the original prompts alone are asked.
        """
        found: list[list[Measured]] = [[] for _ in trials]
        if all(fit.diverged for fit in tuned.fits):
            return found
        own = trials[0].task
        tests = [
            (name, [self.original(name)] * len(trials), n_shots)
            for n_shots in shots
            for name in self.plan.tasks
        ]
        n_fixed = len(tests)
        if any(trial.prompt != self.original(own) for trial in trials):
            tests.append((own, [trial.prompt for trial in trials], 0))
        for i, (name, prompts, n_shots) in enumerate(tests):
            with meter.time("evaluate"):
                results = tuned.evaluate(
                    self.plan.tasks[name],
                    self._test_examples(name),
                    [self.test_rows(name, prompt, n_shots) for prompt in prompts],
                )
            for k, (prompt, result) in enumerate(zip(prompts, results, strict=True)):
                meter.add("evaluate", len(result.outputs), result.tokens, result.logits)
                if i < n_fixed or prompt != self.original(own):
                    found[k].append((name, prompt, n_shots, result))
        return found

    def _evaluate_state(self, state_id: str, meter: Meter) -> Rows:
        found: Rows = {"scores": [], "predictions": []}
        for n_shots in self.plan.study.evaluation.n_shots:
            for name in self.plan.tasks:
                self._measure_state(state_id, name, self.original(name), meter, found, n_shots)
        return found

    def _measure_state(
        self,
        state_id: str,
        task: str,
        prompt: Prompt,
        meter: Meter,
        found: Rows,
        n_shots: int = 0,
    ) -> None:
        with meter.time("evaluate"):
            result = self.engine.evaluate(
                self.states.at(state_id),
                self.plan.tasks[task],
                self._test_examples(task),
                self.test_rows(task, prompt, n_shots),
            )
        meter.add("evaluate", len(result.outputs), result.tokens, result.logits)
        self._keep(state_id, None, task, prompt, n_shots, result, found)

    def _keep(
        self,
        state_id: str,
        trial: Trial | None,
        task: str,
        prompt: Prompt,
        n_shots: int,
        result: Evaluation,
        found: Rows,
    ) -> None:
        steps = self.plan.study.training.steps
        key = rows.measured(state_id, trial, task, prompt, steps, n_shots)
        role = None if trial is None else self.plan.role(trial, task)
        found["scores"].append(rows.score(key, self.plan.tasks[task], role, result))
        kept = self.plan.study.evaluation.n_predictions_kept
        found["predictions"] += rows.predictions(key, result, kept)

    def test_rows(self, task: str, prompt: Prompt, n_shots: int = 0) -> Sequence[Encoded]:
        """The test examples of a task, encoded under a prompt behind demonstrations."""
        n = self.plan.study.evaluation.examples
        return self.encoder.encode_split(self.plan.tasks[task], "test", n, prompt, n_shots)

    def _test_examples(self, task: str) -> Sequence[Example]:
        return self.plan.tasks[task].examples("test", self.plan.study.evaluation.examples)

    def _all_prompts(self) -> list[Prompt]:
        """Every prompt the study reads: all candidates, and each evaluated task's fixed prompt."""
        fixed = [self.original(name) for name in self.plan.tasks if name not in self.plan.prompts]
        return [*(p for candidates in self.plan.prompts.values() for p in candidates), *fixed]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
