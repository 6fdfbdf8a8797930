"""Settings that every kind of study shares: adapter, training, scoring, evaluation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StrictInt,
    ValidationError,
    model_validator,
)

from sapo_analysis.errors import InputError
from sapo_analysis.explain import explain
from sapo_analysis.methods import make_method
from sapo_analysis.spec.base import Settings
from sapo_analysis.spec.methods import (
    ContextTuningSettings,
    FullSettings,
    Ia3Settings,
    MetaTunerSettings,
    MethodName,
    PromotSettings,
    PtpSettings,
    SoftPromptSettings,
    TsLossSettings,
)

SCHEMA_VERSION = 1
"""Version of the spec and of the run folder; a newer one is refused, never guessed at."""

SchemaVersion = Annotated[StrictInt, Field(ge=1)]
_MEMORY_SIZE = r"\d+(\.\d+)?[KMG]iB"
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,39}$"
Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]


class LoraSettings(Settings):
    """The adapter that is trained; names and meanings are peft's `LoraConfig`."""

    r: PositiveInt = Field(8, description="rank of the update (1)")
    lora_alpha: PositiveFloat = Field(
        16, description="scale numerator: the update counts alpha / r times (1)"
    )
    lora_dropout: float = Field(
        0.0, ge=0, lt=1, description="dropout on the adapter's input (probability)"
    )
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all-linear"] = Field(
        "all-linear", description="names of the linear layers that get an adapter, or all-linear"
    )


class TrainingSettings(Settings):
    """One fine-tune. Past tasks and current tasks are learned with the same settings."""

    examples: PositiveInt = Field(480, description="first training rows used (examples)")
    batch_size: PositiveInt = Field(16, description="examples per optimizer step (examples)")
    steps: PositiveInt = Field(50, description="optimizer steps (steps)")
    learning_rate: PositiveFloat = Field(3e-3, description="peak AdamW learning rate (1/step)")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant",
        description="learning rate after the warm-up: constant, or linear or cosine decay to 0",
    )
    warmup_steps: NonNegativeInt = Field(0, description="linear warm-up from 0 (steps)")
    weight_decay: NonNegativeFloat = Field(0.0, description="AdamW decoupled weight decay (1)")
    max_grad_norm: PositiveFloat = Field(
        1.0, description="gradient norm above which it is clipped (1)"
    )

    @model_validator(mode="after")
    def _warmup_fits(self) -> TrainingSettings:
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps is {self.warmup_steps}, more than steps = {self.steps}")
        return self


class ScoringSettings(Settings):
    """Pre-update loss: the loss of every candidate prompt on the current task before any update."""

    examples: PositiveInt = Field(
        250, description="first training rows scored, in file order (examples)"
    )
    batch_size: PositiveInt = Field(
        8,
        description="rows per batch of the released averaging,"
        " which is a mean of batch means (examples)",
    )
    diagnostics: NonNegativeInt = Field(
        0,
        description="first training rows that the gradient indicators use (examples);"
        " 0: neither these nor prompt perplexity and similarity",
    )


def _a_list_of_shots(given: Any) -> Any:
    """A plain number is answered with the list that may be meant."""
    if isinstance(given, int) and not isinstance(given, bool):
        meant = [0, given] if given > 0 else [0]
        raise ValueError(f"n_shots is {given}; write a list that begins with 0, as in {meant}")
    return given


def _zero_shots_first(shots: tuple[int, ...]) -> tuple[int, ...]:
    """Scores without demonstrations are what every analysis reads."""
    if shots[0] != 0 or any(b <= a for a, b in pairwise(shots)):
        raise ValueError(f"n_shots is {list(shots)}; begin with 0, then rise: [0] or [0, 1]")
    return shots


Shots = Annotated[
    tuple[Annotated[StrictInt, Field(ge=0, le=8)], ...],
    Field(min_length=1),
    AfterValidator(_zero_shots_first),
    BeforeValidator(_a_list_of_shots),
]


class EvaluationSettings(Settings):
    """How each state and each trial is measured on every task of the study."""

    examples: PositiveInt = Field(100, description="first test rows of each task (examples)")
    batch_size: PositiveInt = Field(64, description="rows decoded at once (examples)")
    n_predictions_kept: NonNegativeInt = Field(
        64, description="first test rows whose output is kept (examples)"
    )
    n_shots: Shots = Field(
        (0,),
        description="demonstrations before each test input, from the task's training rows; several"
        " numbers measure everything at the end as often (examples)",
    )
    checkpoints: tuple[PositiveInt, ...] = Field(
        (),
        description="optimizer steps after which each main or noise trial is measured as at its"
        " end; there, at the start and at the end also its dev loss and how far it moved (steps)",
    )

    @model_validator(mode="after")
    def _checkpoints_rise(self) -> EvaluationSettings:
        if any(b <= a for a, b in pairwise(self.checkpoints)):
            raise ValueError(
                f"checkpoints are {list(self.checkpoints)}; name each step once, in rising order"
            )
        return self


class InputSettings(Settings):
    """What becomes of long inputs.

    Decided on the input text alone, by the model's own tokens, so every prompt meets the same
    examples. Prompt, answer format and label are never cut.
    """

    max_tokens: PositiveInt | None = Field(
        None, description="longest input text (tokens of the model); none: the context is the limit"
    )
    too_long: Literal["refuse", "cut", "drop"] = Field(
        "refuse",
        description="what becomes of a longer input: the study is refused and they are listed, the"
        " input is cut at its end, or the example is dropped for all prompts",
    )


def _by_device(given: Any) -> Any:
    """Devices by name: YAML reads a GPU's number as a number."""
    if not isinstance(given, dict):
        return given
    found = {str(device): size for device, size in given.items()}
    for device, size in found.items():
        if not (device == "cpu" or device.isdecimal()):
            raise ValueError(f"{device!r} is no device: name GPUs by number from 0, and cpu")
        if not re.fullmatch(_MEMORY_SIZE, str(size)):
            raise ValueError(f"{size!r} is no amount of memory: write it as 20GiB or 500MiB")
    if not found:
        raise ValueError("no device is named: name GPUs by number from 0, and cpu")
    return found


class MemorySettings(Settings):
    """How a large model is made to fit."""

    quantization: Literal["none", "8bit", "4bit"] = Field(
        "none", description="the frozen base model in 8 or 4 bits, by bitsandbytes"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them"
    )
    max_memory: Annotated[dict[str, str], BeforeValidator(_by_device)] | None = Field(
        None,
        description="a model larger than its device, spread by accelerate: how much of each device"
        " its weights may take, such as {0: 20GiB, cpu: 60GiB}; the rest stays on the disk",
    )

    @model_validator(mode="after")
    def _spread_is_not_quantized(self) -> MemorySettings:
        if self.max_memory is not None and self.quantization != "none":
            raise ValueError(
                f"max_memory and quantization: {self.quantization} do not go together: weights in"
                " host memory or on disk are not quantized. Set one of the two"
            )
        return self

    @property
    def keeps_weights_whole(self) -> bool:
        """Whether the base model's weights can be changed: neither quantized nor away."""
        return self.quantization == "none" and self.max_memory is None


class DiagnosticsSettings(Settings):
    """What is measured of each fine-tune along the way, beside its scores."""

    every: NonNegativeInt = Field(
        0,
        description="steps between two looks at format ratio and gradient alignment, also at the"
        " start and the end; 0: none (steps)",
    )
    examples: PositiveInt = Field(
        32,
        description="first test rows of each task whose answers are read, and first training rows"
        " whose gradients are taken; at most evaluation.examples and training.examples (examples)",
    )
    shuffles: PositiveInt = Field(
        8, description="shuffles of the labels that the format gradient is averaged over (shuffles)"
    )


class Study(Settings):
    """What every kind of study has."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    name: str = Field(
        "study",
        pattern=NAME_PATTERN,
        description="start of the run's id (a-z, 0-9, hyphen; at most 40)",
    )
    model: str = Field(
        "pocket",
        min_length=1,
        description="a known model's name, a folder with one, or the id of"
        " one that was fetched from the hub (ID or ID@REVISION); random:MODEL is its untrained"
        " control",
    )
    tasks_from: tuple[str, ...] = Field(
        (),
        description="paths to further tasks beside the pocket suite: a folder with"
        " instructions.json, a folder of added tasks, or a task file",
    )
    inputs: InputSettings = InputSettings()
    memory: MemorySettings = MemorySettings()
    prompts: Annotated[StrictInt, Field(ge=0)] | tuple[str, ...] | dict[str, NonNegativeInt] = (
        Field(
            12,
            description="paraphrases per trained task beside the original: a number,"
            " a list of prompt ids, or a number per source such as {seen: 6, novel: 6},"
            " spread evenly over pretraining frequency",
        )
    )
    own_prompts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="further paraphrases by their text, per trained task"
    )
    data_seed: Seed = Field(0, description="which examples each pocket task draws")
    seeds: tuple[Seed, ...] = Field(
        (0,), min_length=1, description="one replicate each: adapter, order, dropout"
    )
    lora: LoraSettings = LoraSettings()
    training: TrainingSettings = TrainingSettings()
    soft_prompt: SoftPromptSettings = SoftPromptSettings()
    ia3: Ia3Settings = Ia3Settings()
    full: FullSettings = FullSettings()
    promot: PromotSettings = PromotSettings()
    ptp: PtpSettings = PtpSettings()
    context_tuning: ContextTuningSettings = ContextTuningSettings()
    ts_loss: TsLossSettings = TsLossSettings()
    metatuner: MetaTunerSettings = MetaTunerSettings()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes the GPU when there is one"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="type of the base model's weights"
    )
    keep_adapters: bool = Field(
        False, description="keep each fine-tune's adapter in the run folder, in peft's format"
    )

    def __init__(self, **settings: Any) -> None:
        """Settings by name; a wrong one is an `InputError`, as from a file."""
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise InputError("The study cannot be run.\n" + explain(error, type(self))) from error

    def trains_all(self, method: MethodName) -> bool:
        """Whether a method trains all weights of the model."""
        return make_method(method, cast(Any, self)).trains_all

    def check_whole_models(self, methods: Mapping[str, MethodName]) -> None:
        """Refuse to train all weights where they are rounded or away; methods by what to call them.

        Raises:
            ValueError: a method trains all weights.
        """
        for name, method in methods.items():
            if not self.trains_all(method):
                continue
            if self.dtype != "float32":
                raise ValueError(
                    f"{name} trains all weights, and dtype is {self.dtype}, in which small steps"
                    " are lost to rounding. Set dtype to float32, or train an adapter"
                )
            if not self.memory.keeps_weights_whole:
                raise ValueError(
                    f"{name} trains all weights, and memory.quantization or memory.max_memory"
                    " leaves none that could be trained. Train an adapter, or leave these settings"
                    " out"
                )

    def check_demonstrations(self, methods: Mapping[str, MethodName]) -> None:
        """Refuse to start from more demonstrations than are trained on; methods as above.

        Raises:
            ValueError: there are too few training rows, or none sees anything that is trained.
        """
        n = self.training.examples
        for name, method in methods.items():
            recipe = make_method(method, cast(Any, self)).recipe(0)
            if recipe is None or recipe.context is None:
                continue
            if recipe.context.n > n:
                raise ValueError(
                    f"{name} starts from context_tuning.demonstrations ="
                    f" {recipe.context.n} training rows, and training.examples is {n}."
                    f" Set demonstrations to at most {n}"
                )
            if recipe.context.leave_one_out and n == 1:
                raise ValueError(
                    f"{name} leaves a demonstration out where it is trained on itself, and with"
                    " training.examples = 1 nothing is left that could be trained. Raise"
                    " training.examples, or set context_tuning.leave_one_out to false"
                )

    @model_validator(mode="after")
    def _each_seedeach_once(self) -> Study:
        each_once("seeds", self.seeds)
        return self


def each_once(field: str, values: tuple[int, ...]) -> None:
    """Refuse a list of seeds with a number twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{field} has a number twice: {list(values)}. Name each seed once")


def own_prompts_are_for(trained: Collection[str], own_prompts: Iterable[str]) -> None:
    """Refuse prompts of a task that the study does not train with them."""
    for task in own_prompts:
        if task not in trained:
            raise ValueError(
                f"own_prompts names {task!r}, which is not a current task. Current: {list(trained)}"
            )
