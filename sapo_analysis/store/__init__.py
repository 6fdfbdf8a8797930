"""Run folders and tidy tables: the only package that knows paths and parquet.

One run is one folder, written once, part by part, by one worker (`RunWriter`) and read by everyone
else (`Run`).
"""

from sapo_analysis.store.access import is_read_only, refuse_if_read_only
from sapo_analysis.store.conditions import Conditions, ReusedRun
from sapo_analysis.store.content import table_hashes
from sapo_analysis.store.folder import (
    CACHED_RUNS,
    create_run,
    discard_unstarted,
    find_run,
    is_shipped,
    list_runs,
    trust_remote_code,
)
from sapo_analysis.store.reader import DamagedRun, Run, open_run
from sapo_analysis.store.requests import ask_to_end, ask_to_finish_group
from sapo_analysis.store.settling import mark_cancelled, mark_failed, mark_queued, settle
from sapo_analysis.store.writer import ENDED_AS_ASKED, RunWriter, tidy

__all__ = [
    "CACHED_RUNS",
    "ENDED_AS_ASKED",
    "Conditions",
    "DamagedRun",
    "ReusedRun",
    "Run",
    "RunWriter",
    "ask_to_end",
    "ask_to_finish_group",
    "create_run",
    "discard_unstarted",
    "trust_remote_code",
    "find_run",
    "is_read_only",
    "is_shipped",
    "list_runs",
    "mark_cancelled",
    "mark_failed",
    "mark_queued",
    "open_run",
    "settle",
    "table_hashes",
    "refuse_if_read_only",
    "tidy",
]
