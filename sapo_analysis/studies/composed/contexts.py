"""Context tuning: what stands before a task's texts starts as demonstrations of that task.

Context Tuning: Lu et al. 2025 (arXiv 2507.04221, methods §9). The demonstrations are the first
training rows, under the prompt of the fine-tune, laid out as earlier turns. A row that is one of
them does not see its own slice while it is trained on: that would show it the answer. Nor does
another training row with the same input.

In CT-KV the keys and values of later demonstrations come from one pass that saw the earlier ones
(methods §9), so a little of a hidden answer is in them from the start. In CT-Prompt nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.methods.recipe import Context, Recipe
from sapo_analysis.models.context_tokens import ContextTokens, context_tokens
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.loading import context_length
from sapo_analysis.models.packing import KeysValues
from sapo_analysis.models.prefix import initial_prefix
from sapo_analysis.models.soft_prompt_start import embedded
from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.engine import Engine


def context_of(engine: Engine, context: Context, one: Begun) -> ContextTokens:
    """The demonstrations of a fine-tune as tokens.

    Raises:
        InputError: the task has too few training rows, or as `context_tokens`.
    """
    rows = one.task.examples("train")
    shown = one.task.examples("train", context.n)
    probes = [rows[0], rows[-1]]
    prompt = one.instruction if one.prompt is None else one.prompt
    return context_tokens(engine.encoder.tokenizer, prompt, one.task.suffix, shown, probes)


def own_places(found: ContextTokens, one: Begun, row: int) -> set[int]:
    """Where in a context the demonstrations with the input of training row `row` stand."""
    shown = one.task.examples("train", len(found.ends))
    own = one.task.examples("train")[row].input
    return {
        place for i, other in enumerate(shown) if other.input == own for place in found.slice_of(i)
    }


def keys_and_values(model: PreTrainedModel, found: ContextTokens) -> KeysValues:
    """What a prefix starts from: of one forward pass over head and demonstrations."""
    head = embedded(model, found.head) if found.head else None
    return initial_prefix(model, embedded(model, found.ids), head)


def check_contexts(
    engine: Engine, base: PreTrainedModel, context: Context, begun: Sequence[Begun], longest: int
) -> None:
    """Refuse demonstrations that leave no room for the texts.

    Args:
        engine: whose layout they stand in.
        base: what reads.
        context: how many they are.
        begun: a fine-tune of each task with each prompt.
        longest: tokens of the longest text, an answer to be written included.

    Raises:
        InputError: together they are longer than the model's context; or as `context_of`.
    """
    most = context_length(base)
    found = [(context_of(engine, context, one), one) for one in begun]
    tokens, one = max(found, key=lambda own: len(own[0].ids))
    n = len(tokens.ids)
    if n + longest <= most:
        return
    fit = min(sum(end + longest <= most for end in own.ends) for own, _ in found)
    fits = f"at most {fit} fit" if fit else "none fits, so shorten inputs.max_tokens first"
    prompt = one.instruction if one.prompt is None else one.prompt
    raise InputError(
        f"context_tuning.demonstrations is {context.n}: those of task {one.task.name!r} under the"
        f" prompt {prompt[:80]!r} take {n} tokens, and the longest text of the study {longest} of"
        f" the model's {most}: {fits}. Lower context_tuning.demonstrations."
    )


def step_tokens(engine: Engine, recipe: Recipe, one: Begun, rows: Sequence[Encoded]) -> float:
    """Tokens that an average training step reads, those of the context among them.

    In a stack the virtual tokens of a prefix are read once per step; those of a soft prompt once
    per row, unless every row sees them all.
    """
    context = recipe.context
    assert context is not None, "of recipes with demonstrations"
    found, size = context_of(engine, context, one), engine.study.training.batch_size
    text = sum(len(row.ids) for row in rows) / len(rows)
    if engine.name == "plain":
        return size * (len(found.ids) + text)
    if recipe.has("prefix") or not (context.token_drop or context.leave_one_out):
        n = len(found.head)
        return n + len(found.ids) + size * (text - n)
    return size * (len(found.ids) * (1 - context.token_drop) + text)
