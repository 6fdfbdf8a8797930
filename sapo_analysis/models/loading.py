"""Loading a causal language model and choosing where it runs.

`transformers` is imported where it is needed: all of it takes seconds, and who asks for a device or
for tokens waits for the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import ModelFiles

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_RANDOM_WEIGHTS_SEED = 0


@dataclass(frozen=True)
class Device:
    """Where work runs, and why there."""

    name: Literal["cpu", "cuda"]
    why: str
    hardware: str


def choose_device(requested: Literal["auto", "cpu", "cuda"]) -> Device:
    """The device to use; `auto` takes the GPU when torch can use one.

    Raises:
        InputError: `cuda` was asked for and torch cannot use a GPU.
    """
    usable = torch.cuda.is_available()
    if requested == "cuda" and not usable:
        build = f"torch {torch.__version__} is {'a CUDA' if torch.version.cuda else 'a CPU'} build"
        raise InputError(
            f"Device 'cuda' was asked for, but no GPU is usable: {build}."
            " Use cpu or auto; see `sapo doctor`."
        )
    if requested == "cpu" or not usable:
        why = "asked for" if requested == "cpu" else "no GPU that torch can use"
        return Device("cpu", why, f"{torch.get_num_threads()} CPU threads")
    return Device(
        "cuda",
        "asked for" if requested == "cuda" else "a GPU is there",
        torch.cuda.get_device_name(0),
    )


def load_tokenizer(files: ModelFiles) -> PreTrainedTokenizerBase:
    """The model's tokenizer, with a pad token (end-of-sequence where the model has none).

    Raises:
        InputError: the tokenizer is not a fast one, which label spans need.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True)
    if not tokenizer.is_fast:
        raise InputError(
            f"Model {files.name!r} has no fast tokenizer, and label spans need token offsets."
            " Use another model."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    files: ModelFiles, device: Device, dtype: Literal["float32", "bfloat16"]
) -> PreTrainedModel:
    """The base model θ_0 in eval mode, weights frozen; code from a model folder is never run."""
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    if files.weights == "random":
        with torch.random.fork_rng():
            torch.manual_seed(_RANDOM_WEIGHTS_SEED)
            config = AutoConfig.from_pretrained(files.folder, local_files_only=True)
            make: Any = AutoModelForCausalLM.from_config  # transformers leaves it untyped
            model = make(config, dtype=DTYPES[dtype])
    else:
        model = AutoModelForCausalLM.from_pretrained(
            files.folder, dtype=DTYPES[dtype], use_safetensors=True, local_files_only=True
        )
    for weight in model.parameters():
        # Loaded weights are mapped from their file: without a copy of their own, a file that is
        # written over while a study runs would change the model half-way.
        weight.data = weight.data.clone()
    # Greedy decoding is greedy: penalties and sampling that a folder ships are left aside.
    plain: Any = GenerationConfig  # transformers leaves it untyped
    model.generation_config = plain()
    model.requires_grad_(False)
    model.config.use_cache = False  # training and scoring need no cache; decoding asks for its own
    moved: PreTrainedModel = model.to(device.name)
    moved.train(False)
    return moved


def context_length(model: PreTrainedModel) -> int:
    """The longest text the model reads (tokens), by its configuration; unstated, no real limit."""
    return _stated_length(model.config)


def context_length_of(files: ModelFiles) -> int:
    """`context_length` of a model that need not be loaded for it."""
    from transformers import AutoConfig

    return _stated_length(AutoConfig.from_pretrained(files.folder, local_files_only=True))


def _stated_length(config: PretrainedConfig) -> int:
    return int(getattr(config, "max_position_embeddings", None) or 1 << 30)
