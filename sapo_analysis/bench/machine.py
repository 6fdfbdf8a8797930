"""What the figures were measured on; names no user and no host."""

from __future__ import annotations

import os
from typing import Any

import torch
import transformers

from sapo_analysis.models.loading import Device
from sapo_analysis.provenance import processor

_DATASHEET = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 operations per second by the makers' datasheets."""

NOT_ON_A_GPU = "not measured on a GPU"
NOT_BY_OPERATIONS = "decoding answers is bound by memory, not by operations"


def machine(device: Device) -> dict[str, Any]:
    """Processor, cores, versions, device."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": device.name,
        "hardware": device.hardware,
    }


def utilisation(
    device: Device, dtype: torch.dtype, needed_per_second: float | None
) -> tuple[float | None, str | None]:
    """(model FLOPs utilisation against the datasheet, why there is none).

    `needed_per_second` is None where operations alone do not say what the work takes.
    """
    if device.name == "cpu":
        return None, NOT_ON_A_GPU
    if needed_per_second is None:
        return None, NOT_BY_OPERATIONS
    if dtype != torch.bfloat16:
        return None, f"the datasheet's peak is bfloat16's, the weights are {str(dtype)[6:]}"
    for name, peak in _DATASHEET.items():
        if name in device.hardware:
            return needed_per_second / peak, None
    return None, "this GPU's datasheet is not known here"
