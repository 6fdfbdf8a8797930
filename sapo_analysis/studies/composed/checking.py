"""Whether a recipe can be carried out, tried before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.methods.recipe import BEFORE_TEXTS, Recipe
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.virtual_tokens import check_room
from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.composed.contexts import check_contexts
from sapo_analysis.studies.composed.files import export
from sapo_analysis.studies.composed.parts import parts_in, starting_embeddings
from sapo_analysis.studies.engine import Engine


def check_recipe(
    engine: Engine,
    base: PreTrainedModel,
    recipe: Recipe,
    begun: Sequence[Begun],
    rows: Sequence[Encoded],
    longest: int,
) -> None:
    """Put a recipe's parts into the model and read some rows.

    Args:
        engine: what reads.
        base: the model.
        recipe: what is put into it.
        begun: a fine-tune of each task that is learned, with each prompt.
        rows: some rows of the study.
        longest: tokens of the longest text that is read, an answer to be written included.

    Raises:
        InputError: the model cannot take a part, a text does not fit behind a soft prompt or behind
            demonstrations, a saved soft prompt does not fit the model, or a task has not what a
            soft prompt starts from.
    """
    study = engine.study
    if recipe.context is not None:
        check_contexts(engine, base, recipe.context, begun, longest)
    elif recipe.has(*BEFORE_TEXTS) and study.promot.stage_1_from is None:
        # First of all: a prefix starts as what the model makes of so many tokens.
        check_room(base, study.soft_prompt.virtual_tokens, longest)
    if recipe.has("soft-prompt", "prefix") and recipe.context is None:
        for one in {own.task.name: own for own in begun}.values():
            starting_embeddings(engine, base, recipe, one)
    with parts_in(engine, base, recipe, begun[:1]) as parts:
        if parts.tokens is not None and recipe.context is None:
            check_room(base, parts.tokens.length, longest)
        read = parts.behind(0, rows)
        (found,) = engine.losses_all(parts.model, [read])
        if study.keep_adapters and not recipe.has("whole-model"):
            with TemporaryDirectory() as folder:
                export(recipe, parts, 0, Path(folder), "model")
    if not all(math.isfinite(one.nll_sum) for one in found):
        raise InputError(
            f"With {' and '.join(recipe.parts)} in it the model gives losses that are no numbers"
            " before anything is trained. Load it in float32, or use another method."
        )
