"""Method `lora-1-shot`: sequential LoRA with a demonstration before every training input."""

from __future__ import annotations

from typing import ClassVar

from sapo_analysis.methods.lora import Lora
from sapo_analysis.spec import MethodName


class LoraOneShot(Lora):
    """The ablation of ProMoT+1-shot without a soft prompt (methods §5)."""

    name: ClassVar[MethodName] = "lora-1-shot"
    demonstrations = 1

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name]
