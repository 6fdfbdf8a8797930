"""The model as chains have it at their places: adapters on the base, or one whole model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from transformers import PreTrainedModel

from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.sequence.stages import Place
from sapo_analysis.studies.sequence.whole_model import whole_model


@contextmanager
def standing_at(
    engine: Engine, base: PreTrainedModel, places: Sequence[Place]
) -> Iterator[FineTunes]:
    """What stands at some places, in order and untrained, so each is its state itself."""
    starts = [place.start for place in places]
    if places[0].method.trains_all:
        with whole_model(engine, base, starts[0]) as tuned:
            yield tuned
    else:
        with engine.adapters(base, starts) as tuned:
            yield tuned
