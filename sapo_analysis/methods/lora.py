"""Method `lora`: one adapter, carried from task to task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import CONTINUAL, MethodFacts


class Lora(Method):
    """Sequential LoRA: each task goes on training the adapter that the last one left."""

    name: ClassVar[str] = "lora"
    facts: ClassVar[MethodFacts] = MethodFacts(
        words="LoRA",
        trains="an adapter of low rank on the model's linear layers; a sequence carries it on",
        changes="parameters",
        family=CONTINUAL,
        reference="Hu et al. 2022",
        cites=("hu2022lora",),
    )
    stacks_with_lora: ClassVar[bool] = True

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`."""
        return AdapterStart(seed, carried=past[-1].folder if past else None)
