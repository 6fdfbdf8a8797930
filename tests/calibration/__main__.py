"""Are the intervals, tests and verdicts what they say? `python -m tests.calibration`, by hand.

Fifty minutes of one core. A cell is written to `results.csv` when it is done, and is not made again
while its rows are there; with all of them the tables of `cached_runs/CALIBRATION.md` are written.
Words given name cells by how they begin ("12 × 24"), or parts ("coverage").
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.calibration import page
from tests.calibration.cells import CELLS, N_TABLES
from tests.calibration.results import append, read, run, this_machine


def main(wanted: Sequence[str]) -> None:
    """Make the cells that are not there yet."""
    done = read()
    for cell in CELLS:
        label = f"{cell.part}: {cell.name}"
        if wanted and not any(f.startswith(w) for w in wanted for f in (cell.part, cell.name)):
            continue
        if (cell.part, cell.name) in done:
            continue
        start = time.process_time()
        append(run(cell, N_TABLES, this_machine()))
        print(f"{label}: {time.process_time() - start:.0f} s", flush=True)
    results = read()
    if all((cell.part, cell.name) in results for cell in CELLS):
        page.PATH.write_text(page.page(results), encoding="utf-8")
        print(page.PATH)


if __name__ == "__main__":
    main(sys.argv[1:])
