"""Running and opening runs from Python: the functions behind `sapo.run` and `sapo.open_run`."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis import jobs, store
from sapo_analysis.spec import ParaphraseStudy


def run(study: ParaphraseStudy, runs_dir: Path | str = "runs") -> store.Run:
    """Run a study to its end in a worker process of its own and open the result.

    Raises:
        InputError: the study cannot be run or `runs_dir` cannot be written; nothing was written.
        WorkError: the worker failed; finished trials are safe and the log is named.
    """
    return store.open_run(jobs.run_study(study, Path(runs_dir)))


def open_run(path: Path | str) -> store.Run:
    """Open a run folder.

    Raises:
        RunError: it is missing, damaged or of a newer schema.
    """
    return store.open_run(path)
