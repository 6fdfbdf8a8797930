"""The most memory this process held, on the GPU or by itself."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

from sapo_analysis.studies.meter import peak_bytes

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Count from here: importing and loading can hold more than training a small model does."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):  # Linux alone; elsewhere the peak is the process's whole one
        _FORGET.write_text("5")


def peak_memory() -> int:
    """Bytes at the peak.

    On Linux from the kernel's mark for this program: the usual counter starts at what the parent
    process held when it started this one.
    """
    on_gpu = torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0
    if not on_gpu and _STATUS.exists():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return peak_bytes()
