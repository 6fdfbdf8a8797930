"""What a pocket task is, and how its examples are divided into four pools that share no input."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from random import Random
from typing import Literal

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import SPLITS, Example, Split, Task
from sapo_analysis.tasks.pocket.draws import Draw, draw_of
from sapo_analysis.tasks.pocket.files import TaskFile, task_file

SUITE = "pocket"
Pool = Literal["pretraining", "train", "dev", "test"]

SIZES: dict[Split, int] = {"train": 600, "dev": 200, "test": 500}
_BUCKETS: tuple[tuple[int, Pool], ...] = (
    (25, "pretraining"),
    (50, "train"),
    (65, "dev"),
    (100, "test"),
)
# The rarest pool holds 15 of 100 inputs: a generator that can make a new one for it needs no more.
_MOST_DRAWS = 2000


@dataclass(frozen=True)
class PocketTask:
    """A generator of examples and the part of its facts that pretraining shows.

    A fact is what has to be known to answer (a word and its label, two numbers and their sum).
    Pretraining shows the `known` part of a task's facts, the train and dev pools all but the
    `untaught` part, test all: so fine-tuning has something to teach, and something it cannot.
    Of a task that shares its facts with another, each pool shows the same ones as there.
    """

    name: str
    file: TaskFile

    @cached_property
    def facts(self) -> dict[str, str]:
        """Every fact and its answer."""
        return self.file.answer_of

    @cached_property
    def _draw(self) -> Draw:
        return draw_of(self.name, self.file)

    @cached_property
    def _fact_owner(self) -> PocketTask:
        owner = self.file.shares_facts_with
        return self if owner is None else PocketTask(owner, task_file(owner))

    def known_facts(self) -> tuple[str, ...]:
        """The facts that pretraining shows."""
        owner = self._fact_owner
        return owner._part(owner.file.known, first=True)

    def taught_facts(self) -> tuple[str, ...]:
        """The facts that the train and dev pools show: all but the untaught ones."""
        owner = self._fact_owner
        untaught = owner._part(owner.file.untaught, first=False)
        return tuple(sorted(set(self.facts) - set(untaught)))

    def _part(self, share: float, first: bool) -> tuple[str, ...]:
        """This share of every label's facts (of all facts without labels), from either end.

        The order is that of a digest. A fact and its mirror (4 + 7 and 7 + 4, hot to cold and cold
        to hot) go together, as who knows the one knows the other.
        """
        groups: dict[str, dict[str, list[str]]] = {}
        for fact, answer in self.facts.items():
            both = min(fact, _mirror(fact, self.facts))
            group = groups.setdefault(answer if self.file.labels else "", {})
            group.setdefault(both, []).append(fact)
        chosen: list[str] = []
        for group in groups.values():
            wanted = len(chosen) + round(share * sum(map(len, group.values())))
            # The built-in hash() differs from process to process.
            order = sorted(group, key=lambda both: _digest(f"{self.name}/known/{both}"))
            for both in order if first else reversed(order):
                if len(chosen) < wanted:
                    chosen += group[both]
        return tuple(sorted(chosen))

    def facts_of(self, pool: Pool) -> tuple[str, ...]:
        """The facts that examples of a pool need."""
        if pool == "pretraining":
            return self.known_facts()
        return tuple(self.facts) if pool == "test" else self.taught_facts()

    def stream(self, pool: Pool, seed: int) -> Iterator[Example]:
        """Endless examples of one pool; the facts take turns, so each is met equally often.

        Raises:
            InputError: the pool has no facts, or a fact has no input that belongs to it.
        """
        rng = Random(f"{self.name}/{pool}/{seed}")
        facts = self.facts_of(pool)
        if not facts:
            raise InputError(
                f"Task {self.name!r} has no fact for the {pool} pool: of {len(self.facts)} it knows"
                f" {self._fact_owner.file.known:g} and leaves {self._fact_owner.file.untaught:g}"
                " untaught. Change known or untaught so that some are left."
            )
        while True:
            for fact in rng.sample(facts, len(facts)):
                yield self._example(rng, pool, fact, facts)

    def _example(self, rng: Random, pool: Pool, fact: str, facts: Sequence[str]) -> Example:
        for _ in range(_MOST_DRAWS):
            example = self._draw(rng, fact, facts)
            if pool_of(self.name, example.input) == pool:
                return example
        raise InputError(
            f"Task {self.name!r} has no input for its fact {fact!r} that belongs to the {pool} pool"
            f" ({_MOST_DRAWS} were tried). Give its inputs more variety: frames with more random"
            " slots."
        )

    def load(self, split: Split, data_seed: int) -> list[Example]:
        """The examples of one split: the first distinct inputs of its stream.

        Raises:
            InputError: there are not so many distinct ones.
        """
        rows: dict[str, Example] = {}
        for example in islice(self.stream(split, data_seed), 20 * SIZES[split]):
            rows.setdefault(example.input, example)
            if len(rows) == SIZES[split]:
                return list(rows.values())
        raise InputError(
            f"Task {self.name!r} has {len(rows)} distinct {split} inputs, {SIZES[split]} are"
            " needed. Give its inputs more variety: more frames, facts or random slots."
        )

    def task(self, data_seed: int) -> Task:
        """The task as studies see it."""
        return Task(
            name=self.name,
            title=self.file.title,
            family=self.file.family,
            suite=SUITE,
            labels=self.file.labels,
            metric=self.file.metric,
            suffix="",
            max_new_tokens=self.file.max_new_tokens,
            role=self.file.role,
            sizes={split: SIZES[split] for split in SPLITS},
            load=lambda split: self.load(split, data_seed),
            wordings=self.file.prompts.wordings,
            related=() if self._fact_owner is self else (self._fact_owner.name,),
        )


def _mirror(fact: str, answers: Mapping[str, str]) -> str:
    """The fact that says the same the other way round; itself where there is none."""
    turned = "/".join(reversed(fact.split("/")))
    if turned != fact and answers.get(turned) == answers[fact]:
        return turned
    return answers[fact] if answers.get(answers[fact]) == fact else fact


def pool_of(task: str, input_text: str) -> Pool:
    """The pool an input belongs to, from its text alone: no two pools can share an input."""
    bucket = zlib.crc32(f"{task}/{input_text}".encode()) % 100
    return next(pool for limit, pool in _BUCKETS if bucket < limit)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
