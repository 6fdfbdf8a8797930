"""How long the statistics of ten thousand trials take: `python -m tests.speed.analysis_speed`.

Synthetic runs of 10,000 main trials are written into a temporary folder (a minute). Printed are the
seconds that the process itself took, best of three, with and without permutations: of the verdicts
on all claims from a table that is there, and of everything that `sapo report` says, reading
included. Promised: verdicts in 2 s, without permutations in 0.2 s.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

# What intervals and ranks need: imported once, not timed.
import scipy.special  # noqa: F401
import scipy.stats  # noqa: F401

from sapo_analysis.analysis import claims, impacts, report
from sapo_analysis.store import open_run
from tests.synthetic import study_of, write_run

SHAPES = {"10 tasks × 200 prompts × 5 seeds": (10, 200, 5), "25 × 20 × 20": (25, 20, 20)}
SHUFFLES = 9999


def seconds(work: Callable[[], object]) -> float:
    """The process's own time, the best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def line(name: str, folder: Path, n_tasks: int, n_prompts: int, n_seeds: int) -> str:
    """Make the run and time its statistics."""
    study = study_of(n_tasks=n_tasks, n_prompts=n_prompts, seeds=range(n_seeds), name="speed")
    run = open_run(write_run(folder, n_prompts=n_prompts, study=study))
    df = impacts(run)
    found = [
        seconds(lambda: claims(df, n_permutations=0)),
        seconds(lambda: claims(df, n_permutations=SHUFFLES)),
        seconds(lambda: report(open_run(run.path), n_permutations=0)),
        seconds(lambda: report(open_run(run.path), n_permutations=SHUFFLES)),
    ]
    cells = (f"{value:.2f}" for value in found)
    return "  ".join((name.ljust(34), f"{len(df):>9,}", *(cell.rjust(9) for cell in cells)))


def main() -> None:
    """Time every shape."""
    warnings.simplefilter("ignore")
    head = ("rows", "verdicts", "shuffled", "report", "shuffled")
    print("  ".join(("run".ljust(34), *(cell.rjust(9) for cell in head))))
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            print(line(name, Path(folder), *shape), flush=True)


if __name__ == "__main__":
    main()
