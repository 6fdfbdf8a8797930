"""The model as chains have it at their places: parts on the base, or one whole model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from transformers import PreTrainedModel

from sapo_analysis.plan import BASE_STATE
from sapo_analysis.studies.composed import Begun, composed
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.fine_tunes import FineTunes
from sapo_analysis.studies.sequence.stages import FineTune, Place
from sapo_analysis.studies.sequence.whole_model import whole_model


def standing_at(
    engine: Engine, base: PreTrainedModel, places: Sequence[Place]
) -> AbstractContextManager[FineTunes]:
    """What stands at some places of one method, in order: each is its state itself."""
    first = places[0]
    starts = [place.standing for place in places]
    if first.method.trains_all:
        return whole_model(engine, base, starts[0])
    recipe = first.recipe
    # A part that was never trained is not there yet; what is removable is off before a new task.
    if recipe is None or not recipe.always_on or first.state_id == BASE_STATE:
        return engine.adapters(base, starts)
    begun = [Begun(place.standing, place.data, place.instruction) for place in places]
    return composed(engine, base, recipe, begun)


def starting_at(
    engine: Engine, base: PreTrainedModel, tunes: Sequence[FineTune]
) -> AbstractContextManager[FineTunes]:
    """The fine-tunes of one method as they start, in order."""
    first = tunes[0].place
    starts = [tune.place.start for tune in tunes]
    recipe = first.recipe
    if recipe is not None:
        begun = [
            Begun(tune.place.start, tune.place.data, tune.place.instruction, tune.prompt.text)
            for tune in tunes
        ]
        return composed(engine, base, recipe, begun)
    if first.method.trains_all:
        return whole_model(engine, base, starts[0])
    return engine.adapters(base, starts)
