"""Running, opening and exporting runs from Python: what stands behind `sapo.run` and its like."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sapo_analysis import jobs, store
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.plan import EngineName, as_engine
from sapo_analysis.reuse import find_reusable, plan_to_fill
from sapo_analysis.spec import AnyStudy

if TYPE_CHECKING:
    from sapo_analysis.figures import FigureSpec
    from sapo_analysis.paper.export import Exported
    from sapo_analysis.paper.numbers import Numbers
    from sapo_analysis.paper.tables import TableSpec

Some = store.Run | Path | str | Sequence[store.Run | Path | str]
"""An opened run, its folder or its id; or several."""


class Run(store.Run):
    """A run folder opened for reading, with its impacts table beside `table(name)`."""

    def impacts(self) -> pd.DataFrame:
        """One row per (trial, evaluated task): see `sapo_analysis.analysis.impacts`.

        Raises:
            RunError: a finished trial lacks a score; the run and the trial are named.
        """
        from sapo_analysis.analysis import impacts

        return impacts(self)

    def original_prompts(self) -> dict[str, str]:
        """The id of each task's original prompt, by task, as `sapo.selection_value` wants it."""
        from sapo_analysis.analysis import original_prompts

        return original_prompts(self)


def run(
    study: AnyStudy,
    runs_dir: Path | str = "runs",
    engine: EngineName = "stacked",
    reuse: Sequence[store.Run | Path | str] = (),
    allow_mixed: bool = False,
) -> Run:
    """Run a study to its end in a worker process of its own and open the result.

    Args:
        study: What to run.
        runs_dir: Folder that the run is written into.
        engine: The plain engine trains one adapter at a time; it is there to compare with.
        reuse: Runs, their folders or ids, whose finished trials are taken over where the study asks
            for the same; a warning says so where there is none.
        allow_mixed: Take trials over that another engine or device made.

    Raises:
        InputError: the study cannot be run, a run to take trials from cannot lend them, or
            `runs_dir` cannot be written; nothing was written.
        WorkError: the worker failed; finished trials are safe and the log is named.
    """
    if isinstance(reuse, str | Path):
        raise InputError(f"reuse is {str(reuse)!r}, not a list of runs. Write reuse=[...].")
    lenders = _opened(reuse, runs_dir)
    found = None
    if lenders:
        found = find_reusable(plan_to_fill(study, as_engine(engine)), lenders, allow_mixed)
        if not found.trial_ids:
            warnings.warn(found.in_words(), stacklevel=2)
    return open_run(jobs.run_study(study, Path(runs_dir), None, as_engine(engine), found))


def import_released(
    folders: Path | str | Sequence[Path | str],
    runs_dir: Path | str = "runs",
    base: Path | str | None = None,
    name: str | None = None,
    model: str = "",
    note: str = "",
) -> Run:
    """Make a run of what the released code of SAPO left in its output folders and open it.

    Args:
        folders: One or several, each saves/METHOD/MODEL/ORDER or a folder above; one model, the
            same tasks, every strategy on every order.
        runs_dir: Folder that the run is written into.
        base: A JSON file with the base model's score on each task; without it there is no FWT.
        name: Start of the run's id, made to fit. Default: the name of the order.
        model: The model, in your words. Default: the name of its folder.
        note: What readers of the run should be told.

    Raises:
        InputError: something cannot be read or used; every missing score is named, and nothing was
            written.
    """
    from sapo_analysis.analysis.importing import import_released

    return open_run(import_released(folders, runs_dir, base, name, model, note).path)


def import_results(
    source: pd.DataFrame | Path | str,
    runs_dir: Path | str = "runs",
    name: str | None = None,
    model: str = "",
    note: str = "",
) -> Run:
    """Make a run of results that another tool measured and open it.

    Args:
        source: A table, a CSV or a parquet file with the columns of `Run.impacts`: one row per
            (trial, evaluated task). `sapo_analysis.analysis.importing` says which are needed.
        runs_dir: Folder that the run is written into.
        name: Start of the run's id, made to fit. Default: the file's name.
        model: The model, in your words.
        note: What readers of the run should be told.

    Raises:
        InputError: the table cannot be used; every problem is named with its rows, and nothing was
            written.
    """
    from sapo_analysis.analysis.importing import import_results

    return open_run(import_results(source, runs_dir, name, model, note).path)


def open_run(path: Path | str, runs_dir: Path | str = "runs") -> Run:
    """Open a run.

    Args:
        path: Its folder; or its id, or the only beginning of one, as a text.
        runs_dir: Folder in which ids are looked for, beside the shipped runs.

    Raises:
        RunError: it is missing, damaged or of a newer schema.
    """
    if isinstance(path, str) and Path(path).name == path:
        try:
            path = store.find_run(path, [Path(runs_dir), store.CACHED_RUNS])
        except InputError as error:
            raise RunError(str(error)) from error
    opened = store.open_run(path)
    return Run(opened.path, opened.study, opened.status)


def figure(name: str, runs: Some, *, runs_dir: Path | str = "runs", **options: Any) -> FigureSpec:
    """One figure of runs, by the name that `sapo export --list` gives.

    Args:
        name: What it shows.
        runs: An opened run, its folder or its id; several are joined, and drawn beside each other
            where they cannot be.
        runs_dir: Folder in which ids are looked for, beside the shipped runs.
        **options: Fields of `sapo_analysis.paper.options.Options`, as `outcome="generalization"`.

    Raises:
        InputError: no figure of that name for such runs, no such option, or no data for it.
    """
    from sapo_analysis.paper.figures import figure

    return figure(name, _numbers(runs, runs_dir), _options(options))


def table(name: str, runs: Some, *, runs_dir: Path | str = "runs", **options: Any) -> TableSpec:
    """One table of runs; arguments and errors as of `figure`."""
    from sapo_analysis.paper.tables import table

    return table(name, _numbers(runs, runs_dir), _options(options))


def export(
    runs: Some,
    out: Path | str,
    *,
    figures: str | Sequence[str] = (),
    tables: str | Sequence[str] = (),
    formats: str | Sequence[str] = (),
    venue: str = "",
    width: str | float | None = None,
    font: str = "",
    without: str | Sequence[str] = (),
    runs_dir: Path | str = "runs",
    **options: Any,
) -> Exported:
    """Write figures, tables, captions and references of runs into a folder, as `sapo export` does.

    Args:
        runs: As of `figure`.
        out: The folder; it is made.
        figures: Names, or `all`; with neither figures nor tables: all of both.
        tables: Names, or `all`.
        formats: `pdf`, `svg`, `png`, `tex`, `md`, `csv`, `html`, `bundle`; none: PDF of the
            figures, LaTeX of the tables.
        venue: `icml`, `neurips`, `iclr` or `acl`; "": ICML.
        width: `column`, `full`, a length as `8.4cm` or `3.3in`, or inches as a number; None: what
            suits each figure.
        font: `serif` or `sans`; "": the venue's.
        without: Parts of figures to leave out, of `sapo_analysis.figures.spec.PARTS`.
        runs_dir: Folder in which ids are looked for, beside the shipped runs.
        **options: As of `figure`.

    Raises:
        InputError: something that was asked for is unknown or cannot be had; nothing was written.
        WorkError: the disk filled up on the way; the files that are there are whole.
    """
    from sapo_analysis.paper.export import export
    from sapo_analysis.paper.folder import folder_of
    from sapo_analysis.paper.wish import Wish

    folder = folder_of(out)
    wish = Wish(
        figures=_names(figures),
        tables=_names(tables),
        formats=_names(formats),
        venue=venue,
        width=width,
        font=font,
        without=_names(without),
        asked=options,
    )
    return export(_numbers(runs, runs_dir), folder, wish)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _numbers(runs: Some, runs_dir: Path | str) -> Numbers:
    from sapo_analysis.paper.numbers import numbers_of

    several = [runs] if isinstance(runs, store.Run | Path | str) else runs
    return numbers_of(_opened(several, runs_dir))


def _options(asked: dict[str, Any]) -> Any:
    from sapo_analysis.paper.options import Options, check_asked

    check_asked(asked)
    return Options(**asked)


def _opened(runs: Sequence[store.Run | Path | str], runs_dir: Path | str) -> list[store.Run]:
    """Runs opened, given so or by folder or id."""
    folders = [Path(runs_dir), store.CACHED_RUNS]
    return [
        one if isinstance(one, store.Run) else open_run(store.find_run(str(one), folders))
        for one in runs
    ]
