"""Where an adapter begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AdapterStart:
    """What an adapter is before it is trained.

    Attributes:
        seed: of the fresh initialisation, as peft draws it.
        carried: folder of a saved adapter whose weights it takes on instead.
        frozen: folders of saved adapters that count at full scale beside it and do not change.
        removable: folder with the soft prompts of earlier tasks, or what stands for them.
    """

    seed: int
    carried: Path | None = None
    frozen: tuple[Path, ...] = ()
    removable: Path | None = None
