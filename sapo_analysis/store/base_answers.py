"""What base models answered under prompts before any training: `.answers` in the runs folder.

Kept so that nobody has to ask twice. An answer stands for one text, one state of the task's data
and one state of the model's files: where any of them is another, it is not found and asked anew. So
is a file that cannot be read, which loses nothing but the time to ask.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sapo_analysis.model_files import ModelFiles
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only, writing_into
from sapo_analysis.store.own_prompts import checked_file
from sapo_analysis.tasks import Task

FOLDER = ".answers"
MOST_EXAMPLES = 1000
"""Dev examples that can be asked about."""
Answers = Mapping[str, tuple[str | None, ...]]
"""By the prompt's text: an answer per dev example, None where the example was too long."""


class BaseAnswers(BaseModel):
    """The answers of one model to one task.

    `data` and `version` are marks of what was asked about and of the files that answered,
    `fingerprint` identifies the model as runs have it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    task: str
    data: str
    model: str
    version: str
    fingerprint: str
    asked: str = Field(default_factory=layout.now)
    answers: dict[str, Annotated[tuple[str | None, ...], Field(max_length=MOST_EXAMPLES)]]


def read_answers(runs_dir: Path, task: Task, model: ModelFiles) -> Answers:
    """What this model, as it is now, is known to answer to this task, as it is now.

    Raises:
        InputError: no task can be called so.
    """
    try:
        found = BaseAnswers.model_validate_json(_file(runs_dir, task, model).read_bytes())
    except (OSError, ValidationError):
        return {}
    is_current = (found.data, found.version) == (_data(task), _version(model))
    return found.answers if is_current else {}


def keep_answers(
    runs_dir: Path, task: Task, model: ModelFiles, fingerprint: str, answers: Answers
) -> None:
    """Add answers to those that are kept; of a text, the longer list stays.

    Raises:
        InputError: no task can be called so, or the folder cannot be written or is read-only.
    """
    refuse_if_read_only("no answers can be kept")
    known = dict(read_answers(runs_dir, task, model))
    for text, own in answers.items():
        if len(own) >= len(known.get(text, ())):
            known[text] = tuple(own)
    content = BaseAnswers(
        task=task.name,
        data=_data(task),
        model=model.name,
        version=_version(model),
        fingerprint=fingerprint,
        answers=known,
    )
    with writing_into(runs_dir):
        layout.write_model(_file(runs_dir, task, model), content)


def _file(runs_dir: Path, task: Task, model: ModelFiles) -> Path:
    mark = hashlib.sha256(f"{model.name}|{model.weights}".encode()).hexdigest()[:12]
    return checked_file(runs_dir, FOLDER, task.name, f"{task.name}.{mark}.json")


def _data(task: Task) -> str:
    """What an answer hangs on beside the prompt and the model."""
    rows = [[row.input, row.target] for row in task.examples("dev")[:MOST_EXAMPLES]]
    content = [rows, task.suffix, task.max_new_tokens]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def _version(model: ModelFiles) -> str:
    """A mark that changes with a model's files; hashing whole weights would take too long."""
    files = sorted(p for p in model.folder.iterdir() if p.suffix in (".json", ".safetensors"))
    stamps = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    content = [str(model.folder.resolve()), model.weights, stamps]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
