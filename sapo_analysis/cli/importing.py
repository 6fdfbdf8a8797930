"""Results made by other tools: `sapo import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sapo_analysis.analysis import importing
from sapo_analysis.analysis.wording import counted
from sapo_analysis.cli.options import DEFAULT_RUNS, RunsOption
from sapo_analysis.cli.output import say, show
from sapo_analysis.errors import InputError
from sapo_analysis.spec import ImportedSequence
from sapo_analysis.store import Run


def import_(
    path: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH…",
            help="A CSV or parquet file, or folders of outputs of the released SAPO code.",
        ),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    name: Annotated[
        str | None,
        typer.Option(
            help="Start of the run's id, made to fit. [default: that of the file, or of the order]"
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="LABEL", help="The model, in your words.")] = "",
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="What readers of the run should be told.")
    ] = "",
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With folders: a JSON file with the base model's scores."
        ),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a CSV to fill in, and import nothing.")
    ] = False,
) -> None:
    """Make a run of results that another tool measured.

    A table with a row per fine-tune and evaluated task, or what the released code of SAPO left in
    its output folders (saves/METHOD/MODEL/ORDER); several of those become one run, compared.
    """
    if template:
        print(importing.TEMPLATE, end="")
        return
    if not path:
        raise InputError(
            "No file was given. Give a CSV or parquet file; `sapo import --template` prints one to"
            " fill in. Or give folders of outputs of the released SAPO code."
        )
    if all(one.is_dir() for one in path):
        run = importing.import_released(path, runs, base, name, model, note)
        _say_sequences(run)
    elif len(path) > 1:
        raise InputError(
            f"{len(path)} paths were given, and {str(next(p for p in path if not p.is_dir()))!r} is"
            " no folder. Give one file, or folders alone."
        )
    elif base is not None:
        raise InputError("--base goes with folders of released outputs. Leave it out for a file.")
    else:
        run = importing.import_results(path[0], runs, name, model, note)
        _say_results(run)
    app = "sapo app" if runs == DEFAULT_RUNS else f"sapo app --runs {runs}"
    say(f"See `sapo report {run.path}` or `{app}`.")
    show(str(run.path))


def _say_results(run: Run) -> None:
    df = run.table("impacts")
    main = df[df["purpose"] == "main"]
    say(
        f"Imported {counted(len(df), 'row')}: {counted(df['trial_id'].nunique(), 'trial')},"
        f" {counted(main['current_task'].nunique(), 'current task')},"
        f" {counted(len(main[['current_task', 'prompt_id']].drop_duplicates()), 'prompt')}."
    )
    indicators = run.table("imported_indicators")["name"].unique()
    say(f"Indicators beside pre-update loss: {', '.join(indicators) or 'none'}.")


def _say_sequences(run: Run) -> None:
    known = run.learned_in_turn
    say(
        f"Imported {counted(run.status.total, 'stage')}: {', '.join(known.strategies)} on"
        f" {counted(len(known.orders), 'order')} of {counted(len(known.tasks), 'task')}."
    )
    for remark in known.remarks if isinstance(known, ImportedSequence) else ():
        say(f"Note: {remark}")
