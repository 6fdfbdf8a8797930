"""A model's weights from its files, whole or not at all: what is missing or damaged is refused.

transformers draws weights that a file lacks at random and says so in a log alone.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.model_files import ModelFiles
from sapo_analysis.models.out_of_memory import host_bytes, is_out_of_memory
from sapo_analysis.models.quantized import keep_gradients, quantization_config, require_bitsandbytes
from sapo_analysis.models.spread import max_memory
from sapo_analysis.spec import MemorySettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_RANDOM_WEIGHTS_SEED = 0
_NAMED = 4
_BITS = {"8bit": 8, "4bit": 4}


def read_config(files: ModelFiles) -> PretrainedConfig:
    """A model's configuration.

    Raises:
        InputError: the file is damaged, the architecture is unknown to the installed transformers
            or needs code from the folder, or the model is no causal language model.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=files.remote_code
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(files, error) from error
    except Exception as error:  # huggingface_hub's own checks of a field have a base of their own
        if "Validation" not in type(error).__name__:
            raise
        raise _unreadable(files, error) from error
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"Model {files.label!r} ({kind}) is an encoder-decoder; studies need a causal language"
            " model, which continues one text. Choose one such as Llama, Qwen or GPT-2."
        )
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not files.remote_code:
        raise InputError(
            f"Model {files.label!r} ({kind}) is no causal language model. Choose one that"
            " transformers loads with AutoModelForCausalLM."
        )
    return config


def _unreadable(files: ModelFiles, error: Exception) -> InputError:
    from transformers import __version__

    said = str(error)
    if "does not recognize this architecture" in said:
        return InputError(
            f"The architecture of model {files.label!r} is unknown to transformers {__version__}."
            " Install a newer transformers, or choose another model."
        )
    if "custom code" in said or "trust_remote_code" in said:
        return InputError(
            f"Model {files.label!r} comes with code of its own, which is not run unless you ask for"
            " it. Choose a model whose architecture transformers has; or read the .py files in"
            f" {files.folder} and give --trust-remote-code to sapo run."
        )
    if files.remote_code and ".py" in said:
        return InputError(
            f"The code of model {files.label!r} is not beside it: {_first_line(said)}. Fetch it"
            f" with: sapo fetch {files.name} --trust-remote-code"
        )
    return InputError(
        f"The config.json of model {files.label!r} cannot be used: {_first_line(said)}."
        " Fetch or save the model again."
    )


def random_weights(
    config: PretrainedConfig, dtype: torch.dtype, trusted: bool = False
) -> PreTrainedModel:
    """A model with weights drawn anew, the same each time; `trusted`: code of its own may run."""
    from transformers import AutoModelForCausalLM

    make: Any = AutoModelForCausalLM.from_config  # transformers leaves it untyped
    with torch.random.fork_rng():
        torch.manual_seed(_RANDOM_WEIGHTS_SEED)
        model: PreTrainedModel = make(config, dtype=dtype, trust_remote_code=trusted)
    return model


def read_weights(
    files: ModelFiles, dtype: torch.dtype, device: str, memory: MemorySettings
) -> PreTrainedModel:
    """The model as its files have it, quantized or spread if `memory` asks for it.

    Quantized or spread it is on its device or devices; else it is in host memory.

    Raises:
        InputError: as `read_config`; weights are missing, of another shape than the configuration
            says, or in a damaged file; bitsandbytes is missing, or a GPU that is named.
        WorkError: there is not enough memory.
    """
    config = read_config(files)
    if memory.quantization != "none":
        require_bitsandbytes(memory.quantization)
    _refuse_too_large(files, dtype, device, memory)
    is_random = files.weights == "random"
    with memory_named(files, dtype, device, memory), ExitStack() as stack:
        if is_random and memory.keeps_weights_whole:
            return random_weights(config, dtype, files.remote_code)
        settings = _placement(dtype, device, memory)
        if not is_random and memory.max_memory is None:
            return _from_files(files, files.folder, dtype, settings)
        own = Path(tempfile.mkdtemp(prefix="sapo-offload-"))
        stack.callback(shutil.rmtree, own, ignore_errors=True)
        folder = files.folder
        if is_random:
            folder = own / "random"
            random_weights(config, dtype, files.remote_code).save_pretrained(folder)
        if memory.max_memory is None:
            return _from_files(files, folder, dtype, settings)
        found = _from_files(files, folder, dtype, {**settings, "offload_folder": str(own)})
        # Layers on the disk are read for as long as the model is there, random ones from `own` too.
        weakref.finalize(found, shutil.rmtree, own, ignore_errors=True)
        stack.pop_all()
    return found


def _placement(dtype: torch.dtype, device: str, memory: MemorySettings) -> dict[str, Any]:
    """Transformers' settings for `memory`."""
    settings: dict[str, Any] = {}
    if memory.quantization != "none":
        settings["quantization_config"] = quantization_config(memory.quantization, dtype)
        settings["device_map"] = {"": device}
    if memory.max_memory is not None:
        settings |= {"device_map": "auto", "max_memory": max_memory(memory.max_memory)}
    return settings


def _from_files(
    files: ModelFiles, folder: Path, dtype: torch.dtype, settings: dict[str, Any]
) -> PreTrainedModel:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    load: Any = AutoModelForCausalLM.from_pretrained  # its type leaves the report out
    try:
        model, report = load(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=files.remote_code,
            ignore_mismatched_sizes=True,  # they are in the report, and refused
            output_loading_info=True,
            **settings,
        )
    except ImportError as error:
        raise InputError(
            f"The weights of model {files.label!r} are stored quantized, and reading them takes a"
            f" package that is not here: {_first_line(str(error))}. Install it, or take the model"
            " in whole weights and set memory.quantization."
        ) from error
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"The weight files of model {files.label!r} are damaged or incomplete:"
            f" {_first_line(str(error))}. Fetch or save the model again."
        ) from error
    _refuse_incomplete(files, report)
    keep_gradients(model)
    found: PreTrainedModel = model
    return found


def _refuse_incomplete(files: ModelFiles, report: dict[str, Any]) -> None:
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(
            f"The weight files of model {files.label!r} lack {len(missing)} of its weights:"
            f" {_listed(missing)}. They would be random. Fetch the model again, or mend"
            " config.json if it is of another model."
        )
    mismatched = sorted(report["mismatched_keys"])
    if mismatched:
        shapes = [
            f"{key} is {tuple(found)}, config.json says {tuple(wanted)}"
            for key, found, wanted in mismatched
        ]
        raise InputError(
            f"Weights of model {files.label!r} have other shapes than its config.json says:"
            f" {_listed(shapes)}. Give a folder whose files belong together."
        )


def _refuse_too_large(
    files: ModelFiles, dtype: torch.dtype, device: str, memory: MemorySettings
) -> None:
    """Refuse what cannot fit: systems end a process that takes too much, without a word."""
    total = host_bytes()
    if device != "cpu" or memory.max_memory is not None or total is None:
        return
    needed = _needed(files, dtype, memory)
    if needed > total:
        raise InputError(
            f"Model {files.label!r} takes {_gib(needed)} as {_kind(dtype, memory)}, and this"
            f" machine has {_gib(total)} of memory. {_WAYS}"
        )


_WAYS = (
    "Set dtype to bfloat16, memory.quantization to 8bit or 4bit, or memory.max_memory to leave"
    " layers on the disk; or take a smaller model."
)


@contextmanager
def memory_named(
    files: ModelFiles,
    dtype: torch.dtype,
    device: str,
    memory: MemorySettings | None = None,
) -> Iterator[None]:
    """What runs out of memory inside says how much is needed, and what helps.

    Raises:
        WorkError: in place of torch's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        settings = memory or MemorySettings()
        raise WorkError(
            f"Out of memory while loading model {files.label!r} on {device}: its weights take"
            f" {_gib(_needed(files, dtype, settings))} as {_kind(dtype, settings)}. {_WAYS}"
        ) from error


def _needed(files: ModelFiles, dtype: torch.dtype, memory: MemorySettings) -> float:
    bits = _BITS.get(memory.quantization, 8 * dtype.itemsize)
    return files.n_parameters * bits / 8


def _kind(dtype: torch.dtype, memory: MemorySettings) -> str:
    return (
        str(dtype).removeprefix("torch.")
        if memory.quantization == "none"
        else (memory.quantization)
    )


def _gib(n: float) -> str:
    return f"{n / 2**30:.1f} GiB"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _first_line(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())[:300].rstrip(". ")
