"""Method `lora-inc`: a fresh adapter per task on top of the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import ADAPTER, CONTINUAL, MethodFacts


class LoraInc(Method):
    """LoRAInc: earlier adapters are frozen and count at full scale (methods §4).

    The released code divides them by their number when it scores prompts; that is not done here.
    """

    name: ClassVar[str] = "lora-inc"
    facts: ClassVar[MethodFacts] = MethodFacts(
        words="LoRAInc",
        trains="a fresh adapter per task; earlier ones are frozen and stay on",
        changes="parameters",
        size=f"{ADAPTER}, new for each task",
        family=CONTINUAL,
        reference="Hu et al. 2022",
        cites=("hu2022lora",),
    )
    one_task = False
    stacks_with_lora = True

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed, frozen=tuple(stage.folder for stage in past))
