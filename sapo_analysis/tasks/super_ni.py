"""A task of Super-NaturalInstructions in its public form: one JSON file.

`Definition` is the original prompt, `Instances` hold an `input` and a list of `output`s, of which
the first is the target: metrics here compare with one. The file's positive and negative examples
are not used. It has no splits: at most 5,000 rows for train, 500 for dev and 1,000 for test are
taken by hash of the input, in these proportions where there are fewer (`sampling`), so that equal
inputs never stand in two splits and every machine makes the same ones.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import SPLITS, Example, Split, Task
from sapo_analysis.tasks.card import is_task_name
from sapo_analysis.tasks.checking import refuse_unreadable
from sapo_analysis.tasks.choosing import metric_for, new_tokens_for
from sapo_analysis.tasks.json_files import read_json
from sapo_analysis.tasks.mapping import RowError
from sapo_analysis.tasks.paraphrase_files import wordings_of
from sapo_analysis.tasks.sampling import KEEP, Gathered, Sample, gathered
from sapo_analysis.tasks.source import Source, Stamp, stamp, title_of

SUITE = "Super-NaturalInstructions"
MAX_LABELS = 10
"""A task with more distinct answers than this has no labels."""
_ROWS_PER_LABEL = 5
_BEGINNING = 200_000
_FORM = (
    'Give a task file of Super-NaturalInstructions: {"Definition": ["…"], "Instances": [{"input":'
    ' "…", "output": ["…"]}, …], …}'
)


def is_task_file(path: Path) -> bool:
    """Whether a file is one, by its beginning: one JSON object with a definition."""
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_BEGINNING).removeprefix(codecs.BOM_UTF8).lstrip()
    except OSError:
        return False
    return start.startswith(b"{") and b'"Definition"' in start


def read_file(path: Path, keep: Mapping[Split, int] = KEEP) -> Source:
    """The one task of a file, called as the file is; `keep` bounds the rows of its splits.

    Raises:
        InputError: it cannot be read, is of another form, or has too few instances to be parted.
    """
    task = _task(path, tuple(keep[split] for split in SPLITS), stamp(path))
    return Source({task.name: task})


def read_rows(path: Path, keep: Mapping[Split, int] = KEEP) -> Gathered:
    """The rows of a file, parted into splits.

    Raises:
        InputError: as `read_file`.
    """
    return _gathered(path, _content(path), keep)


@lru_cache(maxsize=64)
def _task(path: Path, most: tuple[int, ...], of: Stamp) -> Task:
    keep = dict(zip(SPLITS, most, strict=True))
    content = _content(path)
    found = _gathered(path, content, keep)
    every = [row for split in SPLITS for row in found.rows[split]]
    labels = _labels(every)
    several = sum(len(instance["output"]) > 1 for instance in content["Instances"])
    wordings, notes = wordings_of(path.stem, _definition(content, path))
    categories = content.get("Categories")
    return Task(
        name=path.stem,
        title=title_of(path.stem),
        family=str(categories[0]) if isinstance(categories, list) and categories else SUITE,
        suite=SUITE,
        labels=labels,
        metric=metric_for(labels, every),
        suffix="",
        max_new_tokens=new_tokens_for(row.target for row in every),
        role="",
        sizes={split: len(found.rows[split]) for split in SPLITS},
        load=lambda split: read_rows(path, keep).rows[split],
        wordings=wordings,
        notes=(*found.notes, *_notes(labels, several, found), *notes),
    )


def _notes(labels: Sequence[str], several: int, found: Gathered) -> Iterator[str]:
    if labels:
        yield f"the file declares no labels; its answers are taken as such: {', '.join(labels)}"
    if several:
        yield f"{several:,} instances have several answers, of which the first is the target"
    if found.left_out:
        yield f"{found.left_out:,} of {found.read:,} instances were not kept"


def _labels(rows: Sequence[Example]) -> tuple[str, ...]:
    """The answers, where there are few, all of them words, and each was given several times."""
    if metric_for((), rows) == "numeric_match":
        return ()
    counts = Counter(row.target for row in rows)
    few = len(counts) <= MAX_LABELS and min(counts.values()) >= 2
    if not few or not all(counts) or len(rows) < _ROWS_PER_LABEL * len(counts):
        return ()
    return tuple(sorted(counts))


def _gathered(path: Path, content: Mapping[str, Any], keep: Mapping[Split, int]) -> Gathered:
    sample = Sample(sum(keep.values()))
    for i, instance in enumerate(content["Instances"], start=1):
        sample.offer(_example(instance, f"{str(path)!r}, instance {i:,}"))
    return gathered({"train": sample}, keep)


def _example(instance: Any, place: str) -> Example:
    if not isinstance(instance, dict) or not isinstance(instance.get("input"), str):
        raise InputError(f"{place} has no text called 'input'. {_FORM}.")
    output = instance.get("output")
    if not isinstance(output, list) or not output or not isinstance(output[0], str):
        raise InputError(f"{place} has no list of texts called 'output'. {_FORM}.")
    example = Example(instance["input"], output[0])
    try:
        refuse_unreadable(example)
    except RowError as error:
        raise InputError(f"{place}: {error}.") from error
    return example


def _definition(content: Mapping[str, Any], path: Path) -> str:
    said = content.get("Definition")
    given = said if isinstance(said, list) else [said]
    parts = [part.strip() for part in given if isinstance(part, str)]
    if len(parts) < len(given) or not any(parts):
        raise InputError(f"{str(path)!r} has no text under 'Definition'. {_FORM}.")
    return " ".join(parts)


def _content(path: Path) -> dict[str, Any]:
    if not is_task_name(path.stem):
        raise InputError(
            f"The task in {str(path)!r} would be called {path.stem!r}, and cannot: letters, digits,"
            " '_', '-' and '.', a letter or digit first, at most 100. Rename the file."
        )
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("Instances"), list):
        raise InputError(f"{str(path)!r} has no 'Instances'. {_FORM}.")
    return content
