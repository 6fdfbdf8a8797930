"""What several runs do not have in common: of their studies and of how they were made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from os.path import commonprefix
from typing import Any

import pandas as pd

from sapo_analysis.spec import by_dotted_name
from sapo_analysis.store import Run

_OF_ONE_RUN = ("cost", "started", "sessions", "reused", "seeds", "noise_seeds")
"""Keys of a provenance that differ between any two runs, or that the study says already."""
MADE_WITH = "made with "
NOT_THERE = "–"
_LONGEST = 200
_BEFORE = 40
"""Of a value that is cut so much is shown (characters), so much of it before the difference."""


def only_what_differs(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per setting or condition that is not the same in all runs, one column per run.

    Columns: `key` (dotted; `made with` stands before what is not of the study) and each run's id;
    `NOT_THERE` where a run does not have it. Long values are compared whole, and cut so that the
    first difference is seen.

    Args:
        runs: at least one. A run that no worker has begun has no conditions yet, and so does not
            differ in them.
    """
    found = {run.run_id: dict(_facts(run)) for run in runs}
    begun = {run.run_id for run in runs if run.provenance}
    keys = dict.fromkeys(key for facts in found.values() for key in facts)
    rows = []
    for key in keys:
        values = {run_id: facts.get(key, NOT_THERE) for run_id, facts in found.items()}
        compared = begun if key.startswith(MADE_WITH) else found
        if len({values[run_id] for run_id in compared}) > 1:
            alike = len(commonprefix(list(values.values())))
            rows.append({"key": key, **{r: _cut(text, alike) for r, text in values.items()}})
    return pd.DataFrame(rows, columns=["key", *found])


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    for key, value in by_dotted_name(run.study.model_dump(mode="json")).items():
        yield key, _text(value)
    conditions = {k: v for k, v in run.provenance.items() if k not in _OF_ONE_RUN}
    for key, value in by_dotted_name(conditions).items():
        yield f"{MADE_WITH}{key}", _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str, alike: int) -> str:
    """A long text from shortly before the character at which it differs from others."""
    if len(text) <= _LONGEST:
        return text
    start = 0 if alike < _LONGEST else alike - _BEFORE
    end = start + _LONGEST
    return f"{'… ' if start else ''}{text[start:end]}{' …' if end < len(text) else ''}"
