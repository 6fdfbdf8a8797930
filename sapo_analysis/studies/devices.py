"""Which device a study would take here. It needs torch and nothing of the engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import torch

from sapo_analysis.models.loading import choose_device


def devices() -> dict[str, Any]:
    """The device that `auto` takes here and why; what torch was built for; the GPUs it sees.

    `gpu_memory`: of each, free and in all (bytes). `unused_gpus`: those that the driver lists and
    torch, a CPU build, cannot use; `mend` says then how it could.
    """
    device = choose_device("auto")
    return {
        "device": device.name,
        "why": device.why,
        "torch": torch.__version__,
        "cuda_build": torch.version.cuda is not None,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "gpu_memory": [list(torch.cuda.mem_get_info(i)) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        **_unused(torch.__version__),
    }


def _unused(build: str) -> dict[str, Any]:
    gpus = [] if torch.version.cuda is not None else _listed_by_the_driver()
    return {"unused_gpus": gpus, "mend": _mend(build) if gpus else ""}


def _listed_by_the_driver() -> list[str]:
    driver = shutil.which("nvidia-smi")
    if driver is None:
        return []
    try:
        listed = subprocess.run([driver, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]


def _mend(build: str) -> str:
    version = build.partition("+")[0]
    if sys.platform == "linux":
        return f"Mend it with: {sys.executable} -m pip install --force-reinstall torch=={version}"
    return f"Mend it with the command that pytorch.org names for torch {version} with CUDA."
