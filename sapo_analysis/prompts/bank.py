"""The prompts of each task, joined with how often pretraining showed each of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import POCKET
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.tasks import POCKET_SUITE, Task, get_task

FREQUENCIES = "prompt_frequencies.json"
"""Written by pretraining beside the weights it belongs to: task, to text, to number of examples.

By the text, not the id: a prompt that was reworded since has not been shown."""


def get_prompts(
    task: str | Task, model_folder: Path | None = POCKET, sources: Sequence[str] = ()
) -> list[Prompt]:
    """All prompts of a task, its original first.

    Args:
        task: The task, or its name.
        model_folder: The model whose pretraining frequencies are wanted; where it has none, or
            without a model, `frequency` is None.
        sources: Where a name may stand beside the pocket suite: see `get_task`.

    Raises:
        InputError: there is no such task (the known ones are listed), or the model's frequencies
            are not by text.
    """
    found = get_task(task, sources=sources) if isinstance(task, str) else task
    # Frequencies are those of the suite that a model was pretrained on.
    counts = None
    if model_folder is not None and found.suite == POCKET_SUITE:
        counts = _frequencies(model_folder)
    return [
        Prompt(
            found.name,
            f"{found.name}-{i:02d}",
            wording.text,
            wording.source,
            wording.test_only,
            # A prompt that pretraining never drew is not in the counts.
            None if counts is None else counts.get(found.name, {}).get(wording.text, 0),
        )
        for i, wording in enumerate(found.wordings)
    ]


def original(task: str | Task, sources: Sequence[str] = ()) -> Prompt:
    """The prompt the task came with."""
    return get_prompts(task, sources=sources)[0]


@cache
def _frequencies(model_folder: Path) -> dict[str, dict[str, int]] | None:
    path = model_folder / FREQUENCIES
    if not path.is_file():
        return None
    try:
        return TypeAdapter(dict[str, dict[str, int]]).validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"{FREQUENCIES} of model {model_folder.name!r} does not count prompts by task and text:"
            f" {error.errors()[0]['msg']}. Pretrain the model again, or remove the file:"
            " frequencies are then not known."
        ) from error
