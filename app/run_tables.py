"""What the Runs page shows of many runs: rows, and cached comparisons of the chosen ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.estimate import Estimate, Scope
from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.analysis.levels.correlation import within_task_correlation
from sapo_analysis.analysis.run_differences import only_what_differs
from sapo_analysis.analysis.wording import RANDOM_WEIGHTS, duration
from sapo_analysis.app import estimates
from sapo_analysis.app.data import Key, Keys, catalog, opened
from sapo_analysis.errors import InputError
from sapo_analysis.figures import OUTCOMES
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import CACHED_RUNS, DamagedRun, Run
from sapo_analysis.store.imported import imported_at
from sapo_analysis.store.labels import Tags, tags_in

COLUMNS = (
    *("run", "state", "progress", "finished", "kind", "model", "tasks", "started", "took"),
    *("device", "tags", "where", "remark"),
)
SCOPES: tuple[Scope, Scope] = ("new_tasks", "these_tasks")
KINDS = {
    "paraphrase": "paraphrase study",
    "sequence": "sequence study",
    "imported": "imported results",
    "imported-sequence": "imported sequences",
}
DAMAGED = "damaged"
STATES = (*("running", "stalled", "queued", "interrupted", "failed", "cancelled", DAMAGED, "done"),)


def all_tags(folders: Sequence[Path]) -> tuple[dict[Path, Tags], list[str]]:
    """The tags of each folder, and what is wrong with those that cannot be read."""
    found: dict[Path, Tags] = {}
    wrong = []
    for folder in folders:
        try:
            found[folder] = tags_in(folder)
        except InputError as error:
            wrong.append(str(error))
    return found, wrong


def rows(runs: Sequence[Run | DamagedRun], tags: Mapping[Path, Tags]) -> pd.DataFrame:
    """One row per run, as the table shows it: what is not done first, then the newest."""
    table = pd.DataFrame([_row(run, tags) for run in runs], columns=list(COLUMNS))
    order = table.assign(state=table["state"].map(STATES.index)).sort_values(
        ["state", "started"], ascending=[True, False], kind="stable"
    )
    return table.loc[order.index].reset_index(drop=True)


def _row(run: Run | DamagedRun, tags: Mapping[Path, Tags]) -> dict[str, Any]:
    folder = run.path.parent
    row: dict[str, Any] = {
        "run": run.run_id,
        "state": DAMAGED,
        "tags": tags.get(folder, {}).get(run.run_id, []),
        "where": "shipped" if folder == CACHED_RUNS.resolve() else folder.name,
    }
    if isinstance(run, DamagedRun):
        return {**row, "remark": run.reason}
    status, facts = run.status, catalog().facts(run, ("started", "device", "model"))
    started = imported_at(run.path, status) if run.is_imported else facts.get("started")
    is_random = (facts.get("model") or {}).get("weights") == "random"
    return {
        **row,
        "state": status.state,
        "progress": status.done / status.total if status.total else None,
        "finished": f"{status.done} of {status.total}" if status.total else None,
        "kind": KINDS[run.study.kind],
        "model": run.study.model,
        "tasks": ", ".join(_tasks(run)),
        "started": _minute(started),
        "took": duration(status.seconds) if status.seconds else None,
        "device": facts.get("device"),
        "remark": status.error or (RANDOM_WEIGHTS if is_random else None),
    }


def _tasks(run: Run) -> tuple[str, ...]:
    """The tasks a run is about: of a paraphrase study its current ones."""
    study = run.study
    return study.current if isinstance(study, ParaphraseStudy) else study.tasks


def _minute(started: object) -> str | None:
    """`2026-11-21 22:08`: as text it sorts by time."""
    return str(started)[:16].replace("T", " ") if started else None


def matching(
    table: pd.DataFrame, search: str, states: Sequence[str], kinds: Sequence[str]
) -> pd.DataFrame:
    """Rows that hold every word of the search somewhere, of these states and kinds (none: all)."""
    own = table
    if states:
        own = own[own["state"].isin(list(states))]
    if kinds:
        own = own[own["kind"].isin(list(kinds))]
    words = search.lower().split()
    if words and not own.empty:
        searched = own[["run", "state", "kind", "model", "tasks", "device", "where", "remark"]]
        text = searched.fillna("").astype(str).agg(" ".join, axis=1)
        text = (text + " " + own["tags"].map(" ".join)).str.lower()
        own = own[[all(word in line for word in words) for line in text]]
    return own


@st.cache_data(max_entries=16, show_spinner="Comparing the runs …")
def differences(keys: Keys) -> pd.DataFrame:
    """Settings and conditions that the chosen runs do not share."""
    return only_what_differs(opened(keys))


@st.cache_data(max_entries=16, show_spinner=False)
def why_not_joined(keys: Keys) -> str:
    """Why the chosen runs may not be read as one; "" where they may."""
    try:
        check_joinable(opened(keys))
    except InputError as error:
        return str(error)
    return ""


@st.cache_data(max_entries=64, show_spinner="Correlating …")
def within_tasks(key: Key, outcome: str, form: str) -> tuple[Estimate, Estimate] | None:
    """One run's r of pre-update loss with an outcome, for new and for these tasks.

    None where the run has no data for it.
    """
    o = OUTCOMES[outcome]
    try:
        df = estimates.impacts((key,))
        if o.role not in set(df["role"]):
            return None
        new, these = (
            within_task_correlation(
                df,
                x="pre_update_loss",
                y=o.column(form),
                role=o.role,
                scope=scope,
                n_permutations=0,  # the page shows no p
            )
            for scope in SCOPES
        )
    except InputError:
        return None
    return new, these
