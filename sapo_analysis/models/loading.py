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
from sapo_analysis.models.spread import reading_device
from sapo_analysis.models.weights import memory_named, read_config, read_weights
from sapo_analysis.spec import MemorySettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


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
        InputError: its files are damaged or not all there, it needs code from the folder, or it is
            not a fast one, which label spans need.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=files.remote_code
        )
    # Of a damaged file the tokenizers library raises a bare Exception.
    except Exception as error:
        read_config(files)  # which says it better where the model as a whole cannot be read
        said = " ".join(str(error).split())[:300].rstrip(". ")
        raise InputError(
            f"The tokenizer of model {files.label!r} cannot be loaded: {said}. It needs a"
            " tokenizer.json, or the files that transformers makes one from. Fetch or save the"
            " model again."
        ) from error
    if not tokenizer.is_fast:
        raise InputError(
            f"Model {files.name!r} has no fast tokenizer, and label spans need token offsets."
            " Use another model."
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise InputError(
                f"The tokenizer of model {files.label!r} has neither a pad token nor an"
                " end-of-sequence token. Name one in tokenizer_config.json (pad_token)."
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    files: ModelFiles,
    device: Device,
    dtype: Literal["float32", "bfloat16"],
    memory: MemorySettings | None = None,
) -> PreTrainedModel:
    """The base model θ_0 in eval mode, weights frozen; unasked no code from its folder is run.

    Args:
        files: which model.
        device: where it goes; with `memory.max_memory` it is where accelerate puts each layer.
        dtype: of its weights; of those that are quantized, the type they are computed in.
        memory: quantized or spread over devices; None: neither.

    Raises:
        InputError: the files are damaged or incomplete, or hold no causal language model.
        WorkError: there is not enough memory.
    """
    from transformers import GenerationConfig

    memory = memory or MemorySettings()
    model: Any = read_weights(files, DTYPES[dtype], device.name, memory)
    if memory.quantization == "none" and memory.max_memory is None:
        model = _in_memory(files, model, device)
    # Greedy decoding is greedy: penalties and sampling that a folder ships are left aside.
    plain: Any = GenerationConfig  # transformers leaves it untyped
    model.generation_config = plain()
    model.requires_grad_(False)
    model.config.use_cache = False  # training and scoring need no cache; decoding asks for its own
    model.train(False)
    loaded: PreTrainedModel = model
    _refuse_looking_ahead(files, loaded)
    return loaded


def _in_memory(files: ModelFiles, model: PreTrainedModel, device: Device) -> PreTrainedModel:
    """The model on its device, with weights of its own."""
    if device.name == "cpu":
        for weight in model.parameters():
            # Loaded weights are mapped from their file: without a copy of their own, a file that is
            # written over while a study runs would change the model half-way.
            weight.data = weight.data.clone()
        return model
    untyped: Any = model
    with memory_named(files, model.dtype, device.name):
        moved: PreTrainedModel = untyped.to(device.name)
    return moved


@torch.no_grad()
def _refuse_looking_ahead(files: ModelFiles, model: PreTrainedModel) -> None:
    """Refuse an encoder: its answers would be read off texts that already contain them.

    Configurations of families that can be encoders say whether this one is a decoder; some say no
    and are decoders all the same, so it is tried.
    """
    if getattr(model.config, "is_decoder", True):
        return
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]], device=reading_device(model))
    first, second = model(input_ids=ids).logits[:, :3]
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-3):
        raise InputError(
            f"Model {files.label!r} ({model.config.model_type}) reads texts in both directions;"
            " studies need a causal language model. Choose one such as Llama, Qwen or GPT-2."
        )


def context_length(model: PreTrainedModel) -> int:
    """The longest text the model reads (tokens), by its configuration; unstated, no real limit."""
    return _stated_length(model.config)


def context_length_of(files: ModelFiles) -> int:
    """`context_length` of a model that need not be loaded for it."""
    return _stated_length(read_config(files))


def _stated_length(config: PretrainedConfig) -> int:
    inner = config.get_text_config()  # of models that also see images
    return int(getattr(inner, "max_position_embeddings", None) or 1 << 30)
