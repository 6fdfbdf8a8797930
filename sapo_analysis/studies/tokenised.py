"""Short questions to a model's tokenizer; its weights are not loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import count_tokens, encode, token_texts
from sapo_analysis.models.loading import context_length_of, load_tokenizer
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import InputSettings
from sapo_analysis.studies.fitting import fit_rows
from sapo_analysis.tasks import SPLITS, Split, get_task


def tokens(model: str, texts: Sequence[str]) -> dict[str, Any]:
    """Number of tokens of each text by itself, as the table `prompts` of a run has them.

    Raises:
        InputError: unknown model.
    """
    tokenizer = load_tokenizer(find_model(model))
    return {"model": model, "n_tokens": count_tokens(tokenizer, texts)}


def exact_prompt(
    model: str,
    task_name: str,
    text: str,
    split: str = "train",
    row: int = 0,
    data_seed: int = 0,
    tasks_from: Sequence[str] = (),
    inputs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One example of a task under a prompt, token by token, as training and scoring read it.

    `tokens` are in the order the model reads them, each with its `text` (joined: the whole text),
    whether it is trained and `scored`, and its `kind`: `context`, `answer` (the target text) or
    `end` (what the layout puts after the answer). `max_length` is the longest text the model reads
    (tokens), `fits` whether this one, before a test with room for a written answer, is no longer.

    `inputs` are a study's settings for long inputs: the example is the one that such a study reads
    as number `row`, and `cut` says whether its input was cut.

    Raises:
        InputError: unknown model, task, split or row, or an empty prompt; or too few
            examples are left where long ones are dropped.
    """
    files, task = find_model(model), get_task(task_name, data_seed, tasks_from)
    check_prompts([text])
    rows = task.examples(_split(split))
    if not 0 <= row < len(rows):
        raise InputError(
            f"Task {task_name!r} has {len(rows)} {split} examples, number {row} was asked for."
            f" Ask for one of 0 to {len(rows) - 1}."
        )
    tokenizer, max_length = load_tokenizer(files), context_length_of(files)
    example = rows[row]
    settings = InputSettings(**(inputs or {}))
    if settings.max_tokens is not None:
        fit = fit_rows(tokenizer, settings, task, _split(split), row + 1, row + 1)
        example = fit.examples[row]
    found = encode(tokenizer, text, task.suffix, example)
    kinds = (
        ["context"] * found.target_start
        + ["answer"] * (found.content_end - found.target_start)
        + ["end"] * (len(found.ids) - found.content_end)
    )
    pieces = token_texts(tokenizer, text, task.suffix, example)
    room = task.max_new_tokens if split == "test" else 0
    return {
        "model": model,
        "task": task_name,
        "split": split,
        "row": row,
        "cut": settings.too_long == "cut" and example != rows[row],
        "chat_template": tokenizer.chat_template is not None,
        "max_length": max_length,
        "fits": len(found.ids) + room <= max_length,
        "n_tokens": len(found.ids),
        "n_scored": found.n_target,
        "tokens": [
            {"text": piece, "scored": kind != "context", "kind": kind}
            for piece, kind in zip(pieces, kinds, strict=True)
        ],
    }


def _split(name: str) -> Split:
    for known in SPLITS:
        if name == known:
            return known
    raise unknown("split", name, SPLITS)
