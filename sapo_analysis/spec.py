"""What to run: frozen study specifications.

One definition serves validation, help texts and the saved JSON. A spec is the question, completely:
`spec.json` in a run folder is the spec that was run and can be run again. Names of tasks, prompts
and models are resolved by `sapo_analysis.plan`; here only form and ranges are checked.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
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

SCHEMA_VERSION = 1
"""Version of the spec and of the run folder; a newer one is refused, never guessed at."""

Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]
PRESETS = Path(__file__).parent / "data" / "presets"


class Settings(BaseModel):
    """Base of all settings: frozen, and a misspelt name is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraSettings(Settings):
    """The adapter that is trained; names and meanings are peft's `LoraConfig`."""

    r: PositiveInt = Field(8, description="rank of the update (1)")
    lora_alpha: PositiveFloat = Field(
        16, description="scale numerator: the update counts alpha / r times (1)"
    )
    lora_dropout: float = Field(
        0.0, ge=0, lt=1, description="dropout on the adapter's input (probability)"
    )
    target_modules: tuple[str, ...] | Literal["all-linear"] = Field(
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


class EvaluationSettings(Settings):
    """How each state and each trial is measured on every task of the study."""

    examples: PositiveInt = Field(100, description="first test rows of each task (examples)")
    batch_size: PositiveInt = Field(64, description="rows decoded at once (examples)")
    n_predictions_kept: NonNegativeInt = Field(
        64, description="first test rows whose output is kept (examples)"
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


class ParaphraseStudy(Settings):
    """Which wording of the training prompt makes the model forget less and generalize better?

    For each replicate: learn `past`, then fine-tune one adapter per (current task, prompt) from
    that one state and measure every task. All prompts share examples, order, adapter initialisation
    and dropout streams.
    """

    kind: Literal["paraphrase"] = "paraphrase"
    schema_version: Annotated[StrictInt, Field(ge=1)] = SCHEMA_VERSION
    name: str = Field(
        "study",
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="start of the run's id (a-z, 0-9, hyphen)",
    )
    model: str = Field(
        "pocket", min_length=1, description="a known model's name, or a folder with one"
    )
    past: tuple[str, ...] = Field((), description="tasks learned before, in this order")
    current: tuple[str, ...] = Field(
        min_length=1, description="tasks learned with each prompt, one at a time"
    )
    unseen: tuple[str, ...] = Field((), description="tasks only measured; they can gain or lose")
    retained: tuple[str, ...] = Field(
        (), description="tasks the base model has mastered; they can only lose"
    )
    prompts: Annotated[StrictInt, Field(ge=0)] | tuple[str, ...] | dict[str, NonNegativeInt] = (
        Field(
            12,
            description="paraphrases per current task beside the original: a number,"
            " a list of prompt ids, or a number per source such as {seen: 6, novel: 6},"
            " spread evenly over pretraining frequency",
        )
    )
    own_prompts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="further paraphrases by their text, per current task"
    )
    data_seed: Seed = Field(0, description="which examples each pocket task draws")
    seeds: tuple[Seed, ...] = Field(
        (0,), min_length=1, description="one replicate each: adapter, order, dropout"
    )
    state_seeds: tuple[Seed, ...] | None = Field(
        None,
        description="how replicate i learned the past; default: its seed;"
        " one number is shared by all",
    )
    noise_seeds: tuple[Seed, ...] = Field(
        (), description="same prompt and state again under these seeds"
    )
    noise_prompts: tuple[str, ...] | None = Field(
        None,
        description="prompt ids repeated under the noise seeds;"
        " default: original and one drawn paraphrase",
    )
    method: Literal["lora"] = Field("lora", description="how a task is learned")
    rotate: bool = Field(
        False,
        description="every task of past, current and unseen is current once,"
        " the others past or unseen in turn",
    )
    lora: LoraSettings = LoraSettings()
    training: TrainingSettings = TrainingSettings()
    scoring: ScoringSettings = ScoringSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes the GPU when there is one"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="type of the base model's weights"
    )

    def __init__(self, **settings: Any) -> None:
        """Settings by name; a wrong one is an `InputError`, as from a file."""
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise InputError(
                "The study cannot be run.\n" + explain(error, ParaphraseStudy)
            ) from error

    @model_validator(mode="after")
    def _roles_are_disjoint(self) -> ParaphraseStudy:
        seen: dict[str, str] = {}
        for role in ("past", "current", "unseen", "retained"):
            for task in getattr(self, role):
                if task in seen:
                    both = (
                        f"twice in {role}"
                        if seen[task] == role
                        else f"both {seen[task]} and {role}"
                    )
                    raise ValueError(
                        f"task {task!r} is {both}; a task has one role in a study."
                        " Remove one of the two"
                    )
                seen[task] = role
        if len(seen) < 2:
            raise ValueError(
                "a study needs at least one task beside the current one."
                " Add past, unseen or retained tasks"
            )
        return self

    @model_validator(mode="after")
    def _seeds_are_usable(self) -> ParaphraseStudy:
        for field in ("seeds", "noise_seeds"):
            values = getattr(self, field)
            if len(set(values)) != len(values):
                raise ValueError(f"{field} has a number twice: {list(values)}. Name each seed once")
        shared = sorted(set(self.seeds) & set(self.noise_seeds))
        if shared:
            raise ValueError(
                f"{shared} are both seeds and noise_seeds; a noise trial needs a seed of its own"
            )
        if self.state_seeds is not None and len(self.state_seeds) not in (1, len(self.seeds)):
            raise ValueError(
                f"state_seeds has {len(self.state_seeds)} numbers for {len(self.seeds)} seeds."
                " Give one per seed, or one"
            )
        return self

    @model_validator(mode="after")
    def _checkpoints_come_before_the_end(self) -> ParaphraseStudy:
        late = [step for step in self.evaluation.checkpoints if step >= self.training.steps]
        if late:
            raise ValueError(
                f"evaluation.checkpoints has {late}, but training.steps is {self.training.steps};"
                " a checkpoint comes before the end, which is measured anyway"
            )
        return self

    @model_validator(mode="after")
    def _own_prompts_have_a_task(self) -> ParaphraseStudy:
        trained = set(self.current) | (set(self.past) | set(self.unseen) if self.rotate else set())
        for task in self.own_prompts:
            if task not in trained:
                raise ValueError(
                    f"own_prompts names {task!r}, which is not a current task."
                    f" Current: {sorted(trained)}"
                )
        return self

    @property
    def replicates(self) -> list[tuple[int, int]]:
        """(state seed, trial seed) of each replicate: paired, not crossed."""
        state_seeds = self.state_seeds or self.seeds
        if len(state_seeds) == 1:
            state_seeds = state_seeds * len(self.seeds)
        return list(zip(state_seeds, self.seeds, strict=True))


def parse_study(data: dict[str, Any], source: str) -> ParaphraseStudy:
    """A spec from plain data.

    Raises:
        InputError: a setting is unknown, misspelt or out of range, or the schema is newer than this
            version; `source` and every offending field are named.
    """
    if not isinstance(data, dict):
        raise InputError(
            f"{source} does not hold a study: it must be a mapping of settings,"
            f" got {type(data).__name__}."
        )
    if odd := [key for key in data if not isinstance(key, str)]:
        raise InputError(f"{source} has settings that are no names: {odd}. Write name: value.")
    version = data.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{source} has schema_version {version}; this version reads up to {SCHEMA_VERSION}."
            " It was written by a newer sapo-analysis: upgrade, then try again."
        )
    kind = data.get("kind", "paraphrase")
    if kind != "paraphrase":
        raise InputError(f"{source} is a study of kind {kind!r}. Known kinds: paraphrase.")
    try:
        return ParaphraseStudy(**data)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def load_study(path: Path) -> ParaphraseStudy:
    """A spec from a YAML or JSON file; its name defaults to the file's stem.

    Raises:
        InputError: no such file, not YAML, or not a valid study.
    """
    return parse_study(read_spec_data(path), str(path))


def read_spec_data(path: Path) -> dict[str, Any]:
    """The plain settings of a spec file, with `name` filled in from the file's stem."""
    import yaml

    try:
        data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"No spec file {str(path)!r}."
            f" Give a YAML file or a preset: {', '.join(preset_names())}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read {str(path)!r}: {error}. Give a readable YAML file."
        ) from error
    except yaml.YAMLError as error:
        raise InputError(
            f"{str(path)!r} is not YAML: {error}. Mend it at the place named."
        ) from error
    if isinstance(data, dict):
        data.setdefault("name", re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40])
    return data


def preset_names() -> list[str]:
    """Names of the studies that ship with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def to_json(study: ParaphraseStudy) -> str:
    """The spec as the text of `spec.json`; `parse_study(json.loads(...))` gives an equal spec."""
    return json.dumps(study.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
