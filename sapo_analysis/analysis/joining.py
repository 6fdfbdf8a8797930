"""Which runs may be read as one: those that differ in tasks, seeds and prompts only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

_SETTINGS = ("method", "dtype", "lora", "training", "scoring", "evaluation")


def check_joinable(runs: Sequence[Run]) -> None:
    """Refuse runs whose numbers may not stand in one table.

    Raises:
        InputError: no runs, or two of them differ in model, data, settings or algorithm version;
            the differing keys are named with both values.
    """
    if not runs:
        raise InputError("No run was given. Name at least one; `sapo runs` lists them.")
    first = _identity(runs[0])
    for run in runs[1:]:
        other = _identity(run)
        differing = [key for key in sorted(first.keys() & other.keys()) if first[key] != other[key]]
        if differing:
            listed = "; ".join(f"{key}: {first[key]} and {other[key]}" for key in differing)
            raise InputError(
                f"Runs {runs[0].run_id} and {run.run_id} cannot be joined, they differ in {listed}."
                " Joined runs may differ in tasks, prompts and seeds only."
                " Report them one at a time."
            )


def _identity(run: Run) -> dict[str, str]:
    settings = {name: run.study.model_dump(mode="json")[name] for name in _SETTINGS}
    provenance = run.provenance
    model = provenance.get("model", {}).get("fingerprint") or run.study.model
    known = {
        "model": model,
        "algorithm_version": provenance.get("algorithm_version", "not recorded"),
    }
    data = {f"data.{task}": mark for task, mark in (provenance.get("data") or {}).items()}
    return {
        key: json.dumps(value, sort_keys=True)
        for key, value in _flat({**settings, **known, **data}).items()
    }


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat.update(
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
