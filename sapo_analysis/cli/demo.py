"""`sapo demo`: the embedded study, in the background of the dashboard or by itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from sapo_analysis import analysis, jobs
from sapo_analysis.cli.findings import show_findings
from sapo_analysis.cli.options import DEFAULT_RUNS, RunsOption, read_study
from sapo_analysis.cli.output import duration, say, show
from sapo_analysis.cli.race import progress_of
from sapo_analysis.cli.serve import DEFAULT_PORT, check_port, serve
from sapo_analysis.spec import AnyStudy
from sapo_analysis.store import Run, list_runs, open_run


def demo(
    serve_app: Annotated[
        bool,
        typer.Option(
            "--serve/--no-serve",
            help="Open the dashboard at once and run the study in the background,"
            " or run it here and print its findings.",
        ),
    ] = True,
    runs: RunsOption = DEFAULT_RUNS,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the dashboard.")
    ] = DEFAULT_PORT,
) -> None:
    """Open the dashboard and run the embedded study in the background."""
    study = read_study("demo", [])
    if serve_app:
        check_port(port)
        _in_the_background(study, runs)
        serve([runs], port, read_only=False)
    began = time.monotonic()
    with progress_of(study) as progress:
        path = jobs.run_study(study, runs, progress)
    show_findings(analysis.report(open_run(path)))
    show(f"Study: {duration(time.monotonic() - began)}. The run is in {path}")
    say("See it in the browser with: sapo app")


def _in_the_background(study: AnyStudy, runs: Path) -> None:
    """Queue the study, unless it is there from an earlier time."""
    earlier = [run for run in list_runs([runs]) if isinstance(run, Run) and run.study == study]
    going = [run for run in earlier if run.status.is_at_work or jobs.ahead_of(run.path) is not None]
    done = [run for run in earlier if run.is_complete]
    if going or done:
        run = (going or done)[0]
        say(f"The demo study is there: run {run.run_id} is {run.status.state}.")
    elif earlier:
        jobs.resume(earlier[0].path)
        say(f"The demo study goes on in the background: run {earlier[0].run_id}.")
    else:
        path = jobs.launch(study, runs)
        say(f"The demo study runs in the background: run {path.name}. The app shows how far it is.")
