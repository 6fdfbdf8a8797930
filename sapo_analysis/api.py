"""Running and opening runs from Python: what stands behind `sapo.run` and `sapo.open_run`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sapo_analysis import jobs, store
from sapo_analysis.plan import EngineName, as_engine
from sapo_analysis.spec import ParaphraseStudy


class Run(store.Run):
    """A run folder opened for reading, with its impacts table beside `table(name)`."""

    def impacts(self) -> pd.DataFrame:
        """One row per (trial, evaluated task): see `sapo_analysis.analysis.impacts`.

        Raises:
            RunError: a finished trial lacks a score; the run and the trial are named.
        """
        from sapo_analysis.analysis import impacts

        return impacts(self)


def run(
    study: ParaphraseStudy, runs_dir: Path | str = "runs", engine: EngineName = "stacked"
) -> Run:
    """Run a study to its end in a worker process of its own and open the result.

    The plain engine trains one adapter at a time; it is there to compare with.

    Raises:
        InputError: the study cannot be run or `runs_dir` cannot be written; nothing was written.
        WorkError: the worker failed; finished trials are safe and the log is named.
    """
    return open_run(jobs.run_study(study, Path(runs_dir), engine=as_engine(engine)))


def open_run(path: Path | str) -> Run:
    """Open a run folder.

    Raises:
        RunError: it is missing, damaged or of a newer schema.
    """
    opened = store.open_run(path)
    return Run(opened.path, opened.study, opened.status)
