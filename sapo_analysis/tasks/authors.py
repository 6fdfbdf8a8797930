"""Tasks in the layout that the SAPO authors released: SuperNI and TRACE.

A folder with `instructions.json` (per task: instruction, suffix, labels, declared sizes) and a
folder per task with `train.json`, `dev.json` and `test.json`, each a list of `sentence` and
`label`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import SPLITS, Example, Task, Wording

INSTRUCTIONS = "instructions.json"
_RELEASED_NEW_TOKENS = 128


def read_folder(folder: Path) -> dict[str, Task]:
    """Every task of a folder that has rows, by name, in the order of its instructions.

    Raises:
        InputError: a file cannot be read or has another form; the file and the row are named.
    """
    instructions = _json(folder / INSTRUCTIONS)
    return {
        name: _task(folder / name, entry)
        for name, entry in instructions.items()
        if (folder / name).is_dir()
    }


def _task(folder: Path, entry: dict[str, Any]) -> Task:
    rows = {split: _rows(folder / f"{split}.json") for split in SPLITS}
    labels = tuple(entry["labels"])
    longest = max(len(row.target.encode()) for own in rows.values() for row in own)
    return Task(
        name=folder.name,
        title=folder.name,
        family=folder.parent.name,
        suite=folder.parent.name,
        labels=labels,
        metric="label_accuracy" if labels else "exact_match",
        suffix=entry["suffix"],
        # A token is a byte at least, and one ends the answer.
        max_new_tokens=min(longest + 1, _RELEASED_NEW_TOKENS),
        role="",
        sizes={split: len(rows[split]) for split in SPLITS},
        load=rows.__getitem__,
        wordings=(Wording(entry["instruction"], "original"),),
    )


def _rows(path: Path) -> list[Example]:
    return [Example(row["sentence"], row["label"]) for row in _json(path)]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"Cannot read {str(path)!r}: {error}.") from error
