"""How tasks can be learned: the methods by name, and the settings of each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sapo_analysis.methods import known_methods
from sapo_analysis.spec.base import Settings

MethodName = str
"""A name of `METHODS`."""
METHODS: tuple[MethodName, ...] = tuple(known_methods())
"""All methods."""
ONE_TASK_METHODS: tuple[MethodName, ...] = tuple(
    name for name, method in known_methods().items() if method.one_task
)
"""Methods that learn a single task: those of a paraphrase study."""
SEQUENCE_METHODS: tuple[MethodName, ...] = tuple(
    name for name, method in known_methods().items() if method.in_sequences
)
"""Methods that learn one task after another: those of a sequence study."""


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


class PtpSettings(Settings):
    """Methods `ptp-…`: prompt tuning on texts as they are and perturbed (PTP, reconstructed).

    Strengths are from single short fine-tunes on dev rows of the tuning side (methods §10 suggests
    0.05 to 0.5). Noise of 0.1 left the loss where it was, 0.40 for 0.41 nats/token; an adversary at
    0.05 raised it to 0.51, at 0.01 it lowered it, 0.45 for 0.49.
    """

    noise_strength: NonNegativeFloat = Field(
        0.1,
        description="length of the noise that ptp-noise adds to each embedding of the text, by its"
        " root mean square, in mean norms of the model's embeddings (1)",
    )
    adversarial_strength: NonNegativeFloat = Field(
        0.01,
        description="how far ptp-adversarial moves each embedding of the text at most, in mean"
        " norms of the model's embeddings (1)",
    )
    adversarial_steps: PositiveInt = Field(
        3,
        description="steps of projected gradient ascent of ptp-adversarial; each reads the batch"
        " once more (steps)",
    )
    mask_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of a text's tokens that ptp-masking replaces by others of the vocabulary"
        " (1)",
    )
    weight: NonNegativeFloat = Field(
        1.0,
        description="weight γ of the perturbed loss: (loss + γ · perturbed loss) / (1 + γ) is"
        " trained on (1)",
    )


class ContextTuningSettings(Settings):
    """Methods `ct-prompt` and `ct-kv`: what stands before a text starts as demonstrations.

    Settings other than these are of `training`; the paper's are AdamW without weight decay, a
    cosine schedule without warm-up, clipping at norm 1.
    """

    demonstrations: PositiveInt = Field(
        4,
        description="first training rows that it starts as, under the training prompt; their tokens"
        " take their share of the context (examples)",
    )
    learning_rate: PositiveFloat = Field(
        1e-2, description="in place of training.learning_rate, which is an adapter's (1/step)"
    )
    leave_one_out: bool = Field(
        True,
        description="whether a demonstration that is trained on does not see its own slice, which"
        " would show it the answer",
    )
    token_drop: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of the demonstrations' tokens that each trained row does not see, drawn"
        " anew at each step (1)",
    )


class TsLossSettings(Settings):
    """Method `tsloss` and its kin: a loss on the point cloud that virtual tokens are.

    Terms named h0 and h1 have no unit; those of the surrogate and the controls grow with the
    embedding's own unit.
    """

    h0: NonNegativeFloat = Field(
        0.1, description="weight of uneven connections, of tsloss and tsloss-h0 (nats/token)"
    )
    h1: NonNegativeFloat = Field(
        0.1, description="weight of loops, of tsloss and tsloss-h1 (nats/token)"
    )
    surrogate_h0: NonNegativeFloat = Field(
        1.0, description="weight of uneven soft neighbours, of tsloss-surrogate (nats/token/unit²)"
    )
    surrogate_h1: NonNegativeFloat = Field(
        1.0,
        description="weight of distances outside of soft thresholds, of tsloss-surrogate"
        " (nats/token/unit)",
    )
    alpha: PositiveFloat = Field(
        1.0, description="how sharply tsloss-surrogate takes the nearest and the farthest (1/unit)"
    )
    l2: NonNegativeFloat = Field(
        0.1, description="weight of the mean squared norm, of tsloss-l2 (nats/token/unit²)"
    )
    distance: NonNegativeFloat = Field(
        0.1, description="weight of the mean distance, of tsloss-distance (nats/token/unit)"
    )


class MetaTunerSettings(Settings):
    """MetaTuner (small), experimental: for each text a prompt is chosen and a LoRA written."""

    learning_rate: PositiveFloat = Field(
        1e-3, description="in place of training.learning_rate, which is an adapter's (1/step)"
    )
    share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of the decoder layers that choosing and writing have in common: the"
        " first ones, rounded, at least one; they have adapters as lora says (1)",
    )
    alpha: NonNegativeFloat = Field(
        1.0, description="weight of the loss of the chosen prompt beside the loss of answers (1)"
    )
    labelled: PositiveInt = Field(
        240,
        description="first training rows whose best prompt is found out before training; at most"
        " training.examples (examples)",
    )
    refresh: NonNegativeInt = Field(
        0,
        description="steps after which the best prompts are found out again, with the LoRA written"
        " by then; 0: never (steps)",
    )
    sync: PositiveInt = Field(
        5,
        description="steps after which the copy of the policy that chooses for the loss of answers"
        " is brought up to date (steps)",
    )
    r: PositiveInt = Field(4, description="rank of the LoRA that is written (1)")
    scale: PositiveFloat = Field(1.0, description="how often the LoRA that is written counts (1)")
    hidden: PositiveInt = Field(
        32, description="hidden units of each network that writes a matrix (1)"
    )
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all-linear"] = Field(
        ("q_proj", "v_proj"),
        description="names of the linear layers that LoRA is written for, or all-linear",
    )
