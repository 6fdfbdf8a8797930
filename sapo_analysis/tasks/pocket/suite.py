"""What a pocket task is, and how its examples are divided into four pools that share no input."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from sapo_analysis.tasks.base import SPLITS, Example, Split, Task

Pool = Literal["pretraining", "train", "dev", "test"]

SUITE_SEED = 1
SIZES: dict[Split, int] = {"train": 600, "dev": 100, "test": 200}
_BUCKETS: tuple[tuple[int, Pool], ...] = (
    (30, "pretraining"),
    (70, "train"),
    (80, "dev"),
    (100, "test"),
)


@dataclass(frozen=True)
class PocketTask:
    """A generator of examples and the part of its world that pretraining shows.

    `facts` maps each fact the task needs (a word and its label, say) to the group it is balanced
    over; tasks without facts have the one fact "". `draw(rng, fact, allowed)` makes one example
    that needs this fact; `allowed` are the facts it may use besides. `known` is the fraction of
    facts that pretraining shows, `share` the task's weight among the pretraining examples.
    """

    name: str
    title: str
    family: str
    labels: tuple[str, ...]
    metric: str
    max_new_tokens: int
    role: str
    facts: dict[str, str]
    draw: Callable[[Random, str, tuple[str, ...]], Example]
    known: float = 1.0
    share: float = 1.0

    def known_facts(self) -> tuple[str, ...]:
        """The facts pretraining shows: the same fraction of every group, chosen by digest."""
        shown: list[str] = []
        for group in dict.fromkeys(self.facts.values()):
            members = [fact for fact, its_group in self.facts.items() if its_group == group]
            members.sort(key=lambda fact: _digest(f"{self.name}/known/{fact}"))
            shown += members[: round(self.known * len(members))]
        return tuple(sorted(shown))

    def stream(self, pool: Pool, seed: int, facts: tuple[str, ...]) -> Iterator[Example]:
        """Endless examples of one pool; the facts take turns, so each is met equally often."""
        rng = Random(f"{self.name}/{pool}/{seed}")
        while True:
            for fact in rng.sample(facts, len(facts)):
                example = self.draw(rng, fact, facts)
                while pool_of(self.name, example.input) != pool:
                    example = self.draw(rng, fact, facts)
                yield example

    def load(self, split: Split) -> list[Example]:
        """The examples of one split: the first distinct inputs of its stream."""
        rows: dict[str, Example] = {}
        stream = self.stream(split, SUITE_SEED, tuple(self.facts))
        while len(rows) < SIZES[split]:
            example = next(stream)
            rows.setdefault(example.input, example)
        return list(rows.values())

    def task(self) -> Task:
        """The task as studies see it."""
        return Task(
            name=self.name,
            title=self.title,
            family=self.family,
            suite="pocket",
            labels=self.labels,
            metric=self.metric,
            suffix="",
            max_new_tokens=self.max_new_tokens,
            role=self.role,
            sizes={split: SIZES[split] for split in SPLITS},
            load=self.load,
        )


def pool_of(task: str, input_text: str) -> Pool:
    """The pool an input belongs to, from its text alone: no two pools can share an input."""
    bucket = int(_digest(f"{task}/{input_text}")[:8], 16) % 100
    return next(pool for limit, pool in _BUCKETS if bucket < limit)


def _digest(text: str) -> str:
    # The built-in hash() differs from process to process.
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
