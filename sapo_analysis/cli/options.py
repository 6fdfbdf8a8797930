"""Options that several commands share, and how a study is put together from a spec and `--set`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.spec import AnyStudy, parse_study, preset_names, read_preset, read_spec_data
from sapo_analysis.spec.orders import with_folders_read
from sapo_analysis.store import CACHED_RUNS
from sapo_analysis.store.own_prompts import read_own_prompts
from sapo_analysis.tasks.card import is_task_name

RunsOption = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Folder that new runs are written into.")
]
RunsFoldersOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--runs",
        metavar="DIR",
        help="Folder with runs, beside the shipped ones; may be repeated. [default: runs]",
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder or id; `sapo runs` lists them.")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Queue it and return; it goes on by itself.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.")
]
RemoteCodeOption = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Let a model run Python code that its author put beside it. Read that code first.",
    ),
]
DEFAULT_RUNS = Path("runs")
KEPT = "kept"
"""In a spec's `own_prompts`: those that the runs folder keeps."""


def folders(given: list[Path] | None) -> list[Path]:
    """Every folder in which runs are looked for: the user's own first, then the shipped one."""
    return [*(given or [DEFAULT_RUNS]), CACHED_RUNS]


def read_study(
    spec: str, settings: list[str], device: str | None = None, runs: Path = DEFAULT_RUNS
) -> AnyStudy:
    """The study of a spec file or preset, with `--set` and `--device` applied.

    `own_prompts: kept`, or of one task `own_prompts: {TASK: kept}`, stands for the usable prompts
    that were kept in the runs folder.

    Raises:
        InputError: neither a file nor a preset, or a setting is unknown, misspelt or out of range;
            or no prompts are kept of a task of which they are asked for.
    """
    if spec in preset_names():
        data, source = read_preset(spec), f"Preset {spec}"
    elif Path(spec).exists() or Path(spec).suffix in (".yaml", ".yml", ".json"):
        data, source = read_spec_data(Path(spec)), spec
    else:
        raise unknown("preset or spec file", spec, preset_names(), "Give a preset or a YAML file.")
    if not isinstance(data, dict):
        return parse_study(data, source)  # which says what is wrong with it
    for setting in settings:
        _apply(data, setting)
        source = f"{spec} with --set"
    if device is not None:
        data["device"] = device
    if "own_prompts" in data:
        data["own_prompts"] = _with_kept(data, runs)
    return parse_study(data, source)


def _with_kept(data: dict[str, Any], runs: Path) -> Any:
    """`own_prompts` with texts in place of the word `kept`; anything else as it was."""
    given = data["own_prompts"]
    if given == KEPT:
        given = dict.fromkeys(_learned(data), KEPT)
        found = {task: _kept(runs, task) for task in given}
        if not any(found.values()):
            raise InputError(
                f"own_prompts is {KEPT!r}, but {str(runs)!r} has none for {', '.join(found)}."
                " `sapo paraphrase TASK` keeps some; another folder is given by --runs."
            )
        return {task: texts for task, texts in found.items() if texts}
    if not isinstance(given, dict):
        return given
    found = {}
    for task, texts in given.items():
        found[task] = _kept(runs, str(task)) if texts == KEPT else texts
        if not found[task] and texts == KEPT:
            raise InputError(
                f"own_prompts.{task} is {KEPT!r}, but {str(runs)!r} has none. `sapo paraphrase"
                f" {task}` keeps some; another folder is given by --runs."
            )
    return found


def _kept(runs: Path, task: str) -> list[str]:
    return read_own_prompts(runs, task).usable if is_task_name(task) else []


def _learned(data: dict[str, Any]) -> list[str]:
    """The tasks that a spec trains with candidates, as far as its form is right."""
    if "orders" in data:
        orders = with_folders_read(data["orders"])
        tasks = orders[0] if orders and isinstance(orders[0], list | tuple) else orders
    else:
        roles = ("past", "current", "unseen") if data.get("rotate") else ("current",)
        tasks = [task for role in roles for task in data.get(role) or ()]
    return [task for task in tasks if isinstance(task, str)] if tasks else []


def _apply(data: dict[str, Any], setting: str) -> None:
    """Set one dotted key, as in `training.steps=20`; the value is YAML."""
    key, equals, text = setting.partition("=")
    parts = key.split(".")
    if not equals or not all(parts):
        raise InputError(
            f"--set {setting!r} is not KEY=VALUE. Write it as in --set training.steps=20."
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"--set {key}: {text!r} is not a YAML value: {error}. Put it in quotes."
        ) from error
    place = data
    for part in parts[:-1]:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InputError(
                f"--set {key}: {part} is {inner!r}, which has no settings inside."
                f" Set {part} as a whole."
            )
        place = inner
    place[parts[-1]] = value
