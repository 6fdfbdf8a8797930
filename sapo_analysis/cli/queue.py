"""The queue from a terminal: `sapo queue`, `sapo cancel`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sapo_analysis import jobs
from sapo_analysis.cli.options import JsonOption, RunArgument, RunsFoldersOption, folders
from sapo_analysis.cli.output import say, show_json, show_table
from sapo_analysis.errors import RunError
from sapo_analysis.store import CACHED_RUNS, Run, find_run, list_runs, open_run


def queue(
    first: Annotated[
        str | None, typer.Option(metavar="RUN", help="Let this run be the next one.")
    ] = None,
    runs: RunsFoldersOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is at work and what waits for its turn, the next one first."""
    own = [folder for folder in folders(runs) if folder != CACHED_RUNS]
    if first is not None:
        jobs.move_first(find_run(first, own))
    jobs.keep_going(own)  # whoever worked it off may have been killed
    at_work = [run for run in list_runs(own) if isinstance(run, Run) and run.status.is_at_work]
    rows: list[dict[str, Any]] = [
        {
            "run_id": run.run_id,
            "state": run.status.state,
            "ahead": None,
            "done": run.status.done,
            "total": run.status.total,
            "path": str(run.path),
        }
        for run in at_work
    ]
    known = {run.run_id for run in at_work}
    for folder in own:
        for waiting in jobs.waiting(folder):
            if waiting.path.name not in known:
                rows.append(
                    {
                        "run_id": waiting.path.name,
                        "state": "starting" if waiting.is_starting else "queued",
                        "ahead": waiting.ahead,
                        "done": _done(waiting),
                        "total": None,
                        "path": str(waiting.path),
                    }
                )
    if as_json:
        show_json(rows)
        return
    show_table(
        "Queue",
        ["run", "state", "before it", "done", "folder"],
        [(r["run_id"], r["state"], r["ahead"], r["done"], r["path"]) for r in rows],
        "" if rows else "Nothing is at work or waits. `sapo run SPEC --detach` queues a study.",
    )


def _done(waiting: jobs.Waiting) -> int | None:
    try:
        return open_run(waiting.path).status.done
    except RunError:
        return None


def cancel(
    run: RunArgument,
    after_group: Annotated[
        bool, typer.Option("--after-group", help="Stop when the group in flight is saved.")
    ] = False,
    runs: RunsFoldersOption = None,
) -> None:
    """Stop a run that is being worked on or waits; what is finished stays."""
    path = find_run(run, folders(runs))
    if after_group:
        jobs.finish_group(path)
        say(f"Run {path.name} stops when the group in flight is saved. See it: sapo runs")
        return
    status = jobs.cancel_run(path)
    say(f"Run {path.name} is {status.state}: {status.done} of {status.total} are finished.")
    if status.state != "done":  # it may have ended by itself just then
        say(f"Continue it with: sapo resume {path}")
