"""What is measured at which size. Importing this costs nothing: a wrong name is refused at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sapo_analysis.errors import unknown

SECTIONS = ("scoring", "training", "evaluation", "study")


@dataclass(frozen=True)
class Shape:
    """A model with random weights and texts of random tokens: for speed they are as good as any.

    Attributes:
        architecture: transformers' model type.
        hidden, layers, intermediate, heads, kv_heads, head_dim: as in its configuration.
        vocabulary: tokens the model knows.
        length: tokens of the longest text, answer included; texts are up to an eighth shorter.
        prefix: tokens at the start that all texts under one prompt share, the instruction.
        answer: tokens of the longest answer; answers are up to half as short.
        dtype: of the weights.
    """

    architecture: Literal["llama", "qwen3", "gpt_neox"]
    hidden: int
    layers: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    length: int
    prefix: int
    answer: int
    dtype: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Preset:
    """One set of sizes.

    Attributes:
        name: what `--preset` takes.
        title: one line on the model.
        shape: a random model; None is the shipped pocket model with its own tasks.
        for_gpu: too large to be worth the hours on a CPU.
        n_adapters: adapters that our arm trains and evaluates at once, prompts that are scored.
        n_single: of those, how many the other arms take one after the other: spread over all by
            the length of their texts.
        batch_size: rows per optimizer step, the same in every arm.
        steps: optimizer steps of the short and of the long job.
        examples: rows scored per prompt.
        eval_examples: rows answered per task and adapter.
        eval_batches: batch sizes tried for `Trainer.evaluate` and `generate`.
        repeats: times each arm is measured.
        study_repeats: the same for the whole study; 0 where no study is run.
    """

    name: str
    title: str
    shape: Shape | None
    for_gpu: bool = False
    n_adapters: int = 16
    n_single: int = 1
    batch_size: int = 8
    steps: tuple[int, int] = (10, 40)
    examples: int = 128
    eval_examples: int = 64
    eval_batches: tuple[int, ...] = (8, 64)
    repeats: int = 5
    study_repeats: int = 0


_TINY = Shape("llama", 64, 2, 192, 4, 4, 16, 256, length=32, prefix=8, answer=6)
_SMALL = Shape("llama", 128, 4, 384, 4, 4, 32, 2048, length=64, prefix=16, answer=8)
_SMALL_32K = Shape("llama", 128, 4, 384, 4, 4, 32, 32000, length=64, prefix=16, answer=8)
_10M = Shape(
    "llama", 384, 6, 1024, 6, 6, 64, 8192, length=128, prefix=32, answer=8, dtype="bfloat16"
)
_LLAMA = Shape(
    "llama", 1536, 20, 4096, 12, 12, 128, 32000, length=180, prefix=60, answer=16, dtype="bfloat16"
)
_QWEN3 = Shape(
    "qwen3", 1024, 28, 3072, 16, 8, 128, 151936, length=180, prefix=60, answer=16, dtype="bfloat16"
)
_NEOX = Shape(
    "gpt_neox", 1024, 24, 4096, 16, 16, 64, 50304, length=180, prefix=60, answer=16,
    dtype="bfloat16",
)  # fmt: skip

_ALL = (
    Preset(
        "pocket",
        "the shipped pocket model on its own tasks",
        None,
        n_adapters=13,
        n_single=3,
        batch_size=16,
        steps=(10, 30),
        examples=100,
        study_repeats=2,
    ),
    Preset("tiny", "random Llama, 0.1M body, 256 tokens, texts of 32", _TINY),
    Preset("small", "random Llama, 0.9M body, 2,048 tokens, texts of 64", _SMALL),
    Preset("small-32k", "random Llama, 0.9M body, 32,000 tokens, texts of 64", _SMALL_32K),
    Preset("10m", "random Llama, 10M body, texts of 128", _10M, True, n_adapters=20),
    Preset("llama-0.6b", "random Llama, 0.6B, texts of 180", _LLAMA, True, n_adapters=10),
    Preset("qwen3-0.6b", "random weights, Qwen3-0.6B's shape, texts of 180", _QWEN3, True, 10),
    Preset("neox-0.4b", "random weights, Pythia-410M's shape, texts of 180", _NEOX, True, 10),
)
PRESETS = {preset.name: preset for preset in _ALL}


def find_preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        InputError: there is none; all known ones are listed.
    """
    if name not in PRESETS:
        raise unknown("preset", name, list(PRESETS), "Give one of these as --preset.")
    return PRESETS[name]


def check_sections(names: list[str]) -> tuple[str, ...]:
    """The sections to measure, in order; none named is all.

    Raises:
        InputError: a name is unknown.
    """
    for name in names:
        if name not in SECTIONS:
            raise unknown("section", name, list(SECTIONS), "Give one of these as --only.")
    return tuple(section for section in SECTIONS if not names or section in names)
