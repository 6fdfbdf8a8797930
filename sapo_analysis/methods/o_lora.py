"""Method `o-lora`: LoRAInc whose new adapter is kept orthogonal to the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sapo_analysis.methods.base import Learned
from sapo_analysis.methods.facts import ADAPTER, CONTINUAL, MethodFacts
from sapo_analysis.methods.lora_inc import LoraInc

if TYPE_CHECKING:
    from sapo_analysis.learning.penalties import OrthogonalPenalty
    from sapo_analysis.models.adapter_layout import AdapterLayout
    from sapo_analysis.spec import SequenceStudy


class OLora(LoraInc):
    """O-LoRA (arXiv 2310.14152): LoRAInc and a penalty on A_earlier A_newᵀ (methods §4)."""

    name = "o-lora"
    facts = MethodFacts(
        words="O-LoRA",
        trains="as LoRAInc, with a penalty that keeps new adapters orthogonal to earlier ones",
        changes="parameters",
        size=f"{ADAPTER}, new for each task",
        family=CONTINUAL,
        reference="Wang, Chen et al. 2023",
        cites=("hu2022lora", "wang2023olora"),
    )
    settings = ("o_lora",)

    def __init__(self, study: SequenceStudy):
        super().__init__(study)
        self._settings = study.o_lora

    def penalty(self, past: Sequence[Learned], layout: AdapterLayout) -> OrthogonalPenalty | None:
        """See `Method.penalty`."""
        if not past:
            return None
        from sapo_analysis.learning.penalties import OrthogonalPenalty
        from sapo_analysis.models.saved_adapter import read_adapter

        adapters = [read_adapter(stage.folder) for stage in past]
        earlier = [{name: a for name, (a, _) in own.items()} for own in adapters]
        return OrthogonalPenalty(self._settings.weight, layout, earlier)

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return None if n_past == 0 else [self.name, self._settings.weight]
