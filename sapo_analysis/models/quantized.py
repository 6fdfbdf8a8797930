"""A frozen base model in 8 or 4 bits, by bitsandbytes where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from sapo_analysis.errors import InputError

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel

_NO_GRADIENTS = "support_avx512bf16_for_cpu"
Quantization = Literal["none", "8bit", "4bit"]


def require_bitsandbytes(kind: Quantization) -> None:
    """Refuse what needs the package where it is missing.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise InputError(
            f"memory.quantization is {kind!r}, and the package bitsandbytes is not installed."
            " Install it beside sapo-analysis (pip install bitsandbytes), or set"
            " memory.quantization to none; dtype bfloat16 halves the memory without it."
        )


def quantization_config(kind: Quantization, dtype: torch.dtype) -> BitsAndBytesConfig:
    """How transformers quantizes while it loads.

    8 bit is LLM.int8. 4 bit is NF4 with doubly quantized scales; products are computed in `dtype`.
    """
    from transformers import BitsAndBytesConfig

    make: Any = BitsAndBytesConfig  # transformers leaves it untyped
    found: BitsAndBytesConfig = (
        make(load_in_8bit=True)
        if kind == "8bit"
        else make(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=True,
        )
    )
    return found


def keep_gradients(model: nn.Module) -> None:
    """Leave out a kernel of bitsandbytes that gives answers and no gradients.

    On some CPUs a 4-bit layer lays its weights out anew for it at the first pass without gradients;
    from then on adapters below that layer would no longer learn, without a word.
    """
    for module in model.modules():
        if hasattr(module, _NO_GRADIENTS):
            setattr(module, _NO_GRADIENTS, False)


def is_quantized(model: nn.Module) -> bool:
    """Whether a model's linear layers are quantized."""
    return bool(getattr(model, "is_quantized", False))


def computes_coarsely(model: PreTrainedModel) -> bool:
    """Whether a model's products have 16 bits or fewer; quantized ones do, whatever their type."""
    return is_quantized(model) or model.dtype in (torch.bfloat16, torch.float16)


def n_weights(parameter: Tensor) -> int:
    """How many weights a parameter stands for: in 4 bits two share a number."""
    state: Any = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else int(torch.Size(state.shape).numel())
