"""The rows of a table of results, held against each other: once, alike, whole, consistent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sapo_analysis.analysis.impacts import HEADLINE_INDICATOR, with_changes, with_quantities
from sapo_analysis.analysis.importing.columns import CHANGES, DERIVED, ENDS, FORMS, WORDING
from sapo_analysis.analysis.importing.problems import SHOWN_ROWS, Problems
from sapo_analysis.spec import NOT_RECORDED

_TRIAL = ("current_task", "prompt_id", "state_id", "state_seed", "seed", "purpose")
_TOLERANCE = {"score": 0.02, "loss": 0.002}
"""What rounding to two decimals of a score, or three of a loss, can make of a difference."""


def filled(given: pd.DataFrame) -> pd.DataFrame:
    """Every column of the impacts table, what was left out as not recorded."""
    rows = given.copy()
    for name in (*ENDS, *CHANGES):
        if name not in rows:
            rows[name] = np.nan
    for name, value in (
        ("purpose", "main"),
        ("metric", NOT_RECORDED),
        ("test_prompt", NOT_RECORDED),
    ):
        rows[name] = rows[name].fillna(value) if name in rows else value
    if "state_seed" not in rows:
        rows["state_seed"] = pd.Series(pd.NA, index=rows.index, dtype="Int64")
    if "state_id" not in rows or rows["state_id"].isna().all():
        rows["state_id"] = _states(rows, known="state_seed" in given)
    if "trial_id" not in rows or rows["trial_id"].isna().all():
        numbers = rows.groupby(list(_TRIAL), dropna=False, sort=False).ngroup()
        rows["trial_id"] = "trial-" + (numbers + 1).astype("str").str.zfill(5)
    changes = with_changes(rows)
    for form, ends in FORMS.items():
        if set(ends) <= set(given):
            rows[f"{form}_change"] = changes[f"{form}_change"]
    return rows


def _states(rows: pd.DataFrame, known: bool) -> pd.Series[str]:
    """Names of parent states: by state seed; where that is unknown, every seed may have its own."""
    seeds = rows["state_seed"] if known else rows["seed"]
    return "state-" + seeds.astype("str").fillna("base").replace("<NA>", "base")


def check_ranges(rows: pd.DataFrame, problems: Problems) -> None:
    """Scores are 0 to 100, losses not negative, and the task that is learned is the current one."""
    for name in FORMS["score"]:
        problems.add(
            f"Column {name} is not between 0 and 100",
            ~rows[name].between(0, 100) & rows[name].notna(),
        )
    problems.add(
        "Column score_change is not between -100 and 100", rows["score_change"].abs() > 100
    )
    problems.add(
        f"Column {HEADLINE_INDICATOR} is not above 0, as a loss is", rows[HEADLINE_INDICATOR] <= 0
    )
    for name in FORMS["loss"]:
        problems.add(f"Column {name} is negative, and a loss is not", rows[name] < 0)
    scores = rows[list(FORMS["score"])].to_numpy(float)
    if len(known := scores[~np.isnan(scores)]) and known.max() <= 1 and (known % 1 > 0).any():
        problems.add("All scores lie between 0 and 1. They are points of 0 to 100: multiply by 100")
    own = rows["eval_task"] == rows["current_task"]
    problems.add(
        "Role is not current, though eval_task is current_task", own & (rows["role"] != "current")
    )
    problems.add(
        "Role is current, though eval_task is not current_task (a task that is current"
        " elsewhere is unseen here)",
        ~own & (rows["role"] == "current"),
    )
    if not (rows["purpose"] == "main").any():
        problems.add("No row is of purpose main")


def check_rows_agree(
    rows: pd.DataFrame, given: pd.DataFrame, further: Sequence[str], problems: Problems
) -> None:
    """What has to be there once, what has to be alike, and what may not contradict the rest."""
    problems.add(
        "The same trial_id and eval_task are there twice",
        rows.duplicated(["trial_id", "eval_task"], keep=False),
    )
    keys = ["current_task", "prompt_id", "state_seed", "seed", "purpose", "eval_task"]
    again = rows.duplicated(keys, keep=False) & ~rows.duplicated(
        ["trial_id", "eval_task"], keep=False
    )
    problems.add(
        "Several trials have the same current_task, prompt_id, state_seed, seed and purpose."
        " A seed of its own tells repeats apart",
        again,
    )
    for name in _TRIAL:
        problems.add(
            f"One trial_id has several values of {name}", _varies(rows, ["trial_id"], name)
        )
    problems.add(
        "Pre-update loss differs within one state, current_task and prompt_id, where it is measured"
        " before any update",
        _varies(rows, ["state_id", "current_task", "prompt_id"], HEADLINE_INDICATOR),
    )
    for name in further:
        problems.add(
            f"Column {name} differs within one trial: what is not known before the update is no"
            " indicator. Leave it out",
            _varies(rows, ["trial_id"], name),
        )
    for name in WORDING:
        if name in rows:
            problems.add(
                f"One prompt has several values of {name}",
                _varies(rows, ["current_task", "prompt_id"], name),
            )
    _check_complete(rows, problems)
    _check_derived(rows, given, problems)


def _varies(rows: pd.DataFrame, keys: list[str], name: str) -> pd.Series[bool]:
    """Rows whose group holds more than one value; no value counts as one."""
    # By codes: counting the values of every group takes a hundred times as long.
    group = rows.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    value = pd.factorize(rows[name], use_na_sentinel=False)[0]
    _, first = np.unique(group, return_index=True)
    odd = np.unique(group[value != value[first][group]])
    return pd.Series(np.isin(group, odd), index=rows.index)


def _check_complete(rows: pd.DataFrame, problems: Problems) -> None:
    """Every trial has to be measured on all tasks that others of its current task are."""
    for (task, purpose), part in rows.groupby(["current_task", "purpose"], sort=False):
        wanted = part["eval_task"].unique()
        counts = part.groupby("trial_id", sort=False)["eval_task"].nunique()
        short = counts.index[counts < len(wanted)]
        if not len(short):
            continue
        first = part[part["trial_id"] == short[0]]
        lacks = [name for name in wanted if name not in set(first["eval_task"])]
        named = ", ".join(short[:SHOWN_ROWS]) + (" …" if len(short) > SHOWN_ROWS else "")
        problems.add(
            f"{len(short)} {purpose} trial{'s' if len(short) > 1 else ''} of {task} lack rows that"
            f" others have: {named}. The first, prompt {first['prompt_id'].iloc[0]}, seed"
            f" {first['seed'].iloc[0]}, has none for {', '.join(lacks[:SHOWN_ROWS])}"
        )


def _check_derived(rows: pd.DataFrame, given: pd.DataFrame, problems: Problems) -> None:
    """Columns that follow from others have to agree with them, up to rounding."""
    follows = with_quantities(rows)
    for name in (*CHANGES, *DERIVED):
        if name not in given:
            continue
        form = "loss" if name.startswith("loss") or name.endswith("_loss") else "score"
        off = (given[name] - follows[name]).abs() > _TOLERANCE[form]
        without = given[name].notna() & follows[name].isna()
        problems.add(
            f"Column {name} is not what follows from before, after and role", off | without
        )
