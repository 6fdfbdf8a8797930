"""Figures, tables and bundles for a paper: `sapo export`."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from sapo_analysis.cli.options import JsonOption, RunsFoldersOption, folders
from sapo_analysis.cli.output import MISSING, say, show, show_json, show_table, size
from sapo_analysis.figures.spec import PARTS
from sapo_analysis.paper.export import Exported, export
from sapo_analysis.paper.folder import folder_of
from sapo_analysis.paper.listing import listing
from sapo_analysis.paper.numbers import Numbers, SeveralNumbers, numbers_of
from sapo_analysis.paper.options import CHOICES
from sapo_analysis.paper.wish import FORMATS, Wish
from sapo_analysis.store import find_run, open_run

DEFAULT_OUT = Path("export")
MOST_PROCESSES = 4
"""That draw side by side: with more, the numbers before take longer than the drawing."""
_DRAFTS = ("captions.md", "captions.tex")
"""Files that people edit."""
_WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}


def _choices(name: str) -> str:
    return ", ".join(CHOICES[name])


def export_(
    run: Annotated[
        list[str], typer.Argument(metavar="RUN…", help="Folders or ids; several are joined.")
    ],
    figure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A figure by name, or all; may be repeated."),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A table by name, or all; may be repeated. With neither figures nor tables"
            " named: all of both.",
        ),
    ] = None,
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"One of {', '.join(FORMATS)}; may be repeated. csv: the data behind each; html:"
            " a report in one file; bundle: a zip with figures, data, provenance and a script that"
            " redraws. [default: pdf for figures, tex for tables]",
        ),
    ] = None,
    venue: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="icml, neurips, iclr or acl: widths, font and sizes. [default: icml]",
        ),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTH",
            help="column, full, or a width with its unit, as 3.3in, 8.4cm, 84mm or 240pt (TeX's"
            " points)."
            " [default: full for figures of many panels, else column]",
        ),
    ] = None,
    font: Annotated[
        str | None, typer.Option(metavar="NAME", help="serif or sans. [default: the venue's]")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help=f"Leave out of every figure: {', '.join(PARTS)}; may be repeated.",
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"{_choices('outcome')}. [default: each in turn]"),
    ] = None,
    form: Annotated[
        str | None, typer.Option(metavar="FORM", help="score or loss. [default: score]")
    ] = None,
    x: Annotated[
        str | None,
        typer.Option("--x", metavar="COLUMN", help="The indicator. [default: pre_update_loss]"),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Of the scatter: {_choices('view')}."),
    ] = None,
    statistic: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="pearson or spearman. [default: pearson]"),
    ] = None,
    eval_task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="One evaluated task. [default: the mean over a role]"),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="Of a table of prompts: whose. [default: each in turn] Of a persistence diagram:"
            " one tuned task. [default: all]",
        ),
    ] = None,
    test_prompts: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Of a sequence: {_choices('test_prompts')}."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a sequence: one method. [default: each in turn]"),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a sequence: whose choices. [default: sapo's]"),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(metavar="ORDER", help="Of a sequence: one order. [default: all together]"),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder to write into; it is made. [default: export/RUN]"),
    ] = None,
    runs: RunsFoldersOption = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List what these runs have; write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write figures, tables, captions and references for a paper, or a report or bundle.

    Without options: every figure as PDF, every table as LaTeX. Several runs are joined; paraphrase
    studies that cannot be are drawn beside each other. The same runs give the same bytes again.
    """
    asked = {
        **{"outcome": outcome, "form": form, "x": x, "view": view, "statistic": statistic},
        **{"eval_task": eval_task, "task": task, "test_prompts": test_prompts},
        **{"method": method, "strategy": strategy, "order": order},
    }
    wish = Wish(
        figures=tuple(figure or ()),
        tables=tuple(table or ()),
        formats=tuple(format_ or ()),
        venue=venue or "",
        width=width,
        font=font or "",
        without=tuple(without or ()),
        asked={name: value for name, value in asked.items() if value is not None},
    )
    given = None if out is None else folder_of(out)
    opened = [open_run(find_run(name, folders(runs))) for name in run]
    numbers = numbers_of(opened)
    if list_:
        _list(numbers, as_json)
        return
    folder = given or DEFAULT_OUT / opened[0].run_id
    found = export(numbers, folder, wish, say, processes=min(MOST_PROCESSES, os.cpu_count() or 1))
    _tell_replaced(found)
    if as_json:
        show_json({"runs": [one.run_id for one in opened], "out": str(folder), **_plain(found)})
        return
    _show(folder, found)


def _list(numbers: Numbers, as_json: bool) -> None:
    found = listing(numbers)
    if as_json:
        show_json([vars(one) for one in found])
        return
    for what in ("figure", "table"):
        rows = [
            (
                one.name,
                one.about,
                ", ".join(f"--{name.replace('_', '-')}" for name in one.options) or MISSING,
                len(one.files),
                one.why_not,
            )
            for one in found
            if one.what == what
        ]
        columns = [what, "shows", "options", "files", "why not"]
        none = "" if rows else f"These runs have no {what}s."
        show_table(f"{what.capitalize()}s", columns, rows, none, whole=(what,))
    if isinstance(numbers, SeveralNumbers):
        show(numbers.apart)


def _tell_replaced(found: Exported) -> None:
    """Captions may have been edited by hand."""
    names = [one.path.name for one in found.files if one.state == "replaced"]
    if drafts := [name for name in _DRAFTS if name in names]:
        say(
            f"{' and '.join(drafts)} of an earlier export had other content and"
            f" {'was' if len(drafts) == 1 else 'were'} replaced. Give each export a folder of its"
            " own with --out."
        )


def _plain(found: Exported) -> dict[str, Any]:
    return {
        "files": [
            {"path": str(one.path), "state": one.state, "bytes": one.n_bytes} for one in found.files
        ],
        "skipped": [{"name": name, "why": why} for name, why in found.skipped],
        "problems": [{"name": name, "problem": problem} for name, problem in found.problems],
        "seconds": found.seconds,
    }


def _show(folder: Path, found: Exported) -> None:
    rows = [(one.path.name, size(one.n_bytes), one.state) for one in found.files]
    show_table(f"{len(rows)} files in {folder}", ["file", "size", "state"], rows, whole=("file",))
    reasons = dict.fromkeys(why for _, why in found.skipped)
    if reasons:
        show("Left out:")
    for reason in reasons:
        names = ", ".join(name for name, why in found.skipped if why == reason)
        show(f"  {reason}")
        show(textwrap.fill(names, 96, initial_indent="    ", subsequent_indent="    ", **_WHOLE))
    for name, problem in found.problems:
        show(f"Look at {name}: {problem}.")
