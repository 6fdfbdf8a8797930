"""Method `lora-1-shot`: sequential LoRA with a demonstration before every training input."""

from __future__ import annotations

from typing import ClassVar

from sapo_analysis.methods.facts import PROMOT, MethodFacts
from sapo_analysis.methods.lora import Lora


class LoraOneShot(Lora):
    """The ablation of ProMoT+1-shot without a soft prompt (methods §5)."""

    name: ClassVar[str] = "lora-1-shot"
    facts = MethodFacts(
        words="LoRA + 1-shot",
        trains="as LoRA, with one solved example before each training input",
        changes="parameters",
        family=PROMOT,
        reference="Wang et al. 2024, ablation",
        cites=("hu2022lora", "wang2024promot"),
    )
    stacks_with_lora = False
    demonstrations = 1

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name]
