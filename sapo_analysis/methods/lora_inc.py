"""Method `lora-inc`: a fresh adapter per task on top of the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.models.adapter_start import AdapterStart
from sapo_analysis.spec import MethodName


class LoraInc(Method):
    """LoRAInc: earlier adapters are frozen and count at full scale (methods §4).

    The released code divides them by their number when it scores prompts; that is not done here.
    """

    name: ClassVar[MethodName] = "lora-inc"

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed, frozen=tuple(stage.folder for stage in past))
