"""Running studies: `sapo run`, `sapo resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sapo_analysis import jobs, store
from sapo_analysis.cli.dry_run import show_plan
from sapo_analysis.cli.options import (
    DEFAULT_RUNS,
    DetachOption,
    RemoteCodeOption,
    RunArgument,
    RunsFoldersOption,
    RunsOption,
    folders,
    read_study,
)
from sapo_analysis.cli.output import duration, say, show
from sapo_analysis.cli.race import progress_of
from sapo_analysis.errors import InputError
from sapo_analysis.plan import PARITY_SETTINGS, EngineName, as_engine, paper_parity
from sapo_analysis.reuse import Reuse, find_reusable, plan_to_fill
from sapo_analysis.spec import AnyStudy, by_dotted_name
from sapo_analysis.store import find_run, open_run
from sapo_analysis.store.device_lock import holder_of, is_free

_DEVICES = ("auto", "cpu", "cuda")
MixedOption = Annotated[
    bool,
    typer.Option("--allow-mixed", help="Let one run hold trials from several devices or engines."),
]


def run(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|PRESET",
            help="A YAML file, or a preset's name; smoke-METHOD tries a method in under a minute.",
        ),
    ],
    runs: RunsOption = DEFAULT_RUNS,
    device: Annotated[
        str | None,
        typer.Option(metavar="auto|cpu|cuda", help="Where to train. [default: as the spec says]"),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="stacked|plain", help="How to train: many adapters at once, or one by one."
        ),
    ] = "stacked",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting: dotted key, YAML value; may be repeated.",
        ),
    ] = None,
    reuse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="Take finished trials over from this run where the study asks for the same;"
            " a folder or id, may be repeated.",
        ),
    ] = None,
    parity: Annotated[
        bool,
        typer.Option(
            "--paper-parity",
            help="Take the released settings where they are known, and list what still differs.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan and what it would cost; write nothing."),
    ] = False,
    detach: DetachOption = False,
    allow_mixed: MixedOption = False,
    trust_remote_code: RemoteCodeOption = False,
) -> None:
    """Run a study to its end. Ctrl-C stops it; `sapo resume` continues it."""
    if device is not None and device not in _DEVICES:
        raise InputError(f"--device {device!r} is not one of {', '.join(_DEVICES)}.")
    choice = as_engine(engine)
    study = read_study(spec, settings or [], device, runs)
    if parity:
        study = _under_parity(study, settings or [])
    found = _reuse(study, choice, reuse or [], runs, allow_mixed)
    if dry_run:
        show_plan(study, choice, found, trust_remote_code)
        return
    if detach:
        _say_queued(jobs.launch(study, runs, choice, found, trust_remote_code))
        return
    path = _with_progress(study, runs, choice, found, trust_remote_code)
    _say_done(path)


def resume(
    run: RunArgument,
    runs: RunsFoldersOption = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="stacked|plain", help="How to train. [default: as it was begun]"),
    ] = None,
    detach: DetachOption = False,
    allow_mixed: MixedOption = False,
    trust_remote_code: RemoteCodeOption = False,
) -> None:
    """Continue a run that was stopped; finished trials are never run again."""
    choice = None if engine is None else as_engine(engine)
    path = find_run(run, folders(runs))
    study = open_run(path).made_here("be resumed")
    is_complete = open_run(path).is_complete
    if trust_remote_code and not is_complete:
        store.trust_remote_code(path)
    if is_complete:
        say(f"Run {path.name} is already done.")
    elif detach:
        jobs.resume(path, choice, allow_mixed)
        _say_queued(path)
        return
    else:
        _say_if_shared(study)
        with progress_of(study) as progress:
            jobs.continue_run(path, progress, choice, allow_mixed)
    _say_done(path)


def _under_parity(study: AnyStudy, settings: list[str]) -> AnyStudy:
    """The study under the released settings; what differs all the same is said."""
    for setting in settings:
        if setting.split("=")[0].split(".")[0] in PARITY_SETTINGS:
            raise InputError(
                f"--set {setting} is decided by --paper-parity ({', '.join(PARITY_SETTINGS)})."
                " Leave one of the two out."
            )
    found, deviations = paper_parity(study)
    say(f"Released settings where they are known: {_settings(study, found)}.")
    say("What differs all the same:")
    for deviation in deviations:
        say(f"  - {deviation}")
    return found


def _settings(before: AnyStudy, after: AnyStudy) -> str:
    """The settings of one study that another has otherwise."""
    known = by_dotted_name(before.model_dump(mode="json"))
    new = by_dotted_name(after.model_dump(mode="json"))
    return ", ".join(f"{key} {new[key]}" for key in new if new[key] != known.get(key))


def _reuse(
    study: AnyStudy, engine: EngineName, names: list[str], runs: Path, allow_mixed: bool
) -> Reuse | None:
    """What the study takes over from the runs named, and a word on it; None where none is named."""
    if not names:
        return None
    lenders = [open_run(find_run(name, folders([runs]))) for name in names]
    found = find_reusable(plan_to_fill(study, engine), lenders, allow_mixed)
    say(found.in_words())
    return found


def _with_progress(
    study: AnyStudy,
    runs: Path,
    engine: EngineName = "stacked",
    reuse: Reuse | None = None,
    trust_remote_code: bool = False,
) -> Path:
    _say_if_shared(study)
    with progress_of(study) as progress:
        return jobs.run_study(study, runs, progress, engine, reuse, None, trust_remote_code)


def _say_if_shared(study: AnyStudy) -> None:
    if study.device != "cuda" and not is_free("cpu"):
        other = holder_of("cpu")
        say(f"The CPU is at work on {other or 'another run'} as well: both take longer.")


def _say_queued(path: Path) -> None:
    ahead = jobs.ahead_of(path)
    before = f" {ahead} before it." if ahead else ""
    say(f"Run {path.name} is queued.{before} It goes on by itself: see `sapo queue`, `sapo app`.")
    show(str(path))


def _say_done(path: Path) -> None:
    status = open_run(path).status
    what = "stages of chains" if open_run(path).study.kind == "sequence" else "trials"
    say(f"Done: {status.total} {what} in {duration(status.seconds)}.")
    app = "sapo app" if path.parent == DEFAULT_RUNS else f"sapo app --runs {path.parent}"
    say(f"See `sapo report {path}` or `{app}`.")
    show(str(path))
