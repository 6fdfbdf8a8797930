"""Losses of candidates at the states that chains have reached, each taken once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.plan import BASE_STATE, Chain
from sapo_analysis.policies import Policy, get_policy
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.sequence import rows
from sapo_analysis.studies.sequence.book import Book
from sapo_analysis.studies.sequence.choosing import (
    Heard,
    Scored,
    Scoring,
    score_for_the_lowest,
    score_in_full,
)
from sapo_analysis.studies.sequence.stages import Place
from sapo_analysis.studies.sequence.standing import standing_at
from sapo_analysis.studies.sequence.telling import Teller
from sapo_analysis.studies.sequence.texts import Texts

Row = dict[str, Any]


class Scorer:
    """Scores what policies ask for; what is known stands in the book."""

    def __init__(
        self, engine: Engine, base: PreTrainedModel, texts: Texts, book: Book, teller: Teller
    ):
        self._engine, self._base, self._texts = engine, base, texts
        self._book, self._teller, self._study = book, teller, texts.plan.study

    def at_base(self, task: str, meter: Meter) -> list[Row]:
        """Score a task's candidates at θ_0, for every chain that will ask; `indicators` rows."""
        # An adapter that was never trained adds nothing: with it the model is θ_0.
        lora = make_method("lora", self._study)
        plan = self._texts.plan
        # Policies that look at their own state stand at this one before their first task alone.
        is_first = any(task == order[0] for order in self._study.orders)
        policies = [
            policy
            for strategy in self._study.chosen_strategies
            if (policy := get_policy(strategy.policy)).scores_at == "theta-0" or is_first
        ]
        start = lora.start(0, ())
        instruction = plan.originals[task].text
        place = Place(BASE_STATE, (), start, start, lora, plan.tasks[task], instruction)
        return self._score([place], _needs_all(policies), meter)

    def for_chains(
        self, places: Mapping[Chain, Place], meter: Meter
    ) -> tuple[list[Row], dict[Chain, Scored]]:
        """Losses for the chains whose policies want them, and what is new as `indicators` rows."""
        wanted: dict[Chain, tuple[str, str]] = {}
        for chain, place in places.items():
            at = get_policy(chain.strategy.policy).scores_at
            if at != "nowhere":
                state_id = BASE_STATE if at == "theta-0" else place.state_id
                wanted[chain] = (state_id, place.task)
        waiting: dict[tuple[str, str], list[Chain]] = {}
        for chain, key in wanted.items():
            if key not in self._book.scored:
                waiting.setdefault(key, []).append(chain)
        found: list[Row] = []
        # One pass serves states at which the same task comes next and the same is asked for.
        alike: dict[tuple[str, bool], list[Place]] = {}
        for (_, task), chains in waiting.items():
            needs_all = _needs_all([get_policy(chain.strategy.policy) for chain in chains])
            alike.setdefault((task, needs_all), []).append(places[chains[0]])
        for (_, needs_all), own in alike.items():
            found += self._score(own, needs_all, meter)
        return found, {chain: self._book.scored[key] for chain, key in wanted.items()}

    def _score(self, places: Sequence[Place], needs_all: bool, meter: Meter) -> list[Row]:
        """Losses of one task's candidates at some states, into the book and as rows."""
        task, settings = places[0].task, self._study.scoring
        candidates = self._texts.plan.prompts[task]
        encoded = [self._texts.scoring(task, prompt) for prompt in candidates]
        found: list[Scoring] = []
        # For the lowest alone the rows of a pass are candidates, which share one state. In less
        # than float32 a race reads some losses twice; tables and policies would see other ones.
        race = settings.early_stop and not needs_all and self._study.dtype == "float32"
        at_once = 1 if race or places[0].method.trains_all else self._texts.plan.chunk
        with meter.time("score"):
            for first in range(0, len(places), at_once):
                part = places[first : first + at_once]
                heard = self._heard(part)
                with standing_at(self._engine, self._base, part) as tuned:
                    if race:
                        found.append(
                            score_for_the_lowest(tuned, encoded, settings.batch_size, heard)
                        )
                    else:
                        found += score_in_full(
                            tuned, encoded, len(part), settings.batch_size, heard
                        )
        readings = [self._engine.reading(own) for own in encoded]
        tokens, logits = (sum(column) for column in zip(*readings, strict=True))
        made: list[Row] = []
        for place, scoring in zip(places, found, strict=True):
            _check_finite(place, candidates, scoring.scored.values)
            n = scoring.scored.examples
            # Of a race it is not known which texts were read: their mean length is near enough.
            share = n / sum(map(len, encoded))
            meter.add("score", n, round(tokens * share), round(logits * share))
            self._book.scored[(place.state_id, task)] = scoring.scored
            made += rows.indicators(
                place.state_id,
                candidates,
                scoring.candidates,
                self._texts.lengths[task],
                settings.batch_size,
            )
        return made

    def _heard(self, places: Sequence[Place]) -> Heard:
        candidates = self._texts.plan.prompts[places[0].task]

        def heard(k: int, i: int, loss: float, n: int, stopped: bool) -> None:
            self._teller.scored(places[k].state_id, candidates[i], loss, n, stopped)

        return heard


def _check_finite(place: Place, candidates: Sequence[Prompt], values: Sequence[float]) -> None:
    """A loss that is no number compares with nothing, and would win or lose by its place alone."""
    for prompt, value in zip(candidates, values, strict=True):
        if not math.isfinite(value):
            raise InputError(
                f"Prompt {prompt.prompt_id} has pre-update loss {value} at state {place.state_id},"
                " so no policy can choose by loss there. Lower the learning rate, or load the model"
                " in float32; finished stages are safe."
            )


def _needs_all(policies: Sequence[Policy]) -> bool:
    """Whether one of those that look at losses needs them all."""
    return any(p.needs == "all" for p in policies if p.scores_at != "nowhere")
