"""How much of what differs between trials is the prompt's: variance components of every quantity.

Shares and reliabilities of one current task are as in `intraclass`, held at zero. Over tasks:

- share: the mean of the tasks' shares, which for this are *not* held at zero (a mean of held ones
  would be too large), with a Student t interval for new tasks. It may lie outside 0 to 1 by chance,
  and with few prompts it is a little low, as a ratio of mean squares is;
- reliability: 1 - Σ(σ_e² / S) / Σ s² (`pooled_reliability`), s² the variance over prompts of a
  task's means over seeds: of the named tasks, one with a large spread counting most;
- σ: the root of the mean of the tasks' σ², not held at zero before they are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.estimate import FORMS, Form
from sapo_analysis.analysis.intervals import NAN, mean_interval
from sapo_analysis.analysis.noise.intraclass import (
    BELOW_CHANCE,
    NO_SEED_COMPONENT,
    Bounds,
    Intraclass,
    intraclass,
    pooled_reliability,
)
from sapo_analysis.analysis.noise.layouts import layouts
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import asked_for, check_columns

COLUMNS = (
    "quantity",
    "role",
    "form",
    "current_task",
    "sigma_prompt",
    "sigma_seed",
    "share",
    "share_lower",
    "share_upper",
    "reliability",
    "reliability_lower",
    "reliability_upper",
    "n_prompts",
    "n_seeds",
    "n_tasks",
    "unit",
    "note",
)

IN_TASK_RESULT = {"score": "score_after", "loss": "loss_after"}
"""The final result on the current task, by form."""


@dataclass(frozen=True)
class _Quantity:
    """A column, the role of its evaluated tasks, and how `prompt_means` averages them."""

    column: str
    role: str | None
    form: Form
    any_role: bool = False
    rescale: bool = True


@remembering()
def variance_components(df: pd.DataFrame, task: str = "current_task") -> pd.DataFrame:
    """Prompt and seed components of each quantity, per current task and over all of them.

    Main trials only, over the seeds that all prompts of a task share. `quantity` is a column of the
    impacts table: the in-task result (`score_after`, `loss_after`; role `current`), the mean impact
    on all other tasks (`impact`, `impact_loss`; not rescaled, as in claim 1), the outcomes of claim
    3 that the table has (as `prompts_table` averages them), and `pre_update_loss`, whose seeds are
    parent states. A quantity that the table has no value of has no row.

    Args:
        df: An impacts table, or any table with some of these columns; without `role` there is no
            in-task result, and outcomes have one row for all roles.
        task: Column that names the current task.

    Returns:
        `COLUMNS`; `current_task` None in the row over tasks, which comes after those of its tasks.
        `sigma_prompt` and `sigma_seed` are of one trial and in `unit`; `share` is of one trial's
        variance, `reliability` of the mean over `n_seeds` seeds. `n_prompts` and `n_seeds` are the
        smallest of any task in the row over tasks, `n_tasks` counts those with a share. nan with
        one seed, one prompt or no spread; a quantity without a seed component has share and
        reliability 1 and no bounds; `note` says all of this.

    Raises:
        InputError: a column is unknown or not numeric, a value is infinite, or a prompt has two
            rows for one seed and evaluated task.
    """
    check_columns(df, [task])
    rows = [row for asked in _quantities(df) for row in _rows(df, asked, task)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("role", "current_task"):  # a column of text would turn None into nan
        table[name] = pd.Series([row[name] for row in rows], dtype=object)
    return table


def roles_of(df: pd.DataFrame) -> set[str] | None:
    """The roles of main trials' rows; None for a table without roles."""
    if "role" not in df:
        return None
    return set(df["role"][asked_for(df, None, None)].dropna().unique())


def _quantities(df: pd.DataFrame) -> list[_Quantity]:
    """Those that the table has a column and a role for."""
    roles = roles_of(df)
    asked = []
    for form in FORMS:
        asked.append(_Quantity(IN_TASK_RESULT[form], "current", form, rescale=False))
        asked.append(_Quantity(in_form("impact", form), None, form, any_role=True, rescale=False))
        for name, role in CLAIM_OUTCOMES.values():
            asked.append(_Quantity(in_form(name, form), role if roles is not None else None, form))
    asked.append(_Quantity("pre_update_loss", None, "loss", any_role=True, rescale=False))
    known = {None, *(roles or ())}
    return [one for one in dict.fromkeys(asked) if one.column in df and one.role in known]


def _rows(df: pd.DataFrame, asked: _Quantity, task: str) -> list[dict[str, Any]]:
    means, cells = layouts(
        df,
        asked.column,
        role=asked.role,
        task=task,
        any_role=asked.any_role,
        rescale=asked.rescale,
    )
    if not (cells or means.excluded):
        return []
    found = {name: intraclass(layout.y) for name, layout in cells.items()}
    rows = [{"current_task": name, **_of_task(one)} for name, one in found.items()]
    rows.append({"current_task": None, **_over_tasks(found, means.excluded)})
    about = {"quantity": asked.column, "role": asked.role, "form": asked.form, "unit": means.unit}
    return [{**about, **row} for row in rows]


def _of_task(one: Intraclass) -> dict[str, Any]:
    return {
        **_numbers(one.variances, one.share_interval(), one.reliability_interval()),
        "n_prompts": one.n_prompts,
        "n_seeds": one.n_seeds,
        "n_tasks": int(one.has_share),
        "note": one.note,
    }


def _over_tasks(found: dict[str, Intraclass], excluded: dict[str, str]) -> dict[str, Any]:
    used = [one for one in found.values() if one.has_share]
    left_out = excluded | {name: one.note for name, one in found.items() if not one.has_share}
    said = [f"left out {name}: {reason}" for name, reason in sorted(left_out.items())]
    if len(used) == 1:
        said.append("one task: no interval of the share for new tasks")
    if used and all(one.noise == 0 for one in used):
        said.append(NO_SEED_COMPONENT)
        share = reliability = (1.0, NAN, NAN)
    else:
        shares = np.array([one.share for one in used])
        share = mean_interval(shares, np.array([]), "new_tasks")
        reliability = pooled_reliability(used)
        if used and np.isnan(reliability[1]):
            said.append(BELOW_CHANCE)
    counted = used or list(found.values())
    return {
        **_numbers(_mean_variances(used), share, reliability),
        "n_prompts": min((one.n_prompts for one in counted), default=0),
        "n_seeds": min((one.n_seeds for one in counted), default=0),
        "n_tasks": len(used),
        "note": "; ".join(said),
    }


def _mean_variances(used: list[Intraclass]) -> tuple[float, float]:
    prompt, seed = np.mean([one.variances for one in used], axis=0) if used else (NAN, NAN)
    return float(prompt), float(seed)


def _numbers(
    variances: tuple[float, float], share: Bounds, reliability: Bounds
) -> dict[str, float]:
    prompt, seed = variances
    sigmas = {
        "sigma_prompt": float(np.sqrt(0.0 if prompt < 0 else prompt)),
        "sigma_seed": float(np.sqrt(seed)),
    }
    for name, bounds in (("share", share), ("reliability", reliability)):
        sigmas |= zip((name, f"{name}_lower", f"{name}_upper"), bounds, strict=True)
    return sigmas
