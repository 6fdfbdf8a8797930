"""Method `lora`: one adapter, carried from task to task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.models.adapter_start import AdapterStart
from sapo_analysis.spec import MethodName


class Lora(Method):
    """Sequential LoRA: each task goes on training the adapter that the last one left."""

    name: ClassVar[MethodName] = "lora"

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed, carried=past[-1].folder if past else None)
