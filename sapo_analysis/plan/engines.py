"""Which engine carries out a plan, and how many adapters it trains at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeVar, get_args

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.spec import MemorySettings

Item = TypeVar("Item")
EngineName = Literal["stacked", "plain"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_STACK_SIZES = ((20_000_000, 16), (200_000_000, 8), (2_000_000_000, 4))
_LARGEST_STACK = 2
MOST_ADAPTERS = max(adapters for _, adapters in _STACK_SIZES)
"""No stack of any model is larger."""


def as_engine(name: str) -> EngineName:
    """An engine's name, checked.

    Raises:
        InputError: there is no such engine; the known ones are listed.
    """
    for known in ENGINES:
        if name == known:
            return known
    raise unknown("engine", name, ENGINES, "stacked is the fast one, plain the reference.")


def check_engine(engine: EngineName, memory: MemorySettings) -> None:
    """Refuse to stack adapters on a model whose layers are on several devices.

    Raises:
        InputError: the study spreads its model, and the engine is the stacked one.
    """
    if engine == "stacked" and memory.max_memory is not None:
        raise InputError(
            "The study spreads its model over devices (memory.max_memory), and the stacked engine"
            " wants it on one. Use --engine plain, or leave memory.max_memory out."
        )


def stack_size(n_parameters: int) -> int:
    """Adapters trained at once on a model of this size: fixed by the model, whatever is free.

    A small model leaves a device idle with one adapter; a large one fills it, and its activations
    fill the memory: at sixteen examples of 120 tokens each an estimated 14 GB with four adapters on
    0.6 B parameters in float32.
    """
    for most, adapters in _STACK_SIZES:
        if n_parameters <= most:
            return adapters
    return _LARGEST_STACK


def split_evenly(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """Consecutive parts of nearly equal size, none larger than `most`."""
    n = math.ceil(len(items) / most)
    cuts = [len(items) * i // n for i in range(n + 1)] if n else []
    return [items[a:b] for a, b in pairwise(cuts)]
