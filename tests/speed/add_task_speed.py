"""How fast a table of a million rows is added: `python -m tests.speed.add_task_speed`, by hand.

JSONL, CSV and parquet files of made-up reviews, sorted by their label, are written into a temporary
folder (a minute, 600 MB), or with other numbers of rows as arguments; each is added in a process of
its own. Printed are wall-clock seconds, the process's own in brackets, and the peak of its memory
beside what the imports alone had taken (Linux).
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([("id", pa.int64()), ("review", pa.string()), ("label", pa.string())])
Row = dict[str, object]
WORDS = [f"word{i}" for i in range(5000)]
ADD = """
import sys, time
from pathlib import Path
from sapo_analysis.tasks.adding_files import add_table
from sapo_analysis.tasks.card import Columns
from sapo_analysis.tasks.tables import read_table

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

before, start, own = peak(), time.perf_counter(), time.process_time()
columns = Columns(input="review", target="label")
table = read_table(Path(sys.argv[1]))
found = add_table(Path(sys.argv[2]), table, "mine", columns, "Which?", {"labels": ["a", "b"]})
print(f"{time.perf_counter() - start:.1f} s ({time.process_time() - own:.1f} s),"
      f" peak {peak():.0f} MB, {before:.0f} MB of it before;"
      f" {found.gathered.read:,} rows read, kept {found.task.sizes}")
"""


def rows(n: int) -> Iterator[Row]:
    """Made-up reviews of some 200 characters, half of them of each label, sorted by it."""
    draw = random.Random(0)
    for i in range(n):
        text = " ".join(draw.choices(WORDS, k=24))
        yield {"id": i, "review": f"{i} {text}", "label": "a" if i < n // 2 else "b"}


def batched(many: Iterator[Row], n: int) -> Iterator[list[Row]]:
    """The rows in lists of n."""
    while batch := list(islice(many, n)):
        yield batch


def write(folder: Path, n: int) -> list[Path]:
    """The same rows as JSONL, CSV and parquet."""
    jsonl, table, parquet = (folder / f"rows.{ending}" for ending in ("jsonl", "csv", "parquet"))
    with jsonl.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(n))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "review", "label"])
        writer.writeheader()
        writer.writerows(rows(n))
    with pq.ParquetWriter(parquet, SCHEMA) as file:
        for batch in batched(rows(n), 50_000):
            file.write_table(pa.Table.from_pylist(batch, SCHEMA))
    return [jsonl, table, parquet]


def main() -> None:
    """Write, add, print."""
    for n in [int(text) for text in sys.argv[1:]] or [1_000_000]:
        with tempfile.TemporaryDirectory() as scratch:
            for path in write(Path(scratch), n):
                command = [sys.executable, "-c", ADD, str(path), f"{path}-runs"]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                print(f"{path.name} ({path.stat().st_size / 1e6:.0f} MB): {done.stdout.strip()}")


if __name__ == "__main__":
    main()
