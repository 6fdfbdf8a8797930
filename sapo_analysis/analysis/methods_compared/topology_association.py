"""What the point cloud of a soft prompt goes with at the end of a fine-tune (methods §7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import SCOPES, Estimate
from sapo_analysis.analysis.impacts import impacts
from sapo_analysis.analysis.levels.correlation import within_task_correlation
from sapo_analysis.analysis.methods_compared.curves import ABOUT
from sapo_analysis.analysis.methods_compared.looks import looks
from sapo_analysis.analysis.methods_compared.sides import Side, sides
from sapo_analysis.analysis.methods_compared.topology import TOPOLOGY_SERIES, of_clouds
from sapo_analysis.store import Run

ASSOCIATION_COLUMNS = [
    *(*ABOUT, "series", "outcome", "role", "value", "lower", "upper", "scope"),
    *("n_tasks", "n_prompts", "n_seeds"),
]
ASSOCIATED = (
    ("score_after", "current"),
    ("forgetting", "past"),
    ("forgetting", "retained"),
    ("generalization", "unseen"),
)
"""Columns of the impacts table with the role that they are read in: the score on the tuned task
under its training prompt, then what other tasks lost and gained."""


def topology_associations(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (method, series, outcome): does the cloud at the end go with what came of it?

    `value`: Pearson r over the training prompts of a tuned task, values averaged over seeds, and
    then over tuned tasks (`within_task_correlation`), with its 95 % interval: `scope` is
    `new_tasks`, with fewer than `MIN_TASKS` tasks `these_tasks`. `outcome` is a column of the
    impacts table in score form, read in `role`. Both sides of r are measured after the fine-tune,
    so it is no forecast; it says nothing of causes, and several are looked at without correction.
    Sequences have no rows: there the clouds of later stages begin at those of earlier ones.

    Raises:
        InputError: the runs cannot be compared, or looked at no soft prompt.
    """
    known = sides(runs)
    of_clouds(looks(known), known)
    rows = [row for one in known if not one.runs[0].is_sequence for row in _associations_of(one)]
    return pd.DataFrame(rows, columns=ASSOCIATION_COLUMNS)


def _associations_of(one: Side) -> Iterator[dict[str, Any]]:
    ends = _at_the_end(one.runs)
    if ends.empty:
        return
    beside = impacts(list(one.runs)).merge(ends, on="trial_id")
    for series in TOPOLOGY_SERIES:
        for outcome, role in ASSOCIATED:
            if not (beside["role"] == role).any():
                continue
            found = _correlation(beside, series, outcome, role)
            if found.n_tasks:
                yield {
                    **{"name": one.name, "policy": one.policy, "method": one.method},
                    **{"series": series, "outcome": outcome, "role": role},
                    **{"value": found.value, "lower": found.lower, "upper": found.upper},
                    **{"scope": found.scope, "n_tasks": found.n_tasks},
                    **{"n_prompts": found.n_prompts, "n_seeds": found.n_seeds},
                }


def _correlation(beside: pd.DataFrame, x: str, y: str, role: str) -> Estimate:
    """For new tasks where there are enough, else for these."""
    new, these = (
        within_task_correlation(beside, x=x, y=y, role=role, scope=scope, n_permutations=0)
        for scope in SCOPES
    )
    return new if new.n_tasks >= MIN_TASKS else these


def _at_the_end(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per trial: its series at its last look."""
    seen = pd.concat([run.table("diagnostics") for run in runs], ignore_index=True)
    own = seen[seen["name"].isin(TOPOLOGY_SERIES)].sort_values("step", kind="stable")
    last = own.drop_duplicates(["trial_id", "name"], keep="last")
    return last.pivot(index="trial_id", columns="name", values="value").reset_index()
