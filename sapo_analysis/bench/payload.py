"""The command line's question as settings; names are checked before torch is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sapo_analysis.bench.presets import check_sections, find_preset
from sapo_analysis.spec import LoraSettings


def bench_from_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Run the bench that `sapo bench` asks for.

    Raises:
        InputError: an unknown preset or section, or settings that do not fit it.
        WorkError: the arms do not compute the same.
    """
    preset = find_preset(payload["preset"])
    sections = check_sections(payload["only"])
    targets = payload["targets"]
    lora = LoraSettings(
        lora_dropout=payload["dropout"],
        target_modules=targets if targets == "all-linear" else tuple(targets.split(",")),
    )
    from sapo_analysis.bench.run import bench

    return bench(preset, lora, payload["device"], sections)
