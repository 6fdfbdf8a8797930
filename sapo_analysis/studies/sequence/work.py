"""A sequence study's work, one group of its plan at a time: choose prompts, train, measure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sapo_analysis.learning.kept_information import keep_information
from sapo_analysis.learning.members import Drawn, Member
from sapo_analysis.methods import Learned, Method, make_method, what_decides
from sapo_analysis.methods.adapter_start import AdapterStart
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
from sapo_analysis.spec import MethodName
from sapo_analysis.store import Run, RunWriter, open_run
from sapo_analysis.studies import rows as shared_rows
from sapo_analysis.studies.composed import Begun, check_recipe
from sapo_analysis.studies.engines import make_engine
from sapo_analysis.studies.fine_tunes import FineTunes, trained_values
from sapo_analysis.studies.kept_adapters import KeptAdapters
from sapo_analysis.studies.looks import Looked, Looks, check_looks
from sapo_analysis.studies.memory import halved_when_full
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.pauses import train_watched
from sapo_analysis.studies.sequence import rows
from sapo_analysis.studies.sequence.book import Book, Step, Trained, recall
from sapo_analysis.studies.sequence.choosing import Scored
from sapo_analysis.studies.sequence.exam import Exam, Result
from sapo_analysis.studies.sequence.scoring import Scorer
from sapo_analysis.studies.sequence.stages import FineTune, Place
from sapo_analysis.studies.sequence.standing import starting_at
from sapo_analysis.studies.sequence.telling import Teller
from sapo_analysis.studies.sequence.texts import Texts

Rows = dict[str, list[dict[str, Any]]]
_OF_FINE_TUNES = (
    *("trials", "curves", "diagnostics", "persistence"),
    *("scores", "predictions", "states"),
)


class SequenceWork:
    """Runs the groups of one plan on one device; `book` is what is known so far."""

    def __init__(self, plan: SequencePlan, device: Device, states_folder: Path):
        self.plan, self.study = plan, plan.study
        self.base = load_model(plan.model, device, plan.study.dtype, plan.study.memory)
        self.engine = make_engine(plan, device, self.base)
        self.texts = Texts(plan, self.engine.encoder)
        self.book, self.teller = Book(), Teller()
        self.trained_values: dict[str, int] = {}
        self.say: Callable[[str], None] = lambda phase: None
        self._states = states_folder
        self._kept = KeptAdapters(plan, states_folder.parent)
        self._methods: dict[MethodName, Method] = {
            s.method: make_method(s.method, plan.study) for s in plan.study.chosen_strategies
        }
        self._exam = Exam(self.engine, self.texts)
        self._scorer = Scorer(self.engine, self.base, self.texts, self.book, self.teller)

    def recall(self, run: Run) -> None:
        """Take up what an earlier worker finished."""
        recall(self.book, run, self.plan)
        self.teller.remember(run.arrow_table("scores").to_pylist())

    def check(self) -> None:
        """Refuse early what cannot be run: all that the study can come to read is encoded here.

        Raises:
            InputError: a text does not fit, or this engine cannot work with the model or adapters.
        """
        self.texts.encode_all()
        longest = max(self.engine.encoder.known(), key=lambda row: len(row.ids))
        name = self.study.tasks[0]
        some = [*self.texts.test(name, self.plan.originals[name])[:3], longest]
        self.engine.check(self.base, some)
        begun = [
            Begun(AdapterStart(0), task, self.plan.originals[name].text, prompt.text)
            for name, task in self.plan.tasks.items()
            for prompt in self.plan.prompts[name]
        ]
        room = len(longest.ids) + max(task.max_new_tokens for task in self.plan.tasks.values())
        for method in self._methods.values():
            if (recipe := method.recipe(0)) is not None:
                check_recipe(self.engine, self.base, recipe, begun, some, room)
        shots = {method.demonstrations for method in self._methods.values()}
        batches = {
            f"task {task}, prompt {prompt.prompt_id}": self.texts.training(task, prompt, n)
            for task, candidates in self.plan.prompts.items()
            for prompt in candidates
            for n in shots
        }
        check_looks(self.plan, self.base, batches, self.engine.encoder.max_length)

    def run(self, group: ChainGroup) -> Rows:
        """Everything that one group measures, as table rows."""
        meter = Meter(self.engine.sizes)
        if group.kind == "base":
            found = self._base(meter)
        elif group.task is not None:
            self.say(f"{group.task}: scoring prompts at the base model")
            found = {"indicators": self._scorer.at_base(group.task, meter)}
        else:
            found = self._stage(group.stage, group.chains, meter)
        return {**found, "costs": meter.rows(group.group_id)}

    def _base(self, meter: Meter) -> Rows:
        self.say("measuring the base model")
        found = self._measured(BASE_STATE, self._exam.of_base(self.base, meter))
        self.teller.base(found["scores"])
        prompts = [p for task in self.plan.tasks for _, p in self.texts.tests_of(task)]
        lengths = self.texts.counted(prompts)
        return {
            **found,
            "states": [rows.base_state()],
            "prompts": [shared_rows.prompt(p, n) for p, n in zip(prompts, lengths, strict=True)],
            "examples": rows.examples(self.plan),
        }

    def _stage(self, stage: int, chains: Sequence[Chain], meter: Meter) -> Rows:
        """One stage of some chains; those whose last fine-tune diverged have ended."""
        going = [chain for chain in chains if not self.book.ended(chain)]
        places = {chain: self._place(chain) for chain in going}
        found: Rows = {name: [] for name in (*_OF_FINE_TUNES, "chains")}
        self.say(f"stage {stage} of {len(self.study.tasks)}: scoring prompts")
        found["indicators"], scored = self._scorer.for_chains(places, meter)
        tunes = {chain: self._choose(chain, places[chain], scored.get(chain)) for chain in going}
        # Chains that do the same thing share it, also with chains of earlier groups.
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
        self.teller.measured(tunes, stage, found["scores"])
        return found

    def _place(self, chain: Chain) -> Place:
        """Where a chain stands."""
        steps = self.book.of(chain)
        method = self._methods[chain.strategy.method]
        past = []
        for step in steps:
            assert step.result is not None, "callers leave out chains that ended"
            prompt = self.texts.prompt(step.task, step.prompt_id)
            encoded = self.texts.training(step.task, prompt, method.demonstrations)
            past.append(Learned(step.task, prompt, self._states / step.result, encoded))
        task = chain.order[len(steps)]
        # Strategies share it, whatever state they have reached.
        seed = stream_seed(chain.seed, order_name(chain.order[: len(steps)]), task)
        return Place(
            self.book.state(chain),
            tuple(past),
            method.start(seed, past),
            method.standing(seed, past),
            method,
            self.plan.tasks[task],
            self.plan.originals[task].text,
        )

    def _choose(self, chain: Chain, place: Place, scored: Scored | None) -> FineTune:
        """The fine-tune that a chain's policy asks for."""
        policy, task = get_policy(chain.strategy.policy), place.task
        candidates, lengths = self.plan.prompts[task], self.texts.lengths[task]
        losses = None if scored is None else scored.values
        chosen = policy.choose(
            Situation(place.state_id, task, place.learned, chain.seed, candidates, lengths, losses)
        )
        prompts = tuple(candidates) if policy.draws else (candidates[chosen],)
        drawn = {"every": self.study.paft.every} if policy.draws else None
        trial_id = self.plan.identity.trial(
            place.state_id,
            place.learned,
            task,
            [prompt.text for prompt in prompts],
            chain.seed,
            [what_decides(place.method, len(place.past)), drawn],
        )
        tune = FineTune(trial_id, chain, place, candidates[chosen], prompts)
        self.teller.chosen(chain, tune, None if losses is None else losses[chosen])
        return tune

    def _fine_tune(self, tunes: Sequence[FineTune], meter: Meter) -> Rows:
        """Fine-tunes in one stack: trained, kept, measured."""
        stage = len(tunes[0].place.past) + 1
        which = f"stage {stage} of {len(self.study.tasks)}, {_counted(len(tunes), 'fine-tune')}"
        self.say(f"{which}: training")
        with starting_at(self.engine, self.base, tunes) as tuned:
            with meter.time("train"):
                members = [self._member(tune, tuned) for tune in tunes]
                tuned.begin(members)
            looks = self._looks(which, tunes, members, meter)
            train_watched(tuned, looks, meter)
            fits = tuned.fits
            for k, (member, fit) in enumerate(zip(members, fits, strict=True)):
                own = tuned.n_trained, tuned.n_differentiated, fit.searched
                read = len(fit.losses) * member.rows_per_step + fit.reread
                meter.add("train", read, fit.tokens, fit.logits, *own)
                self.trained_values[tunes[k].place.method.name] = trained_values(tuned)
                tuned.save(k, self._states / tunes[k].result_id)
                self.teller.trained(tunes[k], fit)
            self.say(f"{which}: evaluating")
            measured = self._exam.of_stage(tunes, tuned, meter)
            # The last update can overflow too; then the scores say nothing and are not kept.
            is_done = [
                not fit.diverged and all(math.isfinite(r.loss) for *_, r in results)
                for fit, results in zip(fits, measured, strict=True)
            ]
            for k, tune in enumerate(tunes):
                if is_done[k]:
                    self._kept.keep(tuned, k, tune.trial_id)
        seconds = [meter.seconds("train") / len(tunes)] * len(tunes)
        with meter.time("train"):
            for k, more in self._keep_information(tunes):
                seconds[k] += more
        found: Rows = {name: [] for name in _OF_FINE_TUNES}
        for k, (tune, member, fit) in enumerate(zip(tunes, members, fits, strict=True)):
            result = tune.result_id if is_done[k] else None
            read = len(fit.losses) * member.rows_per_step + fit.reread
            self.book.trained[tune.trial_id] = Trained(result, seconds[k], read)
            found["trials"].append(
                rows.trial(
                    tune,
                    "done" if is_done[k] else "diverged",
                    self.engine.name,
                    len(tunes),
                    self.engine.device.name,
                )
            )
            found["curves"] += shared_rows.curves(tune.trial_id, fit)
            found["diagnostics"] += [row for own in looks for row in own.rows[k]]
            found["persistence"] += [row for own in looks for row in own.persistence[k]]
            if is_done[k]:
                learned = (*tune.place.learned, tune.task)
                found["states"].append(
                    shared_rows.state(tune.result_id, tune.state_id, tune.chain.seed, learned)
                )
                for table, results in self._measured(tune.result_id, measured[k]).items():
                    found[table] += results
        return found

    def _looks(
        self, which: str, tunes: Sequence[FineTune], members: Sequence[Member], meter: Meter
    ) -> list[Looks]:
        """Diagnostics of some fine-tunes, where the study asks for them."""
        if not self.study.diagnostics.every:
            return []
        looked = [
            Looked(tune.trial_id, tune.task, tune.prompt, member.rows)
            for tune, member in zip(tunes, members, strict=True)
        ]
        say: Callable[[str], None] = lambda text: self.say(f"{which}: {text}")  # noqa: E731
        return [Looks(self.plan, looked, self.texts.test, meter, say)]

    def _measured(self, state_id: str, results: Sequence[Result]) -> Rows:
        """What tests of a state found."""
        exam = self._exam
        return {
            "scores": [row for one in results for row in exam.scores(state_id, one)],
            "predictions": [row for one in results for row in exam.predictions(state_id, one)],
        }

    def _member(self, tune: FineTune, tuned: FineTunes) -> Member:
        past, method, start = tune.place.past, tune.method, tune.place.start
        shots = method.demonstrations
        variants = [self.texts.training(tune.task, prompt, shots) for prompt in tune.prompts]
        rows = self.texts.training(tune.task, tune.prompt, shots)
        mixed = [(one.task, one.rows) for one in method.mixed(past)]
        recipe = tune.place.recipe
        if recipe is None:  # nothing stands before a text, so where a row comes from says nothing
            more = [row for _, own in mixed for row in own]
            rows, variants, mixed = [*rows, *more], [[*own, *more] for own in variants], []
        selects = recipe is not None and any(phase.select_every for phase in recipe.phases)
        return Member(
            rows,
            method.training(len(past)),
            start.seed,
            drawn=Drawn(variants, self.study.paft.every) if len(variants) > 1 else None,
            replay=method.replay(past),
            penalty=method.penalty(past, tuned.layout),
            mixed=mixed,
            dev=self.texts.dev(tune.task, tune.prompt, shots) if selects else None,
        )

    def _keep_information(self, tunes: Sequence[FineTune]) -> Iterator[tuple[int, float]]:
        """Measure how much each trained weight matters, where a method asks for it later.

        Yields the number of each such fine-tune and its share of the time (seconds).
        """
        is_last = len(tunes[0].place.past) + 1 == len(self.study.tasks)
        wanted = {k: tune for k, tune in enumerate(tunes) if tune.method.keeps_information}
        if not wanted or is_last:
            return
        began = time.perf_counter()
        encoded = [self.texts.information(tune.task, tune.prompt) for tune in wanted.values()]
        folders = [self._states / tune.result_id for tune in wanted.values()]
        # In a stack of their own: every example is a pass, in which the others would idle along.
        starts = [AdapterStart(0, carried=folder) for folder in folders]
        with self.engine.adapters(self.base, starts) as tuned:
            information = tuned.information(encoded)
            for i, tune in enumerate(wanted.values()):
                past = tune.place.past
                earlier = past[-1].folder if past else None
                keep_information(earlier, folders[i], tuned.weights(i), information[i])
        seconds = time.perf_counter() - began
        for k in wanted:
            yield k, seconds / len(wanted)


def work_on_chains(work: SequenceWork, writer: RunWriter) -> None:
    """Carry out every group of a plan that is not saved yet, in order."""
    work.recall(open_run(writer.path))
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
        writer.begin_group()
        writer.save_group(order, left.group_id, work.run(left))
        known.update(left.units)
        writer.update(done=len(known))


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
