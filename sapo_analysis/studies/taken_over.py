"""Trials of other runs that wait in a run's folder, handed out group by group as planned."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa

from sapo_analysis.plan import Group
from sapo_analysis.store import Run

Rows = dict[str, list[dict[str, Any]]]


class TakenOver:
    """The trials that a run takes over.

    Each becomes part of the run where the plan has it, after the state it starts from: so a run
    that is under way never holds a trial without its state, and rows stand in the plan's order.
    """

    def __init__(self, run: Run):
        self._tables = run.reused_tables()
        self._places = {name: _places(table) for name, table in self._tables.items()}
        self.trial_ids = frozenset(self._places.get("trials", ()))

    def rows(self, group: Group) -> Rows:
        """The rows of those trials of a group that are taken over."""
        ids = [trial.trial_id for trial in group.trials]
        return {
            name: table.take(
                pa.array([i for key in ids for i in self._places[name].get(key, ())], pa.int64())
            ).to_pylist()
            for name, table in self._tables.items()
        }


def in_planned_order(group: Group, *parts: Rows) -> Rows:
    """The rows of a group that come from several places, trial by trial as it is planned."""
    position = {trial.trial_id: i for i, trial in enumerate(group.trials)}
    joined: Rows = defaultdict(list)
    for part in parts:
        for name, rows in part.items():
            joined[name] += rows
    for name, rows in joined.items():
        if name != "costs":
            rows.sort(key=lambda row: position[row["trial_id"]])
    return dict(joined)


def _places(table: pa.Table) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for i, trial_id in enumerate(table["trial_id"].to_pylist()):
        found[trial_id].append(i)
    return dict(found)
