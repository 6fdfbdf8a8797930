"""The prompts of each task, joined with how often pretraining showed each of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import POCKET
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.tasks.pocket import task_file

FREQUENCIES = "prompt_frequencies.json"
"""Written by pretraining beside the weights it belongs to: task, to text, to number of examples.

By the text, not the id: a prompt that was reworded since has not been shown."""


def get_prompts(task: str, model_folder: Path | None = POCKET) -> list[Prompt]:
    """All prompts of a task, its original first.

    Args:
        task: The task's name.
        model_folder: The model whose pretraining frequencies are wanted; where it has none, or
            without a model, `frequency` is None.

    Raises:
        InputError: there is no such task (the known ones are listed), or the model's frequencies
            are not by text.
    """
    return list(_bank(task, model_folder))


def original(task: str) -> Prompt:
    """The prompt the task came with."""
    return get_prompts(task)[0]


@cache
def _bank(task: str, model_folder: Path | None) -> tuple[Prompt, ...]:
    texts = task_file(task).prompts
    listed = [
        ("original", False, [texts.original]),
        ("seen", False, texts.seen),
        ("novel", False, texts.novel),
        ("novel", True, texts.test_only),
    ]
    rows = [(source, hidden, text) for source, hidden, group in listed for text in group]
    counts = None if model_folder is None else _frequencies(model_folder)
    prompts = []
    for i, (source, test_only, text) in enumerate(rows):
        prompt_id = f"{task}-{i:02d}"
        # A prompt that pretraining never drew is not in the counts.
        frequency = None if counts is None else counts.get(task, {}).get(text, 0)
        prompts.append(Prompt(task, prompt_id, text, source, test_only, frequency))
    return tuple(prompts)


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
