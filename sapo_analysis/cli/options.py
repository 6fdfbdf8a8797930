"""Options that several commands share, and how a study is put together from a spec and `--set`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.spec import PRESETS, AnyStudy, parse_study, preset_names, read_spec_data
from sapo_analysis.store import CACHED_RUNS

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


def folders(given: list[Path] | None) -> list[Path]:
    """Every folder in which runs are looked for: the user's own first, then the shipped one."""
    return [*(given or [DEFAULT_RUNS]), CACHED_RUNS]


def read_study(spec: str, settings: list[str], device: str | None = None) -> AnyStudy:
    """The study of a spec file or preset, with `--set` and `--device` applied.

    Raises:
        InputError: neither a file nor a preset, or a setting is unknown, misspelt or out of range.
    """
    if spec in preset_names():
        path, source = PRESETS / f"{spec}.yaml", f"Preset {spec}"
    elif Path(spec).exists() or Path(spec).suffix in (".yaml", ".yml", ".json"):
        path, source = Path(spec), spec
    else:
        raise unknown("preset or spec file", spec, preset_names(), "Give a preset or a YAML file.")
    data = read_spec_data(path)
    if not isinstance(data, dict):
        return parse_study(data, source)  # which says what is wrong with it
    for setting in settings:
        _apply(data, setting)
        source = f"{spec} with --set"
    if device is not None:
        data["device"] = device
    return parse_study(data, source)


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
