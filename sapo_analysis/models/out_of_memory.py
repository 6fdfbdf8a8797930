"""Telling that the memory is full from every other failure, and how large a machine's memory is."""

from __future__ import annotations

import gc
import os

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether no memory was left, on a GPU or the host; on a CPU torch says so in words alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def free_memory() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def host_bytes() -> int | None:
    """Memory of this machine (bytes); None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
