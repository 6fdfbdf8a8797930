"""What a base model answers under several wordings of one task: asked alike, are answers alike?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sapo_analysis.learning.evaluation import greedy_answers
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoded, Encoder, encode
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.tasks import Task, get_task

_AT_ONCE = 64


def equivalence(
    model: str, task_name: str, texts: Sequence[str], n: int, sources: Sequence[str] = ()
) -> dict[str, Any]:
    """Greedy answers of the base model on a task's first dev examples, under each text.

    An empty text asks without an instruction. `answers` has a list per text, in the order of the
    texts; an answer is None where the example, laid out with that text and with room for an answer,
    is longer than the model reads.

    Raises:
        InputError: unknown model or task, or fewer dev examples than `n`.
    """
    task, files = get_task(task_name, sources=sources), find_model(model)
    examples = task.examples("dev", n)
    device = choose_device("auto")
    # In float32 a model of some billions would not fit; all prompts are asked alike.
    loaded = load_model(files, device, "bfloat16" if device.name == "cuda" else "float32")
    encoder = Encoder(load_tokenizer(files), context_length(loaded))
    found: list[list[str | None]] = []
    for text in texts:
        rows = [encode(encoder.tokenizer, text, task.suffix, row) for row in examples]
        fitting = [i for i, row in enumerate(rows) if _fits(encoder, task, row)]
        written, _ = greedy_answers(
            loaded, encoder, [rows[i] for i in fitting], task.max_new_tokens, _AT_ONCE
        )
        own: list[str | None] = [None] * len(rows)
        for i, answer in zip(fitting, written, strict=True):
            own[i] = answer
        found.append(own)
    return {
        "model": model,
        "fingerprint": files.fingerprint,
        "task": task_name,
        "n_examples": n,
        "answers": found,
    }


def _fits(encoder: Encoder, task: Task, row: Encoded) -> bool:
    return row.target_start + task.max_new_tokens <= encoder.max_length
