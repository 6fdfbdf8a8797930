"""Method `ewc`: sequential LoRA that holds the weights earlier tasks relied on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from sapo_analysis.errors import InputError
from sapo_analysis.learning.penalties import EwcPenalty
from sapo_analysis.methods.base import Learned
from sapo_analysis.methods.lora import Lora
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.spec import SequenceStudy

_FILE = "ewc.safetensors"


class Ewc(Lora):
    """Elastic weight consolidation (Kirkpatrick et al. 2017) on the adapter of sequential LoRA."""

    name = "ewc"
    keeps_information = True

    def __init__(self, study: SequenceStudy):
        super().__init__(study)
        self._settings = study.ewc

    def penalty(self, past: Sequence[Learned], layout: AdapterLayout) -> EwcPenalty | None:
        """See `Method.penalty`."""
        if not past:
            return None
        return EwcPenalty(self._settings.weight, *_read(past[-1].folder))

    def decides(self, n_past: int) -> object:
        """See `Method.decides`; it leaves its information behind from the first stage on."""
        settings = self._settings
        return [self.name, settings.weight, settings.examples]


def keep_information(
    past: Sequence[Learned], folder: Path, weights: Tensor, information: Tensor
) -> None:
    """Write the sums over all tasks so far that the penalty of the next stage is made of."""
    total, anchored = information, information * weights
    if past:
        earlier = _read(past[-1].folder)
        total = total + earlier[0].to(total)
        anchored = anchored + earlier[1].to(total)
    sums = {"information": total, "anchored": anchored}
    save_file({name: value.contiguous().cpu() for name, value in sums.items()}, folder / _FILE)


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    file = folder / _FILE
    if not file.is_file():
        raise InputError(
            f"The Fisher information of an earlier stage is missing (file {file}), so its run"
            " cannot be continued. Run its spec.json again."
        )
    found = load_file(file)
    return found["information"], found["anchored"]
