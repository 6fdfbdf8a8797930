"""Where the numbers of a figure or table come from: what its file says of its runs.

Names no user, host or folder: of a path that a study was given only the last part is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

from sapo_analysis.figures.stamp import Stamp
from sapo_analysis.model_files.finding import is_hub_id
from sapo_analysis.model_files.places import RANDOM_PREFIX
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.numbers.once import asked_once
from sapo_analysis.store import Run, table_hashes

_TOLD = (
    *("algorithm_version", "engine", "chunk", "device", "hardware", "threads", "dtype"),
    *("packages", "python", "platform", "processor", "commit", "dirty"),
    *("model", "data", "seeds", "noise_seeds", "started"),
)
"""What of a run's own provenance is told, in this order."""


@asked_once
def provenance(numbers: Numbers) -> dict[str, Any]:
    """Everything that decides the numbers, as plain JSON; nobody may change it.

    Of each run: id, kind, state, study, model, data, seeds, packages, commit, machine, when it
    ended, and the SHA-256 of the files of its tables. `shortened` names the settings of which only
    the last part of a path is told.
    """
    return {
        "software": {"name": "sapo-analysis", "version": version("sapo-analysis")},
        "runs": [_run(run) for run in numbers.runs],
    }


def stamp(numbers: Numbers, title: str) -> Stamp:
    """What a file with these numbers says of itself; its date is when the last run ended.

    Prompts that a study brought along are left out of it: they can be long, and stand in the run.
    """
    told = provenance(numbers)
    runs = [{**run, "study": _without_prompts(run["study"])} for run in told["runs"]]
    facts = json.dumps({**told, "runs": runs}, separators=(",", ":"), allow_nan=False)
    return Stamp(title, _source(numbers), facts, ended(numbers))


def ended(numbers: Numbers) -> datetime | None:
    """When the last of the runs ended; of one under way its last sign of life; None: not known."""
    times = [time for run in numbers.runs if (time := _ended(run)) is not None]
    return max(times, default=None)


def model_name(run: Run) -> str:
    """The model as readers know it: its name or id, of a folder the last part alone."""
    named = run.provenance.get("model", {}).get("name")
    return short_name(str(named or run.study.model))


def short_name(text: str) -> str:
    """The name of a model, or its id on the hub, as it is; of a folder the last part."""
    prefix = RANDOM_PREFIX if text.startswith(RANDOM_PREFIX) else ""
    rest = text.removeprefix(prefix)
    return text if is_hub_id(rest) else prefix + _last_part(rest)


def study_of(run: Run) -> tuple[dict[str, Any], list[str]]:
    """The study of a run as plain JSON, and which of its settings were paths and are cut short."""
    given = run.study.model_dump(mode="json")
    study = {**given, "model": short_name(given["model"])}
    if "tasks_from" in given:
        study["tasks_from"] = [_last_part(path) for path in given["tasks_from"]]
    cut = [name for name in ("model", "tasks_from") if study.get(name) != given.get(name)]
    if (folder := given.get("promot", {}).get("stage_1_from")) is not None:
        study["promot"] = {**given["promot"], "stage_1_from": _last_part(folder)}
        cut.append("promot.stage_1_from")
    return study, cut


def _last_part(path: str) -> str:
    return re.split(r"[/\\]+", path.rstrip("/\\"))[-1]


def _run(run: Run) -> dict[str, Any]:
    study, cut = study_of(run)
    when = _ended(run)
    known = {name: run.provenance[name] for name in _TOLD if name in run.provenance}
    if isinstance(model := known.get("model"), Mapping):
        known["model"] = {**model, "name": model_name(run)}
    told = {
        "run_id": run.run_id,
        "kind": run.study.kind,
        "state": run.status.state,
        "done": run.status.done,
        "total": run.status.total,
        **known,
        "ended": None if when is None else when.isoformat(),
        "tables_sha256": table_hashes(run),
        "study": study,
    }
    return {**told, "shortened": cut} if cut else told


def _ended(run: Run) -> datetime | None:
    beat = run.status.heartbeat or run.provenance.get("started")
    return None if beat is None else datetime.fromisoformat(beat)


def _source(numbers: Numbers) -> str:
    said = []
    for run in numbers.runs:
        state = "" if run.is_complete else f", {run.status.state}"
        random = ", random weights" if run.has_random_weights else ""
        said.append(f"{run.run_id} ({run.study.kind}, model {model_name(run)}{random}{state})")
    which = "Runs" if len(said) > 1 else "Run"
    return f"{which} {', '.join(said)}. Drawn by sapo-analysis {version('sapo-analysis')}."


def _without_prompts(study: Mapping[str, Any]) -> dict[str, Any]:
    own = study.get("own_prompts")
    if not own:
        return dict(study)
    return {**study, "own_prompts": {task: len(texts) for task, texts in own.items()}}
