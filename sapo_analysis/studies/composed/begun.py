"""What a fine-tune begins with, beside its recipe."""

from __future__ import annotations

from dataclasses import dataclass

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.tasks.base import Task


@dataclass(frozen=True)
class Begun:
    """One fine-tune before it is trained.

    Attributes:
        start: what it goes on from.
        task: what it learns.
        instruction: that task's original prompt, from whose tokens a soft prompt may start.
        prompt: the training prompt, under which demonstrations stand; default: the original.
    """

    start: AdapterStart
    task: Task
    instruction: str
    prompt: str | None = None
