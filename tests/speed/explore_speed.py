"""How fast the Explore page answers: `python -m tests.speed.explore_speed`, by hand.

Synthetic runs are written into a temporary folder (a minute), the page is run as a server runs it,
without a browser, and the script's time is printed: wall clock, and the process's own seconds in
brackets, which other work on the machine does not touch. Promised: 300 ms after a change with
10,000 trials, 1 s with 100,000 predictions.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sapo_analysis.spec import EvaluationSettings, ParaphraseStudy
from sapo_analysis.store import open_run
from tests.synthetic import study_of, write_run

PAGE = Path(__file__).resolve().parents[2] / "app" / "views" / "explore.py"


@dataclass(frozen=True)
class Size:
    """A run to look at."""

    name: str
    n_tasks: int
    n_prompts: int
    seeds: int
    kept: int  # predictions kept of each test


SIZES = (
    Size("1,000 trials", 5, 40, 5, 0),
    Size("10,000 trials", 10, 200, 5, 0),
    Size("100,000 predictions", 4, 30, 6, 16),
)


def study(size: Size) -> ParaphraseStudy:
    """Its spec; `study_of` keeps eight predictions a test."""
    plain = study_of(
        n_tasks=size.n_tasks,
        n_prompts=size.n_prompts,
        seeds=range(size.seeds),
        name="speed",
    )
    evaluation = EvaluationSettings(n_predictions_kept=size.kept)
    return plain.model_copy(update={"evaluation": evaluation})


def timed(app: AppTest, change: Callable[[], object]) -> str:
    """Run the page after a change: wall clock, and in brackets the process's own time (s)."""
    change()
    wall, own = time.perf_counter(), time.process_time()
    app.run()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    if app.exception:
        raise SystemExit(f"The page failed: {app.exception[0].value}")
    return f"{wall:.2f} ({own:.2f})"


def row(size: Size, folder: Path) -> list[str]:
    """Make the run, look at it, change a control, select points."""
    path = write_run(folder, n_prompts=size.n_prompts, study=study(size))
    run = open_run(path)
    n = len(run.table("trials").query("purpose == 'main'")), len(run.table("predictions"))
    os.environ["SAPO_RUNS"] = str(folder)
    app = AppTest.from_file(str(PAGE), default_timeout=600)
    app.query_params["run"] = path.name
    first = timed(app, lambda: None)
    again = timed(app, lambda: None)

    def choose(key: str, value: object) -> Callable[[], object]:
        return lambda: app.session_state.__setitem__(key, value)

    def select(prompt: str) -> Callable[[], object]:
        return lambda: app.query_params.__setitem__("point", [f"current-0|{prompt}"])

    form = timed(app, choose("form", "loss"))
    view = timed(app, choose("view", "raw"))
    back = timed(app, choose("form", "score"))
    each = timed(app, choose("seeds", "each"))
    fresh = timed(app, select("para-03"))
    other = timed(app, select("para-04"))
    tab = timed(app, choose("tab", "Prompts"))
    counts = [f"{n[0]:,}", f"{n[1]:,}"]
    return [size.name, *counts, first, again, form, view, back, each, fresh, other, tab]


HEAD = (
    *("run", "trials", "predictions", "first", "again", "form", "view", "form back"),
    *("each seed", "select", "another", "prompts tab"),
)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width."""
    widths = [max(len(line[i]) for line in (HEAD, *rows)) for i in range(len(HEAD))]
    padded = ([c.rjust(w) for c, w in zip(line, widths, strict=True)] for line in (HEAD, *rows))
    return "\n".join("  ".join(line) for line in padded)


def main(wanted: Sequence[str]) -> None:
    """Time the sizes whose names begin with one of the words given, or all."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rows = []
    for size in SIZES:
        if not wanted or any(size.name.startswith(word) for word in wanted):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(row(size, Path(folder)))
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
