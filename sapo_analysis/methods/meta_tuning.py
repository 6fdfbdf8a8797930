"""How MetaTuner (small) makes a fine-tune, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sapo_analysis.spec import MetaTunerSettings


@dataclass(frozen=True)
class MetaTuning:
    """What is trained, and how (methods §6).

    Attributes:
        settings: sizes, weights and intervals.
        joint: whether each step is one update by the sum of both losses; else it is two, one by
            each.
        policy: whether a prompt is chosen; else the actor reads the initial one.
        parameters: whether LoRA is written; else the actor is the model as it is.
        shared: whether policy and decoder have one meta-encoder; else each has its own.
    """

    settings: MetaTunerSettings
    joint: bool = False
    policy: bool = True
    parameters: bool = True
    shared: bool = True
