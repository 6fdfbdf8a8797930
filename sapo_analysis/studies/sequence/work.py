"""A sequence study's work, one group of its plan at a time: choose prompts, train, measure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sapo_analysis.learning.evaluation import Evaluation, of_first
from sapo_analysis.learning.members import Drawn, Member
from sapo_analysis.learning.training import Fit
from sapo_analysis.methods import Learned, Method, make_method
from sapo_analysis.methods.ewc import keep_information
from sapo_analysis.models.adapter_start import AdapterStart
from sapo_analysis.models.encoding import Encoded, count_tokens
from sapo_analysis.models.loading import Device, load_model
from sapo_analysis.plan import (
    BASE_STATE,
    Chain,
    ChainGroup,
    SequencePlan,
    order_name,
    stream_seed,
)
from sapo_analysis.policies import Situation, get_policy
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import MethodName
from sapo_analysis.store import Run, RunWriter, open_run
from sapo_analysis.studies import rows as shared_rows
from sapo_analysis.studies.engines import make_engine
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.memory import halved_when_full
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.sequence import rows
from sapo_analysis.studies.sequence.book import Book, Step, Trained, read_book
from sapo_analysis.studies.sequence.choosing import (
    Scored,
    Scoring,
    score_for_the_lowest,
    score_in_full,
)
from sapo_analysis.studies.sequence.stages import FineTune, Place
from sapo_analysis.studies.sequence.whole_model import whole_model

Rows = dict[str, list[dict[str, Any]]]
Test = tuple[str, Prompt]
"""A task and the prompt it is tested with."""


class SequenceWork:
    """Runs the groups of one plan on one device; `book` is what is known so far."""

    def __init__(self, plan: SequencePlan, device: Device, states_folder: Path):
        self.plan, self.study = plan, plan.study
        self.base = load_model(plan.model, device, plan.study.dtype)
        self.engine = make_engine(plan, device, self.base)
        self.encoder = self.engine.encoder
        self.book = Book()
        self.say: Callable[[str], None] = lambda phase: None
        self.tell: Callable[..., None] = lambda event, **details: None
        self._states = states_folder
        self._told: dict[str, list[list[Any]]] = {}
        self._methods: dict[MethodName, Method] = {
            s.method: make_method(s.method, plan.study) for s in plan.study.chosen_strategies
        }
        self._lengths = {
            task: count_tokens(self.encoder.tokenizer, [p.text for p in prompts])
            for task, prompts in plan.prompts.items()
        }

    def recall(self, run: Run) -> None:
        """Take up what an earlier worker finished."""
        ids = {task: [p.prompt_id for p in own] for task, own in self.plan.prompts.items()}
        self.book = read_book(run, self.study, ids)

    def check(self) -> None:
        """Refuse early what cannot be run: all that the study can come to read is encoded here.

        Raises:
            InputError: a text does not fit, or this engine cannot work with the model or adapters.
        """
        for task, candidates in self.plan.prompts.items():
            for prompt in candidates:
                self.training_rows(task, prompt)
                self.scoring_rows(task, prompt)
                self.test_rows(task, prompt)
            for prompt in self.plan.test_only[task]:
                self.test_rows(task, prompt)
        longest = max(self.encoder.known(), key=lambda row: len(row.ids))
        name = self.study.tasks[0]
        some = [*self.test_rows(name, self.plan.originals[name])[:3], longest]
        self.engine.check(self.base, some)

    def run(self, group: ChainGroup) -> Rows:
        """Everything that one group measures, as table rows."""
        meter = Meter(self.engine.sizes)
        if group.kind == "base":
            found = self._base(meter)
        elif group.task is not None:
            found = self._score_base(group.task, meter)
        else:
            found = self._stage(group.stage, group.chains, meter)
        return {**found, "costs": meter.rows(group.group_id)}

    def training_rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The examples a task is trained on, encoded under a prompt."""
        n = self.study.training.examples
        return self.encoder.encode_split(self.plan.tasks[task], "train", n, prompt)

    def scoring_rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The examples a prompt's pre-update loss is taken over, encoded under it."""
        n = self.study.scoring.examples
        return self.encoder.encode_split(self.plan.tasks[task], "train", n, prompt)

    def test_rows(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The test examples of a task as the last stage reads them, encoded under a prompt."""
        n = self.study.evaluation.at_the_end
        return self.encoder.encode_split(self.plan.tasks[task], "test", n, prompt)

    def _base(self, meter: Meter) -> Rows:
        self.say("measuring the base model")
        found: Rows = {"scores": [], "states": [rows.base_state()]}
        for task, prompt in self._fixed_tests():
            encoded = self.test_rows(task, prompt)
            examples = self.plan.tasks[task].examples("test", len(encoded))
            with meter.time("evaluate"):
                result = self.engine.evaluate(self.base, self.plan.tasks[task], examples, encoded)
            meter.add("evaluate", len(encoded), result.tokens, result.logits)
            found["scores"] += self._scores(BASE_STATE, task, prompt, result)
        prompts = [
            p
            for task in self.plan.tasks
            for p in (*self.plan.prompts[task], *self.plan.test_only[task])
        ]
        lengths = count_tokens(self.encoder.tokenizer, [p.text for p in prompts])
        found["prompts"] = [shared_rows.prompt(p, n) for p, n in zip(prompts, lengths, strict=True)]
        found["examples"] = rows.examples(self.plan)
        self.tell("measured", chains=[], stage=0, scores=_values(found["scores"]))
        return found

    def _score_base(self, task: str, meter: Meter) -> Rows:
        """Losses of a task's candidates at θ_0, which chains share."""
        # An adapter that was never trained adds nothing: with it the model is θ_0.
        lora = make_method("lora", self.study)
        at_base = Place(BASE_STATE, (), lora.start(0, ()), lora, task)
        needs_all = any(
            get_policy(s.policy).needs == "all"
            for s in self.study.chosen_strategies
            if get_policy(s.policy).scores_at != "nowhere"
        )
        (found,) = self._score([at_base], needs_all, meter)
        return {"indicators": self._indicators(at_base, found)}

    def _stage(self, stage: int, chains: Sequence[Chain], meter: Meter) -> Rows:
        """One stage of some chains."""
        going = [chain for chain in chains if not self.book.ended(chain)]
        places = {chain: self._place(chain) for chain in going}
        found: Rows = {name: [] for name in ("trials", "curves", "scores", "states", "chains")}
        found["indicators"], scored = self._scored(places, meter)
        tunes = {chain: self._choose(chain, places[chain], scored.get(chain)) for chain in going}
        distinct = {tune.trial_id: tune for tune in tunes.values()}
        new = [tune for key, tune in distinct.items() if key not in self.book.trained]
        if new:
            made = halved_when_full(self._fine_tune, new, meter, self.engine, self.say)
            for table, own in made.items():
                found[table] += own
        for chain, tune in tunes.items():
            trained = self.book.trained[tune.trial_id]
            self.book.of(chain).append(Step(tune.task, tune.prompt.prompt_id, trained.result))
            found["chains"].append(rows.chain(chain, stage, tune, scored.get(chain), trained))
        self._tell_measured(tunes, stage, found["scores"])
        return found

    def _place(self, chain: Chain) -> Place:
        """Where a chain stands."""
        steps = self.book.of(chain)
        method = self._methods[chain.strategy.method]
        past = []
        for step in steps:
            assert step.result is not None, "callers leave out chains that ended"
            prompt = self._prompt(step.task, step.prompt_id)
            rows_ = self.training_rows(step.task, prompt)
            past.append(Learned(step.task, self._states / step.result, rows_))
        task = chain.order[len(steps)]
        # Strategies share it, whatever state they have reached.
        seed = stream_seed(chain.seed, " > ".join(chain.order[: len(steps)]), task)
        start = method.start(seed, past)
        return Place(self.book.state(chain), tuple(past), start, method, task)

    def _prompt(self, task: str, prompt_id: str) -> Prompt:
        return next(p for p in self.plan.prompts[task] if p.prompt_id == prompt_id)

    def _scored(
        self, places: Mapping[Chain, Place], meter: Meter
    ) -> tuple[list[dict[str, Any]], dict[Chain, Scored]]:
        """Losses for the chains whose policies want them, and what is new as `indicators` rows."""
        wanted: dict[Chain, tuple[str, str]] = {}
        waiting: dict[str, list[Chain]] = defaultdict(list)
        for chain, place in places.items():
            at = get_policy(chain.strategy.policy).scores_at
            if at == "nowhere":
                continue
            state_id = BASE_STATE if at == "theta-0" else place.state_id
            wanted[chain] = (state_id, place.task)
            if wanted[chain] not in self.book.scored:
                waiting[state_id].append(chain)
        indicators = []
        for needs_all in (True, False):
            states = [
                own
                for own in waiting.values()
                if needs_all == any(get_policy(c.strategy.policy).needs == "all" for c in own)
            ]
            at_states = [places[own[0]] for own in states]
            for task in dict.fromkeys(place.task for place in at_states):
                here = [place for place in at_states if place.task == task]
                for place, scoring in zip(here, self._score(here, needs_all, meter), strict=True):
                    indicators += self._indicators(place, scoring)
        return indicators, {chain: self.book.scored[key] for chain, key in wanted.items()}

    def _score(self, places: Sequence[Place], needs_all: bool, meter: Meter) -> list[Scoring]:
        """Losses of one task's candidates at some states."""
        task = places[0].task
        candidates = self.plan.prompts[task]
        encoded = [self.scoring_rows(task, prompt) for prompt in candidates]
        size = self.study.scoring.batch_size
        self.say(f"{task}: scoring {len(candidates)} prompts at {_counted(len(places), 'state')}")

        def heard(first: int) -> Callable[[int, int, float], None]:
            def tell(k: int, i: int, loss: float) -> None:
                state_id, prompt_id = places[first + k].state_id, candidates[i].prompt_id
                self.tell("scored", state=state_id, task=task, prompt=prompt_id, loss=loss)

            return tell

        found: list[Scoring] = []
        with meter.time("score"):
            if self.study.scoring.early_stop and not needs_all:
                for k, place in enumerate(places):
                    with self._open([place]) as tuned:
                        found.append(score_for_the_lowest(tuned, encoded, size, heard(k)))
            else:
                most = 1 if places[0].method.trains_all else self.plan.chunk
                for k in range(0, len(places), most):
                    part = places[k : k + most]
                    with self._open(part) as tuned:
                        found += score_in_full(tuned, encoded, len(part), size, heard(k))
        tokens, logits = (
            sum(part) for part in zip(*map(self.engine.reading, encoded), strict=True)
        )
        for scoring in found:
            # Of a race it is not known which texts were read: their mean length is near enough.
            share = scoring.scored.examples / sum(map(len, encoded))
            n = scoring.scored.examples
            meter.add("score", n, round(tokens * share), round(logits * share))
        for place, scoring in zip(places, found, strict=True):
            self.book.scored[(place.state_id, task)] = scoring.scored
        return found

    def _indicators(self, place: Place, scoring: Scoring) -> list[dict[str, Any]]:
        return rows.indicators(
            place.state_id,
            self.plan.prompts[place.task],
            scoring.candidates,
            self._lengths[place.task],
            self.study.scoring.batch_size,
        )

    def _choose(self, chain: Chain, place: Place, scored: Scored | None) -> FineTune:
        """The fine-tune that a chain's policy asks for."""
        policy, task = get_policy(chain.strategy.policy), place.task
        candidates = self.plan.prompts[task]
        losses = None if scored is None else scored.values
        chosen = policy.choose(
            Situation(task, place.learned, chain.seed, candidates, self._lengths[task], losses)
        )
        prompts = tuple(candidates) if policy.draws else (candidates[chosen],)
        drawn = {"every": self.study.paft.every} if policy.draws else None
        trial_id = self.plan.identity.trial(
            place.state_id,
            place.learned,
            task,
            [prompt.text for prompt in prompts],
            chain.seed,
            [place.method.decides(len(place.past)), drawn],
        )
        self.tell(
            "chosen",
            chain=_named(chain),
            stage=len(place.past) + 1,
            state=place.state_id,
            task=task,
            prompt=candidates[chosen].prompt_id,
            loss=None if losses is None else losses[chosen],
        )
        return FineTune(trial_id, chain, place, candidates[chosen], prompts)

    def _fine_tune(self, tunes: Sequence[FineTune], meter: Meter) -> Rows:
        """Fine-tunes in one stack: trained, kept, measured."""
        stage = len(tunes[0].place.past) + 1
        which = f"stage {stage} of {len(self.study.tasks)}, {_counted(len(tunes), 'fine-tune')}"
        self.say(f"{which}: training")
        began = meter.seconds("train")
        with self._open([tune.place for tune in tunes]) as tuned:
            with meter.time("train"):
                members = [self._member(tune, tuned) for tune in tunes]
                tuned.begin(members)
                tuned.train()
            fits = tuned.fits
            for k, (member, fit) in enumerate(zip(members, fits, strict=True)):
                read = len(fit.losses) * _batch(member)
                meter.add(
                    "train", read, fit.tokens, fit.logits, tuned.n_trained, tuned.n_differentiated
                )
                tuned.save(k, self._states / tunes[k].result_id)
            self.say(f"{which}: evaluating")
            measured = self._measure(tunes, tuned, meter)
        with meter.time("train"):
            self._keep_information([tune for tune in tunes if tune.method.keeps_information])
        seconds = (meter.seconds("train") - began) / len(tunes)
        found: Rows = {name: [] for name in ("trials", "curves", "scores", "states")}
        for tune, member, fit, results in zip(tunes, members, fits, measured, strict=True):
            # The last update can overflow too; then the scores say nothing and are not kept.
            done = not fit.diverged and all(math.isfinite(r.loss) for *_, r in results)
            self.book.trained[tune.trial_id] = Trained(
                tune.result_id if done else None, seconds, len(fit.losses) * _batch(member)
            )
            engine, device = self.engine.name, self.engine.device.name
            status = "done" if done else "diverged"
            found["trials"].append(rows.trial(tune, status, engine, len(tunes), device))
            found["curves"] += shared_rows.curves(tune.trial_id, fit)
            self._tell_trained(tune, fit)
            if done:
                learned = (*tune.place.learned, tune.task)
                found["states"].append(
                    shared_rows.state(tune.result_id, tune.state_id, tune.chain.seed, learned)
                )
                for task, prompt, result in results:
                    found["scores"] += self._scores(tune.result_id, task, prompt, result)
        return found

    def _member(self, tune: FineTune, tuned: FineTunes) -> Member:
        past, method, start = tune.place.past, tune.method, tune.place.start
        variants = [self.training_rows(tune.task, prompt) for prompt in tune.prompts]
        return Member(
            self.training_rows(tune.task, tune.prompt),
            method.training(),
            start.seed,
            drawn=Drawn(variants, self.study.paft.every) if len(variants) > 1 else None,
            replay=method.replay(past),
            penalty=method.penalty(past, tuned.layout),
        )

    def _keep_information(self, tunes: Sequence[FineTune]) -> None:
        """Measure how much each trained weight matters, where a method asks for it later."""
        if not tunes:
            return
        n = self.study.ewc.examples
        encoded = [
            self.encoder.encode_split(self.plan.tasks[t.task], "train", n, t.prompt) for t in tunes
        ]
        folders = [self._states / tune.result_id for tune in tunes]
        # In a stack of their own: every example is a pass, in which the others would idle along.
        starts = [AdapterStart(0, carried=folder) for folder in folders]
        with self.engine.adapters(self.base, starts) as tuned:
            information = tuned.information(encoded)
            for k, tune in enumerate(tunes):
                keep_information(tune.place.past, folders[k], tuned.weights(k), information[k])

    def _measure(
        self, tunes: Sequence[FineTune], tuned: FineTunes, meter: Meter
    ) -> list[list[tuple[str, Prompt, Evaluation]]]:
        """For each fine-tune, (task, test prompt, result): see `_fixed_tests` and `_own_tests`."""
        found: list[list[tuple[str, Prompt, Evaluation]]] = [[] for _ in tunes]
        if all(fit.diverged for fit in tuned.fits):
            return found
        last = len(tunes[0].place.past) + 1 == len(self.study.tasks)
        n = self.study.evaluation.at_the_end if last else self.study.evaluation.examples
        own = [dict(self._own_tests(tune)) for tune in tunes]
        tests: list[tuple[str, list[Prompt | None]]] = [
            (task, [prompt] * len(tunes)) for task, prompt in self._fixed_tests()
        ]
        tests += [
            (task, [mine.get(task) for mine in own])
            for task in self.plan.tasks
            if any(task in mine for mine in own)
        ]
        for task, prompts in tests:
            # All adapters of a stack read: one that asks for nothing reads the original again.
            read = [prompt or self.plan.originals[task] for prompt in prompts]
            with meter.time("evaluate"):
                results = tuned.evaluate(
                    self.plan.tasks[task],
                    self.plan.tasks[task].examples("test", n),
                    [self.test_rows(task, prompt)[:n] for prompt in read],
                )
            for mine, prompt, result in zip(found, prompts, results, strict=True):
                meter.add("evaluate", n, result.tokens, result.logits)
                if prompt is not None:
                    mine.append((task, prompt, result))
        return found

    def _fixed_tests(self) -> Iterator[Test]:
        """Every task with its original prompt and its test-only ones."""
        for task in self.plan.tasks:
            for prompt in (self.plan.originals[task], *self.plan.test_only[task]):
                yield task, prompt

    def _own_tests(self, tune: FineTune) -> Iterator[Test]:
        """Every learned task with the prompt it was learned with, where that is another one."""
        steps = [(s.task, s.prompt_id) for s in self.book.of(tune.chain)]
        for task, prompt_id in [*steps, (tune.task, tune.prompt.prompt_id)]:
            prompt = self._prompt(task, prompt_id)
            if prompt != self.plan.originals[task]:
                yield task, prompt

    def _scores(
        self, state_id: str, task: str, prompt: Prompt, result: Evaluation
    ) -> list[dict[str, Any]]:
        """`scores` rows of an evaluation: over what every stage is measured on, and over all."""
        of = self.plan.tasks[task]
        examples = of.examples("test", len(result.outputs))
        encoded = self.test_rows(task, prompt)
        return [
            rows.score(
                state_id, task, of.metric, prompt, *of_first(result, of, examples, encoded, n), n
            )
            for n in dict.fromkeys((self.study.evaluation.examples, len(examples)))
        ]

    @contextmanager
    def _open(self, places: Sequence[Place]) -> Iterator[FineTunes]:
        """The adapters, or the one whole model, with which chains stand at their places."""
        starts = [place.start for place in places]
        if places[0].method.trains_all:
            with whole_model(self.engine, self.base, starts[0]) as tuned:
                yield tuned
        else:
            with self.engine.adapters(self.base, starts) as tuned:
                yield tuned

    def _tell_trained(self, tune: FineTune, fit: Fit) -> None:
        every = max(1, len(fit.losses) // 25)
        losses = [round(loss, 4) for loss in fit.losses[::every]]
        self.tell("trained", trial=tune.trial_id, task=tune.task, every=every, losses=losses)

    def _tell_measured(
        self, tunes: Mapping[Chain, FineTune], stage: int, scores: Sequence[Mapping[str, Any]]
    ) -> None:
        by_state: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in scores:
            by_state[row["state_id"]].append(row)
        # Kept, for a chain that comes later may share a state.
        self._told.update({state_id: _values(own) for state_id, own in by_state.items()})
        chains: dict[str, list[Chain]] = defaultdict(list)
        for chain, tune in tunes.items():
            chains[tune.result_id].append(chain)
        for state_id, own in chains.items():
            named = [_named(chain) for chain in own]
            self.tell("measured", chains=named, stage=stage, scores=self._told.get(state_id, []))


def work_on_chains(work: SequenceWork, writer: RunWriter) -> None:
    """Carry out every group of a plan that is not saved yet, in order."""
    run = open_run(writer.path)
    work.recall(run)
    finished = writer.finished_groups()
    known = {
        chain.unit(stage)
        for chain, steps in work.book.steps.items()
        for stage in range(1, len(steps) + 1)
    }
    writer.update(done=len(known))
    for order, group in enumerate(work.plan.groups):
        # Another engine or chunk groups stages otherwise, so they are looked up one by one.
        left = group.without(known) if group.kind == "stage" else group
        if left is None or left.group_id in finished:
            continue
        writer.save_group(order, left.group_id, work.run(left))
        known.update(left.units)
        writer.update(done=len(known))


def _named(chain: Chain) -> dict[str, Any]:
    return {
        "order": order_name(chain.order),
        "strategy": str(chain.strategy),
        "seed": chain.seed,
    }


def _values(scores: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """(task, test prompt, score, loss) of the first examples, which all stages share."""
    found: dict[tuple[str, str], list[Any]] = {}
    for row in scores:
        key = (row["eval_task"], row["test_prompt"])
        found.setdefault(key, [*key, round(row["value"], 2), round(row["loss"], 4)])
    return list(found.values())


def _batch(member: Member) -> int:
    return member.settings.batch_size + (member.replay.n if member.replay is not None else 0)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
