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


def import_(
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="A CSV or parquet file.")
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    name: Annotated[
        str | None,
        typer.Option(help="Start of the run's id, made to fit. [default: the file's name]"),
    ] = None,
    model: Annotated[str, typer.Option(metavar="LABEL", help="The model, in your words.")] = "",
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="What readers of the run should be told.")
    ] = "",
    template: Annotated[
        bool, typer.Option("--template", help="Print a CSV to fill in, and import nothing.")
    ] = False,
) -> None:
    """Make a run of results that another tool measured: a row per fine-tune and evaluated task."""
    if template:
        print(importing.TEMPLATE, end="")
        return
    if path is None:
        raise InputError(
            "No file was given. Give a CSV or parquet file; `sapo import --template` prints one to"
            " fill in."
        )
    run = importing.import_results(path, runs, name, model, note)
    df = run.table("impacts")
    main = df[df["purpose"] == "main"]
    say(
        f"Imported {counted(len(df), 'row')}: {counted(df['trial_id'].nunique(), 'trial')},"
        f" {counted(main['current_task'].nunique(), 'current task')},"
        f" {counted(len(main[['current_task', 'prompt_id']].drop_duplicates()), 'prompt')}."
    )
    indicators = run.table("imported_indicators")["name"].unique()
    say(f"Indicators beside pre-update loss: {', '.join(indicators) or 'none'}.")
    app = "sapo app" if runs == DEFAULT_RUNS else f"sapo app --runs {runs}"
    say(f"See `sapo report {run.path}` or `{app}`.")
    show(str(run.path))
