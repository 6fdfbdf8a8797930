"""The two results of this package: an estimate with its interval, and a verdict on a claim."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sapo_analysis.errors import unknown

Level = Literal["within_task", "task", "pooled"]
Scope = Literal["new_tasks", "these_tasks"]
Form = Literal["score", "loss"]
Decision = Literal["supported", "contradicted", "unclear", "too few"]

CONFIDENCE = 0.95
Z_95 = 1.96
"""Standard normal quantile of every 95 % interval here."""

SCOPES: tuple[Scope, ...] = ("new_tasks", "these_tasks")
FORMS: tuple[Form, ...] = ("score", "loss")


@dataclass(frozen=True)
class Estimate:
    """One number with what is needed to read it.

    Attributes:
        x: Column on the horizontal axis, known before the update.
        y: Column on the vertical axis; `_loss` at its end says loss form, else score form.
        role: Role of the evaluated tasks; None where the table has no roles or all other tasks
            count.
        task: The one current task of a `task` estimate; None for an estimate over tasks.
        value: The estimate, in `unit`; nan where nothing could be estimated.
        lower: Lower end of the interval; nan where there is none.
        upper: Upper end of the interval; nan where there is none.
        confidence: Coverage that the interval aims at (probability).
        level: `within_task` (tanh of the mean over tasks of Fisher's z), `task` (one task),
            `pooled` (all points).
        scope: `new_tasks`: would hold for other tasks too; `these_tasks`: speaks of the named tasks
            only.
        statistic: `pearson`, `spearman`, `kendall` (tau-b; a partial correlation's has `partial_`
            before it), `log_sd_ratio`, `theil_sen` (a slope; over tasks the mean of theirs) or
            `repeated_measures` (r with one slope for all tasks).
        p: Two-sided permutation p, prompts shuffled within task; of `repeated_measures` that of its
            F test; nan where none was made.
        n_prompts: Prompts per task; the smallest number where tasks differ.
        n_tasks: Current tasks that entered.
        n_seeds: Seeds averaged per prompt; the smallest number where tasks differ.
        method: How value and interval were made, and which tasks were left out and why.
        seed: Seed of the permutations.
        unit: Unit of value, lower and upper.
    """

    x: str
    y: str
    role: str | None
    task: str | None
    value: float
    lower: float
    upper: float
    confidence: float
    level: Level
    scope: Scope
    statistic: str
    p: float
    n_prompts: int
    n_tasks: int
    n_seeds: int
    method: str
    seed: int
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        return {key: plain(value) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Verdict:
    """What one scope of one claim comes to, in one form.

    Attributes:
        claim: `claim_1`, `claim_2`, `claim_3_forgetting_past`, `claim_3_forgetting_retained` or
            `claim_3_generalization`.
        scope: As in `Estimate`.
        form: `score` or `loss`.
        verdict: `supported`, `contradicted`, `unclear` or `too few`.
        reason: One sentence.
        estimate: The number and interval that were judged.
    """

    claim: str
    scope: Scope
    form: Form
    verdict: Decision
    reason: str
    estimate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "claim": self.claim,
            "scope": self.scope,
            "form": self.form,
            "verdict": self.verdict,
            "reason": self.reason,
            "estimate": self.estimate.to_dict(),
        }


def plain(value: Any) -> Any:
    """A value as JSON knows it, containers inside too; nan and infinities become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def check_scope(scope: str) -> None:
    """Refuse a scope that does not exist.

    Raises:
        InputError: naming the two scopes.
    """
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)


def check_form(form: str) -> None:
    """Refuse a form that does not exist.

    Raises:
        InputError: naming the two forms.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
