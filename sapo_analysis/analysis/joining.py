"""Which runs may be read as one: those that differ in tasks, seeds and prompts only."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from sapo_analysis.analysis.method_names import methods_of
from sapo_analysis.comparable import method_settings, settings_that_count
from sapo_analysis.errors import InputError
from sapo_analysis.methods import known_methods
from sapo_analysis.store import Run

_LONGEST = 60
"""Of a differing value this much is shown (characters)."""
_OF_HASH = 12
"""Of a hash this much."""
_MOST = 6
"""So many differing keys are told in a sentence."""
_LAST = ("learned before ", "data.", "candidates of ", "prompt ")
"""Beginnings of keys that follow from others, or are many: told after all settings."""

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

OF_METHODS = frozenset(
    {"method", "paft", *itertools.chain.from_iterable(m.settings for m in known_methods().values())}
)
"""Settings in which runs that are compared by method may differ: they are what is compared."""

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
    identities = [identity(run) for run in runs]
    for i, j in itertools.combinations(range(len(runs)), 2):
        listed = differences_in_words((runs[i], runs[j]), (identities[i], identities[j]))
        if listed:
            raise InputError(
                f"Runs {runs[i].run_id} and {runs[j].run_id} cannot be joined, they differ in"
                f" {listed}. Joined runs may differ in {_MAY_DIFFER[runs[0].study.kind]} only."
                f" Report them one at a time.{_instead(runs, identities[i], identities[j])}"
            )


def _instead(runs: Sequence[Run], one: dict[str, str], other: dict[str, str]) -> str:
    """Where runs that differ in their methods alone are compared; "" of others."""
    differing = {key.partition(".")[0] for key in _differing(one, other)}
    if not differing & OF_METHODS or not differing <= {*OF_METHODS, "scoring"}:
        return ""
    named = " ".join(run.run_id for run in runs)
    return (
        f" To compare methods: `sapo export {named} --table method_differences`, or the page"
        " Methods compared."
    )


def _differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The keys that both have and differ in, in order."""
    return [key for key in _ordered(one.keys() & other.keys()) if one[key] != other[key]]


def differences_in_words(pair: tuple[Run, Run], known: tuple[dict[str, str], ...]) -> str:
    """The keys that two runs both have and differ in, with both values; "" where there are none.

    Args:
        pair: the runs.
        known: of each what counts, as `identity` gives it.
    """
    one, other = known
    differing = _differing(one, other)
    listed = "; ".join(
        f"{key}: {' and '.join(_shown(key, [one[key], other[key]], pair))}"
        for key in differing[:_MOST]
    )
    more = len(differing) - _MOST
    return listed + (f"; and in {more} more" if more > 0 else "")


def differing_keys(runs: Sequence[Run]) -> pd.DataFrame:
    """What keeps runs from being joined: one row per key that two of them have and differ in.

    Returns:
        `key`, then a column per run id with its value as text, cut where it is long; empty where a
        run does not have the key. No rows for imported results, of which no such key is known.
    """
    known = [run for run in runs if not run.is_imported]
    identities = {run.run_id: identity(run) for run in known}
    rows = []
    for key in _ordered({key for identity in identities.values() for key in identity}):
        having = [run for run in known if key in identities[run.run_id]]
        values = [identities[run.run_id][key] for run in having]
        if len(set(values)) > 1:
            shown = zip((run.run_id for run in having), _shown(key, values, having), strict=True)
            empty = dict.fromkeys((run.run_id for run in known), "")
            rows.append({"key": key, **empty, **dict(shown)})
    return pd.DataFrame(rows, columns=["key", *(run.run_id for run in known)])


def _ordered(keys: Iterable[str]) -> list[str]:
    """What was set by hand first: the kind, the model, settings; then what follows from them."""

    def place(key: str) -> tuple[int, str]:
        last = [i for i, start in enumerate(_LAST) if key.startswith(start)]
        return (last[0] + 3 if last else 2 - (key in ("kind", "model")), key)

    return sorted(keys, key=place)


def _shown(key: str, values: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Differing values of runs as text; of long ones what not all of them have."""
    short = [_hash(value) for value in values]
    values = short if len(set(short)) == len(set(values)) else values
    if key == "model":  # its hash alone says little
        return [f"{run.study.model} {value}" for run, value in zip(runs, values, strict=True)]
    if max(map(len, values)) <= _LONGEST:
        return list(values)
    read = [json.loads(value) for value in values]
    if all(isinstance(one, list) for one in read):
        common = [item for item in read[0] if all(item in one for one in read)]
        own = [[item for item in one if item not in common] for one in read]
        if len({str(one) for one in own}) > 1:
            return [_of_list(len(one), items) for one, items in zip(read, own, strict=True)]
    begin = len(os.path.commonprefix(list(values)))
    kept = max(0, begin - _LONGEST // 4)  # what stands before says where it is
    return [("… " if kept else "") + _cut(value[kept:]) for value in values]


def _hash(value: str) -> str:
    """The beginning of a hash; any other value as it is."""
    return value[1 : 1 + _OF_HASH] if re.fullmatch(r'"[0-9a-f]{16,}"', value) else value


def _of_list(n: int, own: Sequence[object]) -> str:
    """A list by its length and what others do not have."""
    if not own:
        return f"{n} (no others)"
    return f"{n} (with {_cut(', '.join(map(str, own)))})"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def identity(run: Run) -> dict[str, str]:
    """What two runs that are joined have in common where both have it: JSON by dotted key."""
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
    own = {f"method {name}": mark for name, mark in provenance.get("own_methods", {}).items()}
    pasts = _pasts(run) if run.study.kind == "paraphrase" else _pools(run)
    of_methods = method_settings(methods_of(run))
    settings = settings_that_count(study, dict.fromkeys((*_SETTINGS[run.study.kind], *of_methods)))
    return {
        key: json.dumps(value, sort_keys=True)
        for key, value in {**settings, **known, **data, **own, **texts, **pasts}.items()
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
