"""Which runs may be read as one: those that differ in tasks, seeds and prompts only."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sapo_analysis.comparable import settings_that_count
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

_LONGEST = 60
"""Of a differing value this much is shown (characters)."""

_SETTINGS = {
    "paraphrase": (
        *("method", "dtype", "lora", "training", "scoring", "evaluation"),
        *("inputs", "memory"),
    ),
    "sequence": (
        *("dtype", "lora", "training", "scoring", "evaluation", "inputs", "memory"),
        *("paft", "o_lora", "ewc", "replay", "full"),
    ),
}


_MAY_DIFFER = {
    "paraphrase": "tasks, prompts and seeds",
    "sequence": "orders, strategies and seeds",
}


def as_runs(runs: Run | Sequence[Run]) -> list[Run]:
    """One opened run, or several, as a list.

    Raises:
        InputError: there is something else among them, a folder's name for instance.
    """
    several = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    for one in several:
        if not isinstance(one, Run):
            raise InputError(
                f"{str(one)!r} is a {type(one).__name__}, not an opened run."
                " Open its folder first: sapo.open_run(FOLDER)."
            )
    return several


def check_joinable(runs: Sequence[Run]) -> None:
    """Refuse runs whose numbers may not stand in one table.

    Raises:
        InputError: no runs, or two of them differ in model, data, settings or algorithm version, in
            the text behind a prompt id, or in what a current task's parent state had learned; the
            differing keys are named with both values.
    """
    if not runs:
        raise InputError("No run was given. Name at least one; `sapo runs` lists them.")
    if len(runs) == 1:
        return
    if imported := [run.run_id for run in runs if run.is_imported]:
        raise InputError(
            f"Run {imported[0]} holds imported results and cannot be joined with others: whether"
            " model, data and settings are the same is not known. Report it alone, or import the"
            " results of all as one."
        )
    identities = [_identity(run) for run in runs]
    for i, j in itertools.combinations(range(len(runs)), 2):
        one, other = identities[i], identities[j]
        differing = [key for key in sorted(one.keys() & other.keys()) if one[key] != other[key]]
        if differing:
            listed = "; ".join(
                f"{key}: {_shown(key, one[key], runs[i])} and {_shown(key, other[key], runs[j])}"
                for key in differing
            )
            raise InputError(
                f"Runs {runs[i].run_id} and {runs[j].run_id} cannot be joined, they differ in"
                f" {listed}. Joined runs may differ in {_MAY_DIFFER[runs[0].study.kind]} only."
                " Report them one at a time."
            )


def differing_keys(runs: Sequence[Run]) -> pd.DataFrame:
    """What keeps runs from being joined: one row per key that two of them have and differ in.

    Returns:
        `key`, then a column per run id with its value as text, cut where it is long; empty where a
        run does not have the key. No rows for imported results, of which no such key is known.
    """
    known = [run for run in runs if not run.is_imported]
    identities = {run.run_id: _identity(run) for run in known}
    keys = sorted({key for identity in identities.values() for key in identity})
    rows = []
    for key in keys:
        values = {run.run_id: identities[run.run_id].get(key) for run in known}
        if len({value for value in values.values() if value is not None}) > 1:
            shown = {
                run.run_id: "" if (value := values[run.run_id]) is None else _shown(key, value, run)
                for run in known
            }
            rows.append({"key": key, **shown})
    return pd.DataFrame(rows, columns=["key", *(run.run_id for run in known)])


def _shown(key: str, value: str, run: Run) -> str:
    if key == "model":  # its hash alone says little
        value = f"{run.study.model} {value}"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]} …"


def _identity(run: Run) -> dict[str, str]:
    provenance = run.provenance
    model = provenance.get("model", {}).get("fingerprint") or run.study.model
    known = {
        "kind": run.study.kind,
        "model": model,
        "algorithm_version": provenance.get("algorithm_version", "not recorded"),
    }
    texts = {
        f"prompt {row.task}/{row.prompt_id}": row.text for row in run.table("prompts").itertuples()
    }
    study = run.made_here("be joined")
    data = {f"data.{task}": mark for task, mark in (provenance.get("data") or {}).items()}
    pasts = _pasts(run) if run.study.kind == "paraphrase" else _pools(run)
    settings = settings_that_count(study, _SETTINGS[run.study.kind])
    return {
        key: json.dumps(value, sort_keys=True)
        for key, value in {**settings, **known, **data, **texts, **pasts}.items()
    }


def _pools(run: Run) -> dict[str, list[str]]:
    """The candidates of each task: to choose at random, or the best, hangs on all of them."""
    prompts = run.table("prompts").query("not test_only")
    return {
        f"candidates of {task}": sorted(own["prompt_id"]) for task, own in prompts.groupby("task")
    }


def _pasts(run: Run) -> dict[str, list[str]]:
    """What was learned before each current task."""
    states = run.table("states")
    learned = {
        state_id: [str(task) for task in tasks]
        for state_id, tasks in zip(states["state_id"], states["learned"], strict=True)
    }
    trials = run.table("trials").query("purpose != 'past'")
    return {
        f"learned before {task}": learned[state_id]
        for task, state_id in zip(trials["current_task"], trials["state_id"], strict=True)
        if state_id in learned
    }
