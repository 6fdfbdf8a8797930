"""How tasks can be learned: the methods by name, and the settings of each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from sapo_analysis.methods import known_methods
from sapo_analysis.spec.base import Settings

MethodName = str
"""A name of `METHODS`."""
METHODS: tuple[MethodName, ...] = tuple(known_methods())
"""Methods of a sequence study: all of them."""
ONE_TASK_METHODS: tuple[MethodName, ...] = tuple(
    name for name, method in known_methods().items() if method.one_task
)
"""Methods that learn a single task: those of a paraphrase study."""


class OLoraSettings(Settings):
    """Method `o-lora`: new adapters orthogonal to earlier ones."""

    weight: NonNegativeFloat = Field(
        0.5,
        description="weight of the penalty in each optimizer step's loss (1);"
        " the released code's 0.5 is added eight times per step and counts 4",
    )


class EwcSettings(Settings):
    """Method `ewc`: weights that mattered to earlier tasks are held."""

    weight: NonNegativeFloat = Field(
        10.0, description="weight of the quadratic penalty (nats/token per unit of information)"
    )
    examples: PositiveInt = Field(
        64, description="first training rows that the Fisher information is taken over (examples)"
    )


class ReplaySettings(Settings):
    """Method `replay`: rows of earlier tasks come back."""

    ratio: NonNegativeFloat = Field(
        0.25, description="rows of earlier tasks per row of the current one in each batch (1)"
    )


class FullSettings(Settings):
    """Method `full`: all weights are trained, without an adapter."""

    learning_rate: PositiveFloat = Field(
        3e-4, description="in place of training.learning_rate, which is an adapter's (1/step)"
    )


class Ia3Settings(Settings):
    """Method `ia3`: keys, values and the MLP's inner activations are scaled (IA)³."""

    learning_rate: PositiveFloat = Field(
        3e-2, description="in place of training.learning_rate, which is LoRA's (1/step)"
    )


class SoftPromptSettings(Settings):
    """Trained virtual tokens before each text: prompt tuning, P-tuning, prefix tuning, ProMoT."""

    virtual_tokens: PositiveInt = Field(
        20, description="length of a soft prompt; it takes its share of the context (tokens)"
    )
    init: Literal["text", "labels", "vocabulary", "random"] = Field(
        "text",
        description="what it starts from: embeddings of a text, of the task's label words, of"
        " tokens drawn from the vocabulary, or random numbers as large as embeddings",
    )
    init_text: str | None = Field(
        None,
        min_length=1,
        description="the text that init: text means; default: the task's original instruction,"
        " whatever the training prompt",
    )
    learning_rate: PositiveFloat = Field(
        0.01, description="in place of training.learning_rate, which is an adapter's (1/step)"
    )
    encoder_hidden_size: PositiveInt = Field(
        128, description="hidden units of p-tuning's prompt encoder (1)"
    )


class PromotSettings(Settings):
    """ProMoT: first a soft prompt takes up the format, then the model is tuned behind it.

    Stage 1 trains the soft prompt by `soft_prompt.learning_rate`, stage 2 the model by `training`.
    """

    steps: PositiveInt = Field(50, description="optimizer steps of stage 1 (steps)")
    select_every: PositiveInt = Field(
        10,
        description="steps between two checkpoints, in both stages; each stage keeps the one that"
        " is best on the task's dev examples (steps)",
    )
    dev_examples: PositiveInt = Field(
        50, description="first dev rows that checkpoints are judged on (examples)"
    )
    update: Literal["lora", "full"] = Field(
        "lora", description="what stage 2 trains: an adapter, or all weights"
    )
    first_rank: PositiveInt = Field(
        2, description="rank of the removable adapter that promot-lora-first trains in stage 1 (1)"
    )
    stage_1_from: str | None = Field(
        None,
        min_length=1,
        description="a folder with a saved soft prompt (this project's or peft's format) in place"
        " of stage 1, for a study of one trained task",
    )
