"""Claim 1 as shares of variance: is more of the impact elsewhere the prompt's than in-task?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import FORMS, Form
from sapo_analysis.analysis.intervals import NAN, mean_interval
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.analysis.noise.components import IN_TASK_RESULT, roles_of
from sapo_analysis.analysis.noise.intraclass import intraclass
from sapo_analysis.analysis.noise.layouts import Layout, layouts
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import check_columns

COLUMNS = (
    "form",
    "share_in_task",
    "share_cross_task",
    "difference",
    "lower",
    "upper",
    "n_tasks",
    "n_prompts",
    "n_seeds",
    "note",
)


class _Pair(NamedTuple):
    cross_task: float
    in_task: float
    n_prompts: int
    n_seeds: int


@remembering()
def claim_1_shares(df: pd.DataFrame, task: str = "current_task") -> pd.DataFrame:
    """The share of variance between prompts of impacts on other tasks, less that in-task, by form.

    Per current task, over the prompts and seeds that both have: the share of one trial's variance
    that lies between prompts (`intraclass`, not held at zero) of the mean impact on all other tasks
    (not rescaled), and of the final in-task result under the training prompt. `difference` is the
    mean over tasks of the first less the second, with a Student t interval over the k differences
    (k - 1 degrees of freedom, new tasks; one task has no bounds).

    Claim 1 itself compares standard deviations over prompts, which contain seed noise and a unit. A
    share contains neither, and answers another question: above zero, a choice of prompt decides
    more of what a trial does elsewhere than of what it does in-task, however far either moves. With
    few prompts a share is a little low (0.47 for 0.5 with twelve prompts and three seeds).

    Args:
        df: An impacts table with all roles.
        task: Column that names the current task.

    Returns:
        One row per form, `COLUMNS`; shares and difference are parts of a variance (1 is all).
        `n_prompts` and `n_seeds` are the smallest of any task. Left out are tasks with fewer than
        four prompts or two seeds, without spread, or without a seed component in either; `note`
        names them. nan with no task left.

    Raises:
        InputError: a column is unknown or not numeric, a value is infinite, or a prompt has two
            rows for one seed and evaluated task.
    """
    check_columns(df, [task])
    rows = [{"form": form, **_row(df, form, task)} for form in FORMS]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(df: pd.DataFrame, form: Form, task: str) -> dict[str, Any]:
    impact, result = in_form("impact", form), IN_TASK_RESULT[form]
    if "current" not in (roles_of(df) or ()) or not {impact, result} <= set(df.columns):
        return _summary([], {"all tasks": "no in-task result, or no impact on other tasks"})
    elsewhere, cross = layouts(df, impact, task=task, any_role=True, rescale=False)
    own, in_task = layouts(df, result, role="current", task=task, rescale=False)
    excluded = elsewhere.excluded | own.excluded
    excluded |= dict.fromkeys(cross.keys() - in_task.keys() - excluded.keys(), "no in-task result")
    excluded |= dict.fromkeys(in_task.keys() - cross.keys() - excluded.keys(), "no impact")
    used = []
    for name in sorted(cross.keys() & in_task.keys()):
        pair = _pair(cross[name], in_task[name])
        if isinstance(pair, str):
            excluded[name] = pair
        else:
            used.append(pair)
    return _summary(used, excluded)


def _pair(cross: Layout, in_task: Layout) -> _Pair | str:
    """Both shares of one task over what they have in common, or why there are none."""
    _, *prompts = np.intersect1d(cross.prompts, in_task.prompts, return_indices=True)
    _, *seeds = np.intersect1d(cross.seeds, in_task.seeds, return_indices=True)
    if len(prompts[0]) < MIN_PROMPTS:
        return f"{len(prompts[0])} prompts, at least {MIN_PROMPTS} are needed"
    both = [
        intraclass(layout.y[np.ix_(p, s)])
        for layout, p, s in zip((cross, in_task), prompts, seeds, strict=True)
    ]
    for one, what in zip(both, ("mean impact", "in-task result"), strict=True):
        if not one.has_share or one.noise == 0:
            return f"{what}: {one.note}"
    return _Pair(both[0].share, both[1].share, len(prompts[0]), len(seeds[0]))


def _summary(used: list[_Pair], excluded: dict[str, str]) -> dict[str, Any]:
    difference, lower, upper = mean_interval(
        np.array([pair.cross_task - pair.in_task for pair in used]), np.array([]), "new_tasks"
    )
    note = "; ".join(f"left out {name}: {reason}" for name, reason in sorted(excluded.items()))
    return {
        "share_in_task": float(np.mean([pair.in_task for pair in used])) if used else NAN,
        "share_cross_task": float(np.mean([pair.cross_task for pair in used])) if used else NAN,
        "difference": difference,
        "lower": lower,
        "upper": upper,
        "n_tasks": len(used),
        "n_prompts": min((pair.n_prompts for pair in used), default=0),
        "n_seeds": min((pair.n_seeds for pair in used), default=0),
        "note": note,
    }
