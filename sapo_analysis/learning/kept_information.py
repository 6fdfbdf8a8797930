"""Fisher information along a chain, as files: what elastic weight consolidation goes on from."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from sapo_analysis.errors import InputError

_FILE = "ewc.safetensors"


def keep_information(
    earlier: Path | None, folder: Path, weights: Tensor, information: Tensor
) -> None:
    """Write the sums over all tasks so far that the penalty of the next stage is made of.

    Args:
        earlier: folder of the stage before; None: this is the first.
        folder: that of this stage.
        weights: where it ended [parameters].
        information: its diagonal Fisher information there [parameters].
    """
    total, anchored = information, information * weights
    if earlier is not None:
        sums = read_information(earlier)
        total = total + sums[0].to(total)
        anchored = anchored + sums[1].to(total)
    found = {"information": total, "anchored": anchored}
    save_file({name: value.contiguous().cpu() for name, value in found.items()}, folder / _FILE)


def read_information(folder: Path) -> tuple[Tensor, Tensor]:
    """Σ F_t and Σ F_t θ*_t over the tasks so far [parameters].

    Raises:
        InputError: the stage left none.
    """
    file = folder / _FILE
    if not file.is_file():
        raise InputError(
            f"The Fisher information of an earlier stage is missing (file {file}), so its run"
            " cannot be continued. Run its spec.json again."
        )
    found = load_file(file)
    return found["information"], found["anchored"]
