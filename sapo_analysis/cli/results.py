"""Reading runs: `sapo runs`, `sapo report`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sapo_analysis import analysis
from sapo_analysis.analysis.methods_compared import along, comparison_report
from sapo_analysis.analysis.sequences import sequence_report
from sapo_analysis.cli.along import show_along
from sapo_analysis.cli.findings import show_details, show_findings
from sapo_analysis.cli.markdown import markdown
from sapo_analysis.cli.options import JsonOption, RunsFoldersOption, folders
from sapo_analysis.cli.output import show, show_json, show_table
from sapo_analysis.cli.review import show_review, show_sentences
from sapo_analysis.cli.sequences import sequences_markdown, show_sequences
from sapo_analysis.errors import InputError
from sapo_analysis.spec import ImportedResults, ImportedSequence, ParaphraseStudy
from sapo_analysis.store import DamagedRun, Run, find_run, is_shipped, list_runs, open_run


def runs(runs: RunsFoldersOption = None, as_json: JsonOption = False) -> None:
    """List the shipped runs and your own: state, progress, model, tasks; below, what to know."""
    rows = [_describe(run) for run in list_runs(folders(runs))]
    if as_json:
        show_json(rows)
        return
    show_table(
        "Runs",
        ["run", "state", "done", "model", "study", "tasks learned"],
        [
            (
                row["run_id"],
                row["state"],
                f"{row['done']} of {row['total']}" if row["total"] else None,
                row["model"],
                row["kind"],
                ", ".join(row["tasks"]),
            )
            for row in rows
        ],
        "No runs yet: `sapo demo` makes one." if not rows else "",
        whole=("run",),
    )
    for row in rows:
        if row["note"]:
            show(f"{row['run_id']} ({row['state']}): {row['note']}")


def _describe(run: Run | DamagedRun) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run_id": run.run_id,
        "state": "damaged",
        "kind": None,
        "model": None,
        "tasks": [],
        "done": None,
        "total": None,
        "path": str(run.path),
        "shipped": is_shipped(run.path),
    }
    if isinstance(run, DamagedRun):
        return {**row, "note": run.reason}
    return {
        **row,
        "state": run.status.state,
        "kind": run.study.kind,
        "model": run.study.model,
        "tasks": list(_trained(run)),
        "done": run.status.done,
        "total": run.status.total,
        "note": run.status.error or run.status.next_step or _came_from(run),
    }


def _came_from(run: Run) -> str | None:
    """Of imported results, that they are, and from where."""
    if not isinstance(run.study, ImportedResults | ImportedSequence):
        return None
    return f"no provenance: imported from {run.study.source}"


def _trained(run: Run) -> tuple[str, ...]:
    """The tasks a run is about: its current ones, of a sequence study all."""
    study = run.study
    return study.current if isinstance(study, ParaphraseStudy) else study.tasks


def report(
    run: Annotated[
        list[str], typer.Argument(metavar="RUN…", help="Folders or ids; several are joined.")
    ],
    runs: RunsFoldersOption = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the findings as Markdown tables.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print estimates, verdicts and definitions; several runs are joined."""
    if as_json and as_markdown:
        raise InputError("--json and --markdown were both given; give one of them.")
    opened = [open_run(find_run(name, folders(runs))) for name in run]
    if any(one.is_sequence for one in opened):
        _sequences(opened, as_json, as_markdown)
        return
    if as_markdown:
        found = analysis.report(opened, n_permutations=0)  # it shows no p of these
        show(markdown({**found, **along(opened)}))
        return
    found = {**analysis.report(opened), **along(opened)}
    if as_json:
        show_json({**found, **comparison_report(opened)})
        return
    show_sentences(found)
    show_findings(found)
    show_details(found)
    show_along(found)
    show_review(found)


def _sequences(opened: list[Run], as_json: bool, as_markdown: bool) -> None:
    found = {**sequence_report(opened), **along(opened)}
    if as_json:
        show_json({**found, **comparison_report(opened)})
    elif as_markdown:
        show(sequences_markdown(found))
    else:
        show_sequences(found)
