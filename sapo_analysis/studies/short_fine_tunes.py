"""Short fine-tunes by a method, as often as their speed has to be measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from transformers import PreTrainedModel

from sapo_analysis.learning.members import Member
from sapo_analysis.methods import Method
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.composed import Begun, composed
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.metatuner.of_study import MetaTuners
from sapo_analysis.studies.sequence.whole_model import whole_model


@contextmanager
def timed_fine_tunes(
    engine: Engine,
    model: PreTrainedModel,
    method: Method,
    begun: Sequence[Begun],
    rows: Sequence[Sequence[Encoded]],
    tuners: MetaTuners | None = None,
) -> Iterator[tuple[FineTunes, float]]:
    """Fine-tunes of a first task, trained; and what one step of one of them took (seconds).

    They are made twice: the first time also pays for warming up. No checkpoint is judged.

    Args:
        engine: what trains.
        model: what is trained on.
        method: how, with the settings of a study that is as short as is wanted.
        begun: the fine-tunes; one, where all weights are trained.
        rows: each one's training rows.
        tuners: of the study, where its method writes for each text.
    """
    members = [
        Member(own, method.training(0), one.start.seed)
        for one, own in zip(begun, rows, strict=True)
    ]
    with _made(engine, model, method, begun, tuners) as tuned:
        tuned.begin(_with_penalty(method, members, tuned))
        tuned.train()
    started = time.perf_counter()
    with _made(engine, model, method, begun, tuners) as tuned:
        tuned.begin(_with_penalty(method, members, tuned))
        tuned.train()
        seconds = time.perf_counter() - started
        yield tuned, seconds / tuned.total_steps / len(members)


def _with_penalty(method: Method, members: Sequence[Member], tuned: FineTunes) -> Sequence[Member]:
    return [replace(each, penalty=method.penalty((), tuned.layout)) for each in members]


def _made(
    engine: Engine,
    model: PreTrainedModel,
    method: Method,
    begun: Sequence[Begun],
    tuners: MetaTuners | None,
) -> AbstractContextManager[FineTunes]:
    if tuners is not None:
        return tuners.unlabelled(model, begun[0].task.name, begun[0].start.seed)
    recipe = method.recipe(0)
    if recipe is not None:
        return composed(engine, model, recipe, begun)
    if method.trains_all:
        return whole_model(engine, model, begun[0].start)
    return engine.adapters(model, [one.start for one in begun])
