"""Method `ewc`: sequential LoRA that holds the weights earlier tasks relied on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sapo_analysis.methods.base import Learned
from sapo_analysis.methods.facts import CONTINUAL, MethodFacts
from sapo_analysis.methods.lora import Lora

if TYPE_CHECKING:
    from sapo_analysis.learning.penalties import EwcPenalty
    from sapo_analysis.models.adapter_layout import AdapterLayout
    from sapo_analysis.spec import SequenceStudy


class Ewc(Lora):
    """Elastic weight consolidation (Kirkpatrick et al. 2017) on the adapter of sequential LoRA."""

    name = "ewc"
    facts = MethodFacts(
        words="EWC",
        trains="as LoRA, with a penalty that holds what mattered to earlier tasks",
        changes="parameters",
        family=CONTINUAL,
        reference="Kirkpatrick et al. 2017",
        cites=("hu2022lora", "kirkpatrick2017ewc"),
    )
    settings = ("ewc",)
    one_task = False
    keeps_information = True

    def __init__(self, study: SequenceStudy):
        super().__init__(study)
        self._settings = study.ewc

    def penalty(self, past: Sequence[Learned], layout: AdapterLayout) -> EwcPenalty | None:
        """See `Method.penalty`."""
        if not past:
            return None
        from sapo_analysis.learning.kept_information import read_information
        from sapo_analysis.learning.penalties import EwcPenalty

        return EwcPenalty(self._settings.weight, *read_information(past[-1].folder))

    def decides(self, n_past: int) -> object:
        """See `Method.decides`; it leaves its information behind from the first stage on."""
        settings = self._settings
        return [self.name, settings.weight, settings.examples]
