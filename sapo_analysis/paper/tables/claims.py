"""Every claim with its numbers and verdicts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import CLAIM_NAMES, predicted_sign
from sapo_analysis.analysis.estimate import FORMS, SCOPES, Verdict
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

_FORMS = {"score": "In scores (points)", "loss": "In losses (nats per token)"}
_SCOPES = {"these_tasks": "These tasks", "new_tasks": "New tasks"}
_CLAIM_3 = ("claim_3_forgetting_past", "claim_3_forgetting_retained", "claim_3_generalization")
_ESTIMATES = (
    (
        ("claim_1",),
        "Claim 1: natural log of the standard deviation over prompts of the mean impact on other"
        " tasks ÷ that of the final in-task result, mean over current tasks.",
    ),
    (
        ("claim_2",),
        "Claim 2: Pearson's r over prompts between the impacts on two other tasks, mean over their"
        " pairs.",
    ),
    (
        _CLAIM_3,
        "Claim 3: Pearson's r over prompts of pre-update loss (before any update, on the task's"
        " training examples) with forgetting (score before − after, or loss after − before, on past"
        " or retained tasks) or generalization (score after − before, or loss before − after, on"
        " unseen tasks).",
    ),
    (
        ("claim_2", *_CLAIM_3),
        "r: within a current task, then the mean of Fisher's z over tasks.",
    ),
)
"""What each claim's estimate is: claims, and a sentence."""
_RULE = (
    "Verdict: supported where the 95 % interval lies wholly on the predicted side, contradicted"
    " where wholly on the other, else unclear. Of new tasks it takes four tasks, two thirds of them"
    " agreeing in sign, of these tasks ten prompts each; unclear where scores and losses disagree"
    " in sign, and claim 2 where noise that the tasks of one trial share could make it."
)


def claims_table(numbers: ParaphraseNumbers, options: Options) -> TableSpec:
    """A row per claim and form: estimate, both intervals, both verdicts, p.

    Raises:
        InputError: the runs have data for no claim.
    """
    if not numbers.unjudged:
        raise InputError("These runs have data for none of the claims.")
    rows = pd.DataFrame([_row(own, bool(numbers.silent)) for own in _by_row(numbers.unjudged)])
    judged = () if numbers.silent else (_verdict("these"), _verdict("new"))
    these, new = ((verdict,) if judged else () for verdict in judged or (None, None))
    columns = (
        Column("name", "Claim"),
        Column("predicted", "Predicted"),
        Column("value", "Estimate", kind="number", signed=True),
        Column("these", "95 %", _SCOPES["these_tasks"], kind="interval", signed=True),
        *(column for column in these if column),
        Column("new", "95 %", _SCOPES["new_tasks"], kind="interval", signed=True),
        *(column for column in new if column),
        Column("p", "p", kind="p"),
    )
    missing = analysis.claims_without_data(numbers.df)
    return TableSpec(
        name="claims",
        columns=columns,
        rows=rows,
        caption=Caption(
            shows="The published claims, each for these tasks and for new tasks",
            n=_n(numbers.unjudged),
            interval="95 %; of new tasks Student t over tasks, of these tasks over the prompts of"
            " each task",
            marks=tuple(
                said
                for claims, said in _ESTIMATES
                if any(v.claim in claims for v in numbers.unjudged)
            ),
        ),
        notes=(
            "p: of claim 3, for these tasks: two-sided permutation test, prompts shuffled within"
            " task, uncorrected.",
            *(() if numbers.silent else (_RULE,)),
            *(f"{CLAIM_NAMES[claim]}: not judged. {why}" for claim, why in missing.items()),
            *standing(numbers),
        ),
        blocks="block",
        wide=True,
    )


def _verdict(scope: str) -> Column:
    return Column(f"{scope}_verdict", "verdict", _SCOPES[f"{scope}_tasks"])


def _by_row(verdicts: list[Verdict]) -> list[dict[str, Verdict]]:
    """Both scopes of every claim, score form first."""
    found: dict[tuple[str, str], dict[str, Verdict]] = {}
    for form in FORMS:
        for one in verdicts:
            if one.form == form:
                found.setdefault((form, one.claim), {})[one.scope] = one
    return list(found.values())


def _row(own: dict[str, Verdict], is_silent: bool) -> dict[str, Any]:
    first = next(iter(own.values()))
    e = first.estimate
    row: dict[str, Any] = {
        "block": _FORMS[first.form],
        "claim": first.claim,
        "name": CLAIM_NAMES[first.claim],
        "form": first.form,
        "predicted": "> 0" if predicted_sign(first.claim) > 0 else "< 0",
        "statistic": e.statistic,
        "value": e.value,
    }
    for scope in reversed(SCOPES):
        short = scope.removesuffix("_tasks")
        row[f"{short}_lower"] = own[scope].estimate.lower
        row[f"{short}_upper"] = own[scope].estimate.upper
        row[f"{short}_verdict"] = "" if is_silent else own[scope].verdict
    return {
        **row,
        "p": e.p,
        "n_tasks": e.n_tasks,
        "n_prompts": e.n_prompts,
        "n_seeds": e.n_seeds,
        "unit": e.unit,
    }


def _n(verdicts: list[Verdict]) -> dict[str, int]:
    estimates = [verdict.estimate for verdict in verdicts]
    return {
        "tasks": max(e.n_tasks for e in estimates),
        "prompts": min(e.n_prompts for e in estimates),
        "seeds": min(e.n_seeds for e in estimates),
    }
