"""Forgetting the most memory this process held, so that it is counted from here on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

_FORGET = Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Count from here: importing and loading can hold more than training a small model does."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):  # Linux alone; elsewhere the peak is the process's whole one
        _FORGET.write_text("5")
