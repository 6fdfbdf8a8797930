"""One section's answer: speed-ups, the fraction of the floor, and the seconds behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sapo_analysis.bench.gate import Check, require

Seconds = Mapping[str, Mapping[str, float]]


def compared(seconds: Seconds, floor: float, unit: str, difference: float) -> dict[str, Any]:
    """What every section says; `floor` and all seconds are per unit."""
    ours = seconds["ours"]["median"]
    return {
        "speedup_vs_trainer": seconds["trainer"]["median"] / ours,
        "speedup_vs_plain": seconds["plain"]["median"] / ours,
        "floor_fraction": floor / ours,
        "max_relative_difference": difference,
        "unit": unit,
        "floor_seconds": floor,
        "seconds": seconds,
    }


def require_alike(name: str, difference: float, dtype: torch.dtype, bound: float) -> None:
    """Refuse a section whose arms do not compute the same at full size.

    bfloat16 keeps 8 bits, so there the arms agree to some per cents alone.

    Raises:
        WorkError: the difference exceeds the bound.
    """
    require(Check(name, difference, bound if dtype == torch.float32 else 0.2))
