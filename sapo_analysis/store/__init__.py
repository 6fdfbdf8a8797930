"""Run folders and tidy tables: the only package that knows paths and parquet.

One run is one folder, written once, part by part, by one worker (`RunWriter`) and read by everyone
else (`Run`).
"""

from sapo_analysis.store.access import is_read_only, refuse_if_read_only
from sapo_analysis.store.conditions import Conditions, ReusedRun
from sapo_analysis.store.folder import (
    CACHED_RUNS,
    create_run,
    discard_unstarted,
    find_run,
    list_runs,
)
from sapo_analysis.store.reader import DamagedRun, Run, open_run
from sapo_analysis.store.writer import RunWriter, ask_to_end, mark_failed, tidy

__all__ = [
    "CACHED_RUNS",
    "Conditions",
    "DamagedRun",
    "ReusedRun",
    "Run",
    "RunWriter",
    "ask_to_end",
    "create_run",
    "discard_unstarted",
    "find_run",
    "is_read_only",
    "list_runs",
    "mark_failed",
    "open_run",
    "refuse_if_read_only",
    "tidy",
]
