"""Whether a sequence run may be laid over a paraphrase study, task by task, and else why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from sapo_analysis.analysis.wording import counted
from sapo_analysis.comparable import method_settings, settings_that_count
from sapo_analysis.plan.paraphrase import legs_of
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import MethodName, Strategy
from sapo_analysis.store import Run

SAME_STATE = "same parent state"
SAME_TASKS = "same tasks learned before, another fine-tune"

ALIKE_AT_FIRST: tuple[MethodName, ...] = (
    *("lora", "lora-inc", "o-lora", "ewc", "replay", "multi-task"),
)
"""Methods that train a fresh adapter, and nothing beside, where nothing was learned before."""
ALIKE_LATER: tuple[MethodName, ...] = ("lora-inc",)
"""The same after a past: both are of studies that learn with lora."""

_SETTINGS = ("dtype", "lora", "training", "scoring", "inputs", "memory")
_SHOWN = 12
"""Of a fingerprint this much is shown (characters)."""


class Difference(NamedTuple):
    """A key in which study and race differ, with both values in words."""

    key: str
    study: str
    race: str


@dataclass(frozen=True)
class Match:
    """What of a sequence run may be laid over a study.

    Attributes:
        run_id: of the sequence run.
        tasks: current tasks whose stages may be, and how near their parent states are to the
            study's: `SAME_STATE` or `SAME_TASKS`.
        past: what was learned before each of them.
        evaluated: tasks that both measure, on the same data with the same original prompt.
        strategies: those whose stages count, by task.
        differing: why nothing, or not every task that both learn, may be laid over.
        notes: what a reader has to know of what is, in sentences.
    """

    run_id: str
    tasks: dict[str, str]
    past: dict[str, tuple[str, ...]]
    evaluated: tuple[str, ...]
    strategies: dict[str, tuple[str, ...]]
    differing: tuple[Difference, ...]
    notes: tuple[str, ...]


def match(studies: Sequence[Run], race: Run) -> Match:
    """What of a sequence run may be laid over paraphrase studies that are read as one.

    What is not known yet of a run that was not begun, such as its prompts' texts, is taken to be
    alike; it has no points yet either.

    Args:
        studies: Runs of paraphrase studies that can be joined.
        race: A run of a sequence study.

    Raises:
        InputError: a study's results were imported, or a run is of the wrong kind.
        RunError: a table is damaged.
    """
    each = [_Pair(study, race) for study in studies]
    of_run = list(each[0].of_run())
    tasks: dict[str, str] = {}
    past: dict[str, tuple[str, ...]] = {}
    strategies: dict[str, tuple[str, ...]] = {}
    of_tasks: list[tuple[str, Difference]] = []
    ours: dict[str, None] = {}
    for pair in each:
        for before, task in legs_of(pair.study.paraphrase):
            ours[task] = None
            if task not in race.sequence.tasks or task in tasks:
                continue
            found = list(pair.of_task(task, before))
            of_tasks += [(task, difference) for difference in found]
            if not found and not of_run:
                tasks[task] = SAME_TASKS if before else SAME_STATE
                past[task] = before
                strategies[task] = pair.strategies(before)
    differing = [*of_run, *(found for task, found in of_tasks if task not in tasks)]
    if not tasks and not differing:
        both = Difference(
            "tasks that are learned", _listed(tuple(ours)), _listed(race.sequence.tasks)
        )
        differing = [both]
    return Match(
        run_id=race.run_id,
        tasks=tasks,
        past=past,
        evaluated=tuple(dict.fromkeys(task for pair in each for task in pair.evaluated())),
        strategies=strategies,
        differing=tuple(dict.fromkeys(differing)),
        notes=tuple(_notes(each[0], tasks, strategies)) if tasks else (),
    )


class _Pair:
    """One study and the race."""

    def __init__(self, study: Run, race: Run):
        self.study, self.race = study, race
        study.made_here("be compared with a race")
        self._mine, self._theirs = _texts(study), _texts(race)

    def of_run(self) -> Iterator[Difference]:
        """Keys that no stage can make up for."""
        mine, theirs = self.study.provenance, self.race.provenance
        models = [run.provenance.get("model", {}).get("fingerprint") for run in self._runs]
        names = [run.study.model for run in self._runs]
        if all(models) and models[0] != models[1]:
            yield Difference(
                "model", *(f"{n} {m[:_SHOWN]}" for n, m in zip(names, models, strict=True))
            )
        elif not all(models) and names[0] != names[1]:
            yield Difference("model", *names)
        versions = [made.get("algorithm_version") for made in (mine, theirs)]
        if None not in versions and versions[0] != versions[1]:
            yield Difference("algorithm version", *map(str, versions))
        counted = (*_SETTINGS, *method_settings([self.study.paraphrase.method]))
        settings = [
            settings_that_count(run.made_here("be compared"), counted) for run in self._runs
        ]
        for key in sorted(settings[0].keys() & settings[1].keys()):
            values = [_plain(own[key]) for own in settings]
            if values[0] != values[1]:
                yield Difference(key, *map(str, values))

    def of_task(self, task: str, past: tuple[str, ...]) -> Iterator[Difference]:
        """What keeps the stages that learn a task from being trials of the study."""
        for name in (*(t for t in past if t in self.race.sequence.tasks), task):
            if marks := self._other_data(name):
                yield Difference(
                    f"data of {name}" + ("" if name == task else f", before {task}"), *marks
                )
        mine, theirs = self._candidates(self._mine, task), self._candidates(self._theirs, task)
        if mine and theirs and mine != theirs:
            shared = f"{len(mine & theirs)} of them the same"
            yield Difference(
                f"candidates of {task}", counted(len(mine), "prompt"), f"{len(theirs)}, {shared}"
            )
        before = [order[: order.index(task)] for order in self.race.sequence.orders]
        if past not in before:
            listed = dict.fromkeys(_listed(own) for own in before)
            yield Difference(f"learned before {task}", _listed(past), " or ".join(listed))
        elif not self.strategies(past):
            names = ", ".join(map(str, self.race.sequence.chosen_strategies))
            wanted = self._alike(past)
            needed = f"as {' or '.join(wanted)}" if wanted else f"{self._method} after lora"
            yield Difference(f"method that learns {task}", needed, names)

    def strategies(self, past: tuple[str, ...]) -> tuple[str, ...]:
        """Those whose stage after this past is a trial of the study."""
        alike = self._alike(past)
        return tuple(
            str(s)
            for s in self.race.sequence.chosen_strategies
            if s.method in alike and not get_policy(s.policy).draws
        )

    @property
    def _method(self) -> MethodName:
        return self.study.paraphrase.method

    def _alike(self, past: tuple[str, ...]) -> tuple[MethodName, ...]:
        """Methods of a race whose stage after this past is a fine-tune of the study.

        A study learns its past with lora, whatever its method: a race that learns it with another
        comes to another state.
        """
        if self._method == "lora":
            return ALIKE_LATER if past else ALIKE_AT_FIRST
        return () if past else (self._method,)

    def evaluated(self) -> list[str]:
        """Tasks that both measure alike."""
        ours = self.study.paraphrase
        named = (*ours.past, *ours.current, *ours.unseen, *ours.retained)
        return [t for t in named if t in self.race.sequence.tasks and not self._other_data(t)]

    @property
    def _runs(self) -> tuple[Run, Run]:
        return self.study, self.race

    def _other_data(self, task: str) -> tuple[str, str] | None:
        """Both marks of a task's data where they differ; its original prompt is part of it."""
        marks = [(run.provenance.get("data") or {}).get(task) for run in self._runs]
        seeds = [run.made_here("be compared").data_seed for run in self._runs]
        if all(marks) and marks[0] == marks[1]:
            return None
        if seeds[0] != seeds[1]:
            return f"data_seed {seeds[0]}", f"data_seed {seeds[1]}"
        if all(marks):
            return str(marks[0])[:_SHOWN], str(marks[1])[:_SHOWN]
        originals = [_original(texts, task) for texts in (self._mine, self._theirs)]
        if all(originals) and originals[0] != originals[1]:
            return "its original prompt", "another original prompt"
        return None

    @staticmethod
    def _candidates(texts: pd.DataFrame, task: str) -> set[str]:
        return set(texts.loc[(texts["task"] == task) & ~texts["test_only"], "text"])


def _texts(run: Run) -> pd.DataFrame:
    return run.table("prompts")[["task", "prompt_id", "text", "source", "test_only"]]


def _original(texts: pd.DataFrame, task: str) -> str:
    found = texts.loc[(texts["task"] == task) & (texts["source"] == "original"), "text"]
    return str(found.iloc[0]) if len(found) else ""


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _listed(tasks: Sequence[str]) -> str:
    return ", ".join(tasks) or "nothing"


def _notes(
    pair: _Pair, tasks: dict[str, str], strategies: dict[str, tuple[str, ...]]
) -> Iterator[str]:
    if SAME_TASKS in tasks.values():
        yield (
            "Its parent states had learned the same tasks with the same prompts, by another"
            " fine-tune: read them as one more state seed of the study."
        )
    mine, theirs = pair.study.paraphrase.evaluation.examples, pair.race.sequence.evaluation.examples
    if mine != theirs:
        yield (
            f"The race is measured on the first {theirs} test rows of each task, the study on the"
            f" first {mine}: {min(mine, theirs)} are the same."
        )
    used = {name for own in strategies.values() for name in own}
    if left := [s for s in pair.race.sequence.chosen_strategies if str(s) not in used]:
        yield f"Left out: {'; '.join(_why_left(s) for s in left)}."


def _why_left(strategy: Strategy) -> str:
    if get_policy(strategy.policy).draws:
        return f"{strategy}, which trains with many prompts"
    return f"{strategy}, whose fine-tune is another one than the study's"
