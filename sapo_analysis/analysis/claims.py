"""The published claims, each judged for new tasks and for these tasks, in score and loss form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from sapo_analysis.analysis.between_tasks.structure import (
    Structure,
    cross_task_structure,
    not_of_prompts,
)
from sapo_analysis.analysis.claim_values import (
    CLAIM_OUTCOMES,
    mean_pair_correlations,
    spread_ratios,
)
from sapo_analysis.analysis.estimate import (
    CONFIDENCE,
    FORMS,
    SCOPES,
    Decision,
    Estimate,
    Form,
    Scope,
    Verdict,
)
from sapo_analysis.analysis.intervals import (
    Floats,
    mean_interval,
)
from sapo_analysis.analysis.levels.correlation import UNIT, points_in
from sapo_analysis.analysis.levels.permutation import two_sided_p
from sapo_analysis.analysis.next_study.power import tasks_needed
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import asked_for, check_columns, known, labels_of, of_role
from sapo_analysis.analysis.wording import signed
from sapo_analysis.store import Run

CLAIMS: dict[str, str] = {
    "claim_1": "prompts that teach a task equally well differ in what they do to other tasks",
    "claim_2": "a prompt that is good for one other task is good for the others",
    "claim_3_forgetting_past": "a higher pre-update loss goes with more forgetting of past tasks",
    "claim_3_forgetting_retained": (
        "a higher pre-update loss goes with more forgetting of retained tasks"
    ),
    "claim_3_generalization": "a higher pre-update loss goes with less generalization",
}
"""What each claim predicts."""

CLAIM_NAMES = {
    "claim_1": "1: unlike elsewhere, alike in-task",
    "claim_2": "2: good for one, good for others",
    "claim_3_forgetting_past": "3: loss → forgetting, past",
    "claim_3_forgetting_retained": "3: loss → forgetting, retained",
    "claim_3_generalization": "3: loss → generalization, unseen",
}
"""A claim in a table's cell."""

MIN_TASKS = 4
_OFF_ZERO = "The 95 % interval of r, "
MIN_PROMPTS_THESE_TASKS = 10


@dataclass(frozen=True)
class TaskValues:
    """One claim's statistic per current task, on the scale of its intervals (z or log ratio)."""

    values: Floats
    errors: Floats
    n_prompts: int
    n_seeds: int
    excluded: dict[str, str] = field(default_factory=dict)
    null: Floats | None = None


@remembering()
def claims(
    df: pd.DataFrame, x: str = "pre_update_loss", n_permutations: int = 9999, seed: int = 0
) -> list[Verdict]:
    """The verdicts on every claim the table has data for: claim x scope x form.

    *Claim 1*, per current task: log(sd over prompts of the mean impact on all other tasks ÷ sd over
    prompts of the final in-task result under the training prompt), seed-averaged, on the raw scale
    (points or nats); predicted > 0. *Claim 2*: mean Fisher z of r(impact_i, impact_j) over all
    pairs of other tasks; predicted > 0. *Claim 3*: Fisher z of r(pre-update loss, forgetting) > 0,
    of r(pre-update loss, generalization) < 0.

    *Supported*: the 95 % interval lies wholly on the predicted side, and for new tasks at least two
    thirds of at least four tasks agree in sign. *Contradicted*: wholly on the other side. Of these
    tasks neither is said unless every task has at least ten prompts. *Too few*: new tasks with
    fewer than four tasks. Else *unclear*; also whenever score and loss form disagree in sign. Claim
    2 is *unclear* as well unless the part of r that different seeds share lies on the same side
    (`cross_task_structure`): noise that the tasks of one trial share makes r > 0 too, and in
    simulation it would be "supported" by that alone in 99 of 100 tables like the shipped ones.
    With one seed nothing can be said of it.

    Errors of one task's value over prompts, for the interval of these tasks. Claim 1: se = √(1/(n -
    1)), that of the log ratio of two independent sds (1/(2(n - 1)) each); impacts and in-task
    results share their prompts, and a correlation between them makes it smaller, so the interval is
    then too wide, but values with heavier tails than normal make it too narrow. Claim 2:
    delete-one-prompt jackknife of the mean z, as its pairs share tasks; a little wide with few
    prompts. Claim 3: 1/√(n - 3).

    Whether a run may have verdicts at all is `no_verdict`'s to say.

    Args:
        df: An impacts table with all roles.
        x: Indicator of claim 3.
        n_permutations: Shuffles for claim 3's p.
        seed: Seed of the shuffles.

    Raises:
        InputError: a column is missing.
    """
    check_columns(df, ["current_task", x])
    check_columns(df, ["role"])
    check_columns(df, ["eval_task"])
    verdicts = []
    for claim in CLAIMS:
        if without_data(df, claim):
            continue
        per_form = {form: _values(df, claim, form, x, n_permutations, seed) for form in FORMS}
        parts = {}
        if claim == "claim_2":
            parts = {form: cross_task_structure(df, form, 0, seed) for form in FORMS}
        for scope in SCOPES:
            estimates = {
                form: _estimate(claim, form, scope, per_form[form], x, seed) for form in FORMS
            }
            for form in FORMS:
                found = _judge(claim, form, scope, per_form[form], estimates)
                verdicts.append(_of_prompts(found, parts[form]) if parts else found)
    return verdicts


def claims_without_data(df: pd.DataFrame) -> dict[str, str]:
    """Claims that the table cannot speak about, and why.

    Raises:
        InputError: a column is missing.
    """
    for column in ("current_task", "role", "eval_task"):
        check_columns(df, [column])
    reasons = {claim: without_data(df, claim) for claim in CLAIMS}
    return {claim: reason for claim, reason in reasons.items() if reason}


def without_data(df: pd.DataFrame, claim: str) -> str:
    """Why a claim cannot be judged on this table; empty when it can."""
    main = asked_for(df, None, None)
    own = main & of_role(df, "current")
    if claim == "claim_2":
        others = main & ~own
        task, other = (labels_of(df, name).at(others) for name in ("current_task", "eval_task"))
        _, first = np.unique(task.then(other).codes, return_index=True)
        several = np.bincount(task.codes[first], minlength=1).max() > 1
        return "" if several else "No current task has two other tasks to compare."
    if claim == "claim_1":
        if not own.any():
            return "No trial was evaluated on its own task."
        measured = [
            (own & known(df, name)).any() for name in ("score_after", "loss_after") if name in df
        ]
        return "" if all(measured) else "Final in-task results were not given in score and in loss."
    role = CLAIM_OUTCOMES[claim][1]
    return "" if (main & of_role(df, role)).any() else f"The study has no {role} tasks."


def no_verdict(runs: Sequence[Run]) -> str:
    """Why these runs get no verdict, empty when they do: one is not done, or has random weights."""
    for run in runs:
        if not run.is_complete:
            done = f"{run.status.done} of {run.status.total} trials"
            return (
                f"Run {run.run_id} is {run.status.state} ({done}):"
                " numbers will move, no verdict until it is done."
            )
        if run.has_random_weights:
            return f"Run {run.run_id} has random weights: it is a control and gets no verdict."
    return ""


def predicted_sign(claim: str) -> int:
    """+1 or -1: the side of zero that the claim predicts."""
    return -1 if claim == "claim_3_generalization" else 1


def _values(df: pd.DataFrame, claim: str, form: Form, x: str, m: int, seed: int) -> TaskValues:
    if claim not in CLAIM_OUTCOMES:
        own = spread_ratios(df, form) if claim == "claim_1" else mean_pair_correlations(df, form)
        return TaskValues(own.values, own.errors, own.n_prompts, own.n_seeds, own.excluded)
    outcome, role = CLAIM_OUTCOMES[claim]
    y = in_form(outcome, form)
    points = points_in(df, x, y, role, "current_task", "pearson", None, m, seed)
    null = None
    if points.tasks and m:
        null = np.mean([t.null_z(m, seed, i) for i, t in enumerate(points.tasks)], axis=0)
    return TaskValues(
        np.array([t.z for t in points.tasks]),
        np.array([t.se for t in points.tasks]),
        min((t.n for t in points.tasks), default=0),
        min((t.n_seeds for t in points.tasks), default=0),
        points.excluded,
        null,
    )


def _estimate(
    claim: str, form: Form, scope: Scope, values: TaskValues, x: str, seed: int
) -> Estimate:
    mean, lower, upper = mean_interval(values.values, values.errors, scope)
    y, role = CLAIM_OUTCOMES.get(claim, ("impact", None))
    p = two_sided_p(mean, values.null) if values.null is not None else float("nan")
    how = "Student t over tasks" if scope == "new_tasks" else "normal, per-task errors over prompts"
    left_out = "; ".join(f"{name}: {reason}" for name, reason in sorted(values.excluded.items()))
    kinds = {
        "claim_1": "log ratio of sds over prompts",
        "claim_2": "mean Fisher z over pairs of other tasks",
    }
    estimate = Estimate(
        x={
            "claim_1": "score_after" if form == "score" else "loss_after",
            "claim_2": in_form("impact", form),
        }.get(claim, x),
        y=in_form(y, form),
        role=role,
        task=None,
        value=mean,
        lower=lower,
        upper=upper,
        confidence=CONFIDENCE,
        level="within_task",
        scope=scope,
        statistic="log_sd_ratio" if claim == "claim_1" else "pearson",
        p=p,
        n_prompts=values.n_prompts,
        n_tasks=len(values.values),
        n_seeds=values.n_seeds,
        method=f"{kinds.get(claim, 'Fisher z')} per task, mean over tasks, {how}"
        + (f". Left out: {left_out}" if left_out else ""),
        seed=seed,
        unit="natural log of a ratio of standard deviations" if claim == "claim_1" else UNIT,
    )
    if claim == "claim_1":
        return estimate
    value, lower, upper = (float(np.tanh(bound)) for bound in (mean, lower, upper))
    return replace(estimate, value=value, lower=lower, upper=upper)


def _judge(
    claim: str, form: Form, scope: Scope, values: TaskValues, estimates: dict[Form, Estimate]
) -> Verdict:
    estimate = estimates[form]
    verdict, reason = _decide(claim, scope, values, estimate)
    products = estimates["score"].value * estimates["loss"].value
    if verdict != "too few" and products < 0:
        verdict = "unclear"
        reason = (
            f"Score and loss form disagree in sign ({estimates['score'].value:+.2f} and"
            f" {estimates['loss'].value:+.2f})."
        )
    return Verdict(claim, scope, form, verdict, reason, estimate)


def _of_prompts(found: Verdict, structure: Structure) -> Verdict:
    """Claim 2's verdict, held back where noise that the tasks of one trial share could make it."""
    sign = {"supported": 1, "contradicted": -1}.get(found.verdict)
    if sign is None:
        return found
    if not (why := not_of_prompts(structure, found.scope, sign)):
        part = structure.prompt[found.scope]
        ends = f"{signed(part.lower)} to {signed(part.upper)}"
        own = f" Of r, prompts make {signed(part.value)} ({ends}), on that side too."
        return replace(found, reason=found.reason + own)
    e = found.estimate
    interval = f"{signed(e.lower)} to {signed(e.upper)}"
    reason = f"{_OFF_ZERO}{interval}, does not contain 0, but {why}."
    return replace(found, verdict="unclear", reason=reason)


def reason_in_short(verdict: Verdict) -> str:
    """A verdict's reason where there is little room: claim 2's without its numbers."""
    if verdict.reason.startswith(_OFF_ZERO):
        return "Noise that the tasks of one trial share could make it."
    return verdict.reason


def _decide(
    claim: str, scope: Scope, values: TaskValues, estimate: Estimate
) -> tuple[Decision, str]:
    sign, k = predicted_sign(claim), estimate.n_tasks
    side = "above" if sign > 0 else "below"
    if scope == "new_tasks" and k < MIN_TASKS:
        return (
            "too few",
            f"{_count(k, 'usable current task')}; new tasks need at least {MIN_TASKS}."
            f"{_wanted(values)}",
        )
    if k == 0:
        return "unclear", "No current task could be used: " + "; ".join(
            f"{name}: {reason}" for name, reason in sorted(values.excluded.items())
        ) + "."
    if scope == "these_tasks" and values.n_prompts < MIN_PROMPTS_THESE_TASKS:
        needed = f"at least {MIN_PROMPTS_THESE_TASKS} prompts each are needed"
        return "unclear", f"A task has {_count(values.n_prompts, 'prompt')}; {needed}."
    if math.isnan(estimate.lower):
        if scope == "these_tasks":
            return "unclear", "Every prompt says the same, so there is no error of the value."
        return "unclear", f"All {k} tasks have the same value: nothing says how much tasks differ."
    interval = f"the 95 % interval runs from {estimate.lower:+.2f} to {estimate.upper:+.2f}"
    near, far = sorted((sign * estimate.lower, sign * estimate.upper))
    if far < 0:
        other = "below" if sign > 0 else "above"
        return "contradicted", f"Predicted {side} 0, but {interval}, wholly {other}."
    if not near > 0:
        return "unclear", f"Predicted {side} 0; {interval} and contains 0."
    agreeing = int(np.sum(sign * values.values > 0))
    if scope == "new_tasks" and 3 * agreeing < 2 * k:
        return (
            "unclear",
            f"Only {agreeing} of {k} tasks have the predicted sign; two thirds are needed.",
        )
    return (
        "supported",
        f"Predicted {side} 0, and {interval}; {agreeing} of {k} tasks have the predicted sign.",
    )


def _wanted(values: TaskValues) -> str:
    """How many tasks would give 80 % power, were effect and spread over tasks as seen here."""
    k = len(values.values)
    if k == 0:
        return ""
    mean = float(np.mean(values.values))
    sd = float(np.std(values.values, ddof=1)) if k > 1 else 0.0
    sd = max(sd, float(np.sqrt(np.mean(np.square(values.errors)))))
    needed = tasks_needed(mean, sd) if sd > 0 and mean != 0 else None
    if needed is None:
        return " An effect as small as the one seen here would take more than a thousand."
    return f" {needed} would give 80 % power for an effect as large as the one seen here."


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
