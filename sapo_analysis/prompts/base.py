"""A training prompt: the instruction text a task is trained with, and where that text came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """One wording of a task's instruction.

    `source` is `original` (the prompt the task came with), `seen` (a paraphrase that the shipped
    base model met in pretraining), `novel` (one it never met) or another word for prompts of a
    user. A `test_only` prompt is never offered as a training prompt. `frequency` counts the
    pretraining examples that carried this text; None where that is not known.
    """

    task: str
    prompt_id: str
    text: str
    source: str
    test_only: bool = False
    frequency: int | None = None
