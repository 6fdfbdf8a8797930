"""Tasks in the layout that the SAPO authors released: SuperNI and TRACE.

A folder with `instructions.json` (per task: instruction, suffix, labels, declared sizes of train,
dev and test) and a folder per task with `train.json`, `dev.json` and `test.json`, each a list of
`sentence` and `label`. Rows keep their order and all of them count: the released code takes the
first n. Sizes are counted from the files; the metric is chosen by the rule of `choosing`, for the
release names none (its code scores ROUGE-L on everything).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import SPLITS, Example, Split, Task
from sapo_analysis.tasks.card import is_task_name
from sapo_analysis.tasks.checking import refuse_unreadable
from sapo_analysis.tasks.choosing import metric_for, new_tokens_for
from sapo_analysis.tasks.json_files import read_json
from sapo_analysis.tasks.mapping import RowError, short
from sapo_analysis.tasks.paraphrase_files import wordings_of
from sapo_analysis.tasks.source import Source, Stamp, stamp, title_of

INSTRUCTIONS = "instructions.json"
_KEYS = ("instruction", "suffix", "labels", "size")


def read_folder(folder: Path) -> Source:
    """Every task of a folder, in the order of its instructions.

    A task that cannot be used, because it has no rows, no instruction or a damaged file, is left
    out with the reason; the others do not suffer for it.

    Raises:
        InputError: `instructions.json` cannot be read or is no mapping of tasks.
    """
    path = folder / INSTRUCTIONS
    instructions = read_json(path)
    if not isinstance(instructions, dict) or not instructions:
        raise InputError(
            f"{str(path)!r} is no mapping of tasks. Write"
            ' {"TASK": {"instruction": "…", "suffix": "…", "labels": [], "size": [n, n, n]}}.'
        )
    tasks: dict[str, Task] = {}
    left_out: dict[str, str] = {}
    for name, entry in instructions.items():
        if not is_task_name(name):
            left_out[name] = (
                "its name cannot be used: letters, digits, '_', '-' and '.', a letter or digit"
                " first, at most 100"
            )
            continue
        stamps = tuple(stamp(folder / name / f"{split}.json") for split in SPLITS)
        found = _task(folder / name, json.dumps(entry), stamps)
        if isinstance(found, Task):
            tasks[name] = found
        else:
            left_out[name] = found
    return Source(tasks, left_out)


@dataclass(frozen=True)
class _Entry:
    """What the instructions say of a task."""

    instruction: str
    suffix: str
    labels: tuple[str, ...]
    size: Any


@lru_cache(maxsize=512)
def _task(folder: Path, entry: str, stamps: tuple[Stamp, ...]) -> Task | str:
    """The task, or why it cannot be used. Rows are read, checked and counted, and not held."""
    try:
        said = _entry(json.loads(entry))
        if not folder.is_dir():
            raise ValueError(f"its folder {str(folder)!r} is not there")
        if absent := [f"{s}.json" for s, own in zip(SPLITS, stamps, strict=True) if own is None]:
            raise ValueError(f"{', '.join(absent)}: no such file in {str(folder)!r}")
        rows = {split: _rows(folder, split) for split in SPLITS}
    except (ValueError, InputError) as error:
        return str(error).rstrip(".")
    every = [row for split in SPLITS for row in rows[split]]
    sizes = {split: len(rows[split]) for split in SPLITS}
    wordings, notes = wordings_of(folder.name, said.instruction)
    return Task(
        name=folder.name,
        title=title_of(folder.name),
        family=folder.parent.name,
        suite=folder.parent.name,
        labels=said.labels,
        metric=metric_for(said.labels, every),
        suffix=said.suffix,
        max_new_tokens=new_tokens_for(row.target for row in every),
        role="",
        sizes=sizes,
        load=partial(_rows, folder),
        wordings=wordings,
        notes=(*_notes(said, rows), *notes),
    )


def _entry(entry: Any) -> _Entry:
    """Raises ValueError for an entry that makes no task."""
    if not isinstance(entry, dict):
        raise ValueError(f"its entry in {INSTRUCTIONS} is no mapping of {', '.join(_KEYS)}")
    if absent := [key for key in _KEYS if key not in entry and key != "size"]:
        raise ValueError(f"its entry in {INSTRUCTIONS} has no {', '.join(absent)}")
    instruction, suffix, labels = (entry[key] for key in ("instruction", "suffix", "labels"))
    if not isinstance(instruction, str) or not instruction.strip():
        raise ValueError(
            f"its instruction in {INSTRUCTIONS} is empty or no text: there is no prompt"
        )
    if not isinstance(suffix, str):
        raise ValueError(f"its suffix in {INSTRUCTIONS} is no text: {suffix!r}")
    if not isinstance(labels, list):
        raise ValueError(f"its labels in {INSTRUCTIONS} are no list: {labels!r}")
    for label in labels:
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"its labels in {INSTRUCTIONS} hold {label!r}, which is no text")
    if len(set(labels)) < len(labels):
        raise ValueError(f"its labels in {INSTRUCTIONS} name one twice: {labels}")
    return _Entry(instruction, suffix, tuple(labels), entry.get("size"))


def _notes(said: _Entry, rows: dict[Split, list[Example]]) -> Iterator[str]:
    sizes = [len(rows[split]) for split in SPLITS]
    if said.size is not None and said.size != sizes:
        declared = said.size if isinstance(said.size, list) else [said.size]
        yield (
            f"{INSTRUCTIONS} declares {_counts(declared)} rows (train, dev, test), the files have"
            f" {_counts(sizes)}"
        )
    every = [(split, i, row) for split in SPLITS for i, row in enumerate(rows[split], start=1)]
    if said.labels:
        used = {row.target for _, _, row in every}
        if idle := [label for label in said.labels if label not in used]:
            yield f"no row has the label {', '.join(map(repr, idle))}"
        other = [(s, i, row.target) for s, i, row in every if row.target not in said.labels]
        if other:
            split, i, target = other[0]
            yield (
                f"{len(other):,} targets are none of the labels (first: {split}.json, row {i:,}:"
                f" {short(target)})"
            )
    if empty := [(s, i) for s, i, row in every if not row.input.strip()]:
        split, i = empty[0]
        yield f"{len(empty):,} inputs are empty (first: {split}.json, row {i:,})"
    if empty := [(s, i) for s, i, row in every if not row.target.strip()]:
        split, i = empty[0]
        yield (
            f"{len(empty):,} targets are empty, which counts as an answer (first: {split}.json, row"
            f" {i:,})"
        )


def _counts(numbers: list[Any]) -> str:
    return " / ".join(f"{n:,}" if isinstance(n, int) else str(n) for n in numbers)


def _rows(folder: Path, split: Split) -> list[Example]:
    path = folder / f"{split}.json"
    entries = read_json(path)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{str(path)!r} is no list of rows. Give at least one.")
    return [_row(entry, f"{str(path)!r}, row {i:,}") for i, entry in enumerate(entries, start=1)]


def _row(entry: Any, place: str) -> Example:
    keys = ("sentence", "label")
    if not isinstance(entry, dict):
        raise InputError(f"{place} is no object of {' and '.join(keys)}: {short(str(entry))}.")
    for key in keys:
        if key not in entry:
            there = ", ".join(map(repr, entry)) or "nothing"
            raise InputError(f"{place} has no {key!r}; it has {there[:200]}.")
        if not isinstance(entry[key], str):
            raise InputError(
                f"{place}: its {key} is no text: {short(json.dumps(entry[key]))}. Write it in"
                " quotation marks."
            )
    example = Example(entry["sentence"], entry["label"])
    try:
        refuse_unreadable(example)
    except RowError as error:
        raise InputError(f"{place}: {error}.") from error
    return example
