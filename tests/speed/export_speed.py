"""How fast the figures of shipped runs are exported: `python -m tests.speed.export_speed`, by hand.

For the main study and the family of sequences of `pocket-1`, each in a process of its own as
`sapo export --figure all` is: seconds of imports, numbers, drawing (all files and the check of
texts included), texts and writing, wall clock beside the process's own in brackets, best of three.
Promised: all figures of either in less than 15 s on two idle cores, from the start of the process.
With an argument, a venue, in its page. A line at the end has the slowest figures.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sapo_analysis.store import CACHED_RUNS

RUNS = {"main study": "pocket-1-main-*", "sequences in five orders": "pocket-1-order-*"}
EXPORT = """
import json, sys, time
began = time.perf_counter(), time.process_time()
from sapo_analysis.cli import app
loaded = time.perf_counter() - began[0]
sys.argv = ["sapo", "export", *sys.argv[1:], "--json"]
try:
    app()
finally:
    print(json.dumps({"loaded": loaded, "own": time.process_time()}), file=sys.stderr)
"""


def once(paths: list[Path], venue: str) -> dict[str, Any]:
    """One export in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        asked = ["--figure", "all", "--venue", venue, "--out", folder, "--runs", folder]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", EXPORT, *map(str, paths), *asked],
            capture_output=True,
            text=True,
            check=True,
        )
        whole = time.perf_counter() - start
    told = json.loads(done.stdout)
    *lines, last = done.stderr.splitlines()
    figures = {m[1]: float(m[2]) for line in lines if (m := re.fullmatch(r"(.+) \((.+) s\)", line))}
    return {"whole": whole, **json.loads(last), **told["seconds"], "figures": figures}


def main() -> None:
    """Print a line per study and the slowest figures."""
    venue = sys.argv[1] if len(sys.argv) > 1 else "icml"
    for name, pattern in RUNS.items():
        paths = sorted(CACHED_RUNS.glob(pattern))
        best = min((once(paths, venue) for _ in range(3)), key=lambda found: found["whole"])
        parts = ", ".join(
            f"{part} {best[part]:.1f}" for part in ("loaded", "numbers", "drawing", "texts")
        )
        figures = best["figures"]
        print(
            f"{name}: {len(figures)} figures in {best['whole']:.1f} s ({best['own']:.1f} s):"
            f" {parts}, writing {best['writing']:.2f}"
        )
        slowest = sorted(figures, key=figures.__getitem__, reverse=True)[:5]
        print("  " + ", ".join(f"{figure} {figures[figure]:.1f} s" for figure in slowest))


if __name__ == "__main__":
    main()
