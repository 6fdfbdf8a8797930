"""The parts of a recipe in a model: made as they start, put in, taken out again."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, load_model
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.stacked_training import Trained
from sapo_analysis.methods.recipe import BEFORE_TEXTS, REMOVABLE, PartName, Recipe
from sapo_analysis.models.context_tokens import ContextTokens
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.flat_weights import FlatWeights
from sapo_analysis.models.prefix import Prefixes, initial_prefix, prefix_before, prefix_of
from sapo_analysis.models.prompt_encoder import PromptEncoders
from sapo_analysis.models.soft_prompt import (
    SoftPrompts,
    TokenWise,
    TrainedPrompts,
    standing_before,
)
from sapo_analysis.models.soft_prompt_files import read_soft_prompt
from sapo_analysis.models.soft_prompt_start import (
    at_random,
    embedded,
    from_labels,
    from_text,
    from_vocabulary,
)
from sapo_analysis.models.stacked_ia3 import StackedIa3, scaled_by
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.models.virtual_tokens import VirtualTokens
from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.composed.contexts import context_of, keys_and_values
from sapo_analysis.studies.engine import Engine

WEIGHTS = "part.safetensors"
"""In a state's folder: what is always on, complete."""
REMOVED = "removable.safetensors"
"""In a state's folder: what is on for one task each, by the task's name."""
MODEL = "model.safetensors"


class Part(Trained, Protocol):
    """Weights of K fine-tunes in a model."""

    @property
    def tensors(self) -> list[Tensor]:
        """The weights as leaves that are views of `values`."""
        ...


class Parts:
    """What a recipe puts into a model.

    Attributes:
        model: what reads, with everything in it.
        by_name: the parts that stand beside the model's own weights.
        before: the one among them that texts stand behind; None: there is none.
        earlier: for each fine-tune, the removable parts of the tasks learned before, as one vector
            each.
        contexts: the demonstrations that each fine-tune started as; none where it did not.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        by_name: Mapping[PartName, Part],
        before: TrainedPrompts | None,
        earlier: Sequence[Mapping[str, Tensor]],
        contexts: Sequence[ContextTokens] = (),
    ):
        self.model, self.by_name, self.before = model, by_name, before
        self.earlier, self.contexts = earlier, contexts

    @property
    def tokens(self) -> VirtualTokens | None:
        """The ids of the virtual tokens that texts stand behind; None: there are none."""
        return None if self.before is None else self.before.tokens

    def behind(self, k: int, rows: Sequence[Encoded], task: str | None = None) -> Sequence[Encoded]:
        """Rows as they stand behind what fine-tune k trains, or behind that of an earlier task.

        Raises:
            InputError: as `VirtualTokens.before`.
        """
        if self.before is None:
            return rows
        head = self.contexts[k].head if self.contexts else ()
        slot, n = 0, self.before.lengths[k]
        if task is not None:
            slot = 1 + list(self.earlier[k]).index(task)
            if isinstance(self.before, TokenWise):
                n = self.earlier[k][task].numel() // self.before.per_token
        return self.before.tokens.before(rows, slot, n, head)


@contextmanager
def parts_in(
    engine: Engine, base: PreTrainedModel, recipe: Recipe, begun: Sequence[Begun]
) -> Iterator[Parts]:
    """A model with a recipe's parts as they start; the base is as it was after the block.

    Raises:
        InputError: what an earlier stage left is missing or has another form, or the model cannot
            take a part.
    """
    earlier = [_earlier(one.start.removable) for one in begun]
    with ExitStack() as stack:
        model = _whole(base, begun) if recipe.has("whole-model") else base
        by_name: dict[PartName, Part] = {}
        before, contexts = None, []
        if recipe.context is not None:
            contexts = [context_of(engine, recipe.context, one) for one in begun]
        for name in recipe.parts:
            if name in BEFORE_TEXTS:
                before = _before(stack, engine, model, recipe, name, begun, earlier, contexts)
                by_name[name] = before
            elif name != "whole-model":
                by_name[name] = _inside(stack, engine, model, name, begun)
        if recipe.always_on:
            for k, one in enumerate(begun):
                if one.start.carried is not None:
                    part: Any = by_name[recipe.parts[0]]
                    part.load(k, one.start.carried / WEIGHTS)
        yield Parts(model, by_name, before, earlier, contexts)


def _before(
    stack: ExitStack,
    engine: Engine,
    model: PreTrainedModel,
    recipe: Recipe,
    name: PartName,
    begun: Sequence[Begun],
    earlier: Sequence[Mapping[str, Tensor]],
    contexts: Sequence[ContextTokens],
) -> TrainedPrompts:
    """A part that texts stand behind, put into the model."""
    settings = engine.study.soft_prompt
    length = settings.virtual_tokens
    if name == "prompt-encoder":
        seeds = [one.start.seed for one in begun]
        encoders = PromptEncoders(model, length, settings.encoder_hidden_size, seeds)
        stack.enter_context(standing_before(model, encoders))
        return encoders
    if name == "prefix":
        kept = (
            [keys_and_values(model, own) for own in contexts]
            if contexts
            else [
                initial_prefix(model, starting_embeddings(engine, model, recipe, one))
                for one in begun
            ]
        )
        held = [[prefix_of(own, kept[0]) for own in mine.values()] for mine in earlier]
        prefixes = Prefixes(model, kept, held)
        stack.enter_context(prefix_before(model, prefixes))
        return prefixes
    starts = (
        [embedded(model, own.ids) for own in contexts]
        if contexts
        else [starting_embeddings(engine, model, recipe, one) for one in begun]
    )
    size = starts[0].shape[1]
    prompts = SoftPrompts(
        model, starts, [[own.view(-1, size) for own in mine.values()] for mine in earlier]
    )
    stack.enter_context(standing_before(model, prompts))
    return prompts


def _inside(
    stack: ExitStack,
    engine: Engine,
    model: PreTrainedModel,
    name: PartName,
    begun: Sequence[Begun],
) -> Part:
    """A part that stands on the model's layers, put into it."""
    study = engine.study
    if name == "ia3":
        scales = StackedIa3(model, len(begun))
        stack.enter_context(scaled_by(model, scales))
        return scales
    if name == "first-lora":
        rank = study.promot.first_rank
        own: dict[str, object] = {"r": rank, "lora_alpha": 2.0 * rank, "lora_dropout": 0.0}
        settings = study.lora.model_copy(update=own)
        seeds = [one.start.seed for one in begun]
        return stack.enter_context(stacked_adapters(model, settings, seeds))
    settings = study.lora
    return stack.enter_context(stacked_adapters(model, settings, [one.start for one in begun]))


def starting_embeddings(
    engine: Engine, model: PreTrainedModel, recipe: Recipe, one: Begun
) -> Tensor:
    """What a soft prompt, or a prefix, starts from [length, size].

    Raises:
        InputError: a saved soft prompt does not fit the model or the study, or the task has no
            labels or no instruction to start from.
    """
    study, tokenizer = engine.study, engine.encoder.tokenizer
    settings, seed = study.soft_prompt, one.start.seed
    length = settings.virtual_tokens
    if recipe.uniform:
        return at_random(model, length, seed)
    if not recipe.always_on and study.promot.stage_1_from is not None:
        return _saved(study.promot.stage_1_from, model, length)
    if settings.init == "text":
        return from_text(model, tokenizer, settings.init_text or one.instruction, length)
    if settings.init == "labels":
        return from_labels(model, tokenizer, one.task.labels, length, one.task.name)
    if settings.init == "vocabulary":
        return from_vocabulary(model, tokenizer, length, seed)
    return at_random(model, length, seed)


def _saved(folder: str, model: PreTrainedModel, length: int) -> Tensor:
    """A saved soft prompt of the length that the study says [length, size]."""
    prompt = read_soft_prompt(Path(folder), model)
    if len(prompt) != length:
        raise InputError(
            f"The soft prompt in promot.stage_1_from ({folder}) has {len(prompt)} virtual tokens,"
            f" and soft_prompt.virtual_tokens is {length}. Set soft_prompt.virtual_tokens to"
            f" {len(prompt)}, or name another folder."
        )
    return prompt


def _whole(base: PreTrainedModel, begun: Sequence[Begun]) -> PreTrainedModel:
    """A copy of the model that can be trained, as an earlier stage left it."""
    (one,) = begun
    model = copy.deepcopy(base)
    if one.start.carried is not None:
        file = one.start.carried / MODEL
        _check_there(file)
        load_model(model, str(file))
    return model


def _earlier(folder: Path | None) -> dict[str, Tensor]:
    """The removable parts of tasks learned before, by name."""
    if folder is None:
        return {}
    _check_there(folder / REMOVED)
    found = load_file(folder / REMOVED)
    return {task: found[task] for task in sorted(found)}


def _check_there(file: Path) -> None:
    if not file.is_file():
        raise InputError(
            f"What an earlier stage left is missing (file {file}), so its run cannot be continued."
            " Run its spec.json again."
        )


def removable_of(recipe: Recipe) -> PartName | None:
    """The part that is on for some tasks alone; None: there is none, or it is always on."""
    if recipe.always_on:
        return None
    return next(name for name in recipe.parts if name in REMOVABLE)


def flat(part: Part, k: int) -> Tensor:
    """A copy of the weights of fine-tune k as one vector."""
    if isinstance(part, FlatWeights):  # of which some may be left over
        return part.vector(k)
    return torch.clone(part.values[k].detach())
