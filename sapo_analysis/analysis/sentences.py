"""One sentence per claim with its two verdicts, and what a reader should be warned of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sapo_analysis.analysis.cautions import claim_1_warnings, unequal_learning
from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES, claim_ranges, claim_tasks
from sapo_analysis.analysis.claims import (
    CLAIMS,
    MIN_PROMPTS_THESE_TASKS,
    claims,
    no_verdict,
    without_data,
)
from sapo_analysis.analysis.confounding.influence import TaskLeftOut
from sapo_analysis.analysis.estimate import FORMS, SCOPES, Estimate, Form, Scope, Verdict
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.levels.correlation import pooled_correlation, within_task_correlation
from sapo_analysis.analysis.noise.reliability import reliability
from sapo_analysis.analysis.noise.seed_alone import claim_1_from_the_seed_alone
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.trust import carried_by_one
from sapo_analysis.analysis.wording import SCOPE_WORDS, counted, signed
from sapo_analysis.store import Run

_SUBJECTS = {
    "claim_1": "Differences between prompts on other tasks, against those in-task",
    "claim_2": "A prompt's impacts on different tasks",
    "claim_3_forgetting_past": "{x} and forgetting of past tasks",
    "claim_3_forgetting_retained": "{x} and forgetting of retained tasks",
    "claim_3_generalization": "{x} and generalization to unseen tasks",
}

Pair = dict[Form, Verdict]


@dataclass(frozen=True)
class ClaimSentence:
    """What the data say of one claim.

    Attributes:
        claim: Its id.
        sentence: Its verdicts for new tasks and for these tasks, never merged, with the numbers of
            both forms; without verdict words where there is no verdict, and why.
        warnings: What to know before believing it, a sentence each; empty where nothing was found.
    """

    claim: str
    sentence: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"claim": self.claim, "sentence": self.sentence, "warnings": list(self.warnings)}


@remembering()
def claim_sentences(
    verdicts: Sequence[Verdict],
    df: pd.DataFrame,
    runs: Run | Sequence[Run] | None = None,
    x: str = "pre_update_loss",
) -> list[ClaimSentence]:
    """A sentence for every claim, in the order of `CLAIMS`.

    Warned of are: too few tasks or prompts; signs that differ between within-task, pooled, most
    tasks, Spearman and the other form; one prompt or task without which the sign turns or the
    interval comes to contain 0; unequal learning; an outcome that is mostly seed noise, or whose
    reliability one seed cannot tell; that the seed alone could make claim 1 or 2.

    Args:
        verdicts: As `claims` gives them; none of a claim gives its numbers without verdict words.
        df: The impacts table that they are of, with all roles.
        runs: Its runs: one that is not done or has random weights gets no verdict.
        x: Indicator of claim 3.

    Raises:
        InputError: as `claims`.
    """
    silent = no_verdict(as_runs(runs)) if runs is not None else ""
    given = {v.claim for v in verdicts} if not silent else set()
    judged = list(verdicts)
    if not all(without_data(df, claim) or claim in {v.claim for v in judged} for claim in CLAIMS):
        judged += claims(df, x, n_permutations=0)
    found = []
    for claim in CLAIMS:
        # Of two for one scope and form the first is the one that was given.
        own = {(v.scope, v.form): v for v in reversed(judged) if v.claim == claim}
        subject = _SUBJECTS[claim].format(x=_indicator(x))
        if not own:
            reason = without_data(df, claim)
            found.append(ClaimSentence(claim, f"{subject}: no verdict. {reason}", ()))
            continue
        by_scope = {scope: {form: own[scope, form] for form in FORMS} for scope in SCOPES}
        warnings = _warnings(df, claim, by_scope, x)
        if claim in given:
            said = _judged(by_scope)
            every = [pair[form] for pair in by_scope.values() for form in FORMS]
            warnings += _from_the_seed(df, claim, every)
        else:
            said = _measured(by_scope, silent)
        found.append(ClaimSentence(claim, f"{subject}: {said}", tuple(warnings)))
    return found


def _indicator(x: str) -> str:
    words = x.replace("_", " ")
    return "Pre-update loss" if x == "pre_update_loss" else words[:1].upper() + words[1:]


def _leading(pair: Pair) -> Form:
    """Score form leads, unless it has no value and loss form has."""
    no_score = math.isnan(pair["score"].estimate.value)
    return "loss" if no_score and not math.isnan(pair["loss"].estimate.value) else "score"


def _judged(by_scope: dict[Scope, Pair]) -> str:
    """The verdicts of the leading form, new tasks first unless they are too few; then the other."""
    form = _leading(by_scope["new_tasks"])
    own = {scope: pair[form] for scope, pair in by_scope.items()}
    few = own["new_tasks"].verdict == "too few"
    order: tuple[Scope, ...] = ("these_tasks", "new_tasks") if few else SCOPES
    if math.isnan(own["new_tasks"].estimate.value):
        words = ", ".join(f"{_word(own[scope])} for {SCOPE_WORDS[scope]}" for scope in order)
        return f"{words}. {own['these_tasks'].reason}"
    parts = [
        f"{_word(own[scope])} for {SCOPE_WORDS[scope]} ("
        f"{_number(own[scope].estimate) + ', ' if scope == order[0] else ''}"
        f"{_interval(own[scope].estimate)})"
        for scope in order
    ]
    lead = "in loss, " if form == "loss" else ""
    return f"{lead}{', '.join(parts)}; {_other_form(by_scope, form)}."


def _measured(by_scope: dict[Scope, Pair], silent: str) -> str:
    """The numbers alone, and why there is no verdict."""
    form = _leading(by_scope["new_tasks"])
    new, these = (by_scope[scope][form].estimate for scope in SCOPES)
    why = f" {silent}" if silent else ""
    if math.isnan(new.value):
        return f"no verdict and no number. {by_scope['these_tasks'][form].reason}{why}"
    lead = " in loss" if form == "loss" else ""
    intervals = f"new tasks {_interval(new)}, these tasks {_interval(these)}"
    other = _other_form(by_scope, form, with_verdicts=False)
    return f"no verdict;{lead} {_number(new)} ({intervals}); {other}.{why}"


def _word(verdict: Verdict) -> str:
    return "too few tasks" if verdict.verdict == "too few" else verdict.verdict


def _number(estimate: Estimate) -> str:
    symbol = "log ratio" if estimate.statistic == "log_sd_ratio" else "r"
    return f"{symbol} = {signed(estimate.value)}"


def _interval(estimate: Estimate) -> str:
    if math.isnan(estimate.lower):
        return f"no interval from {counted(estimate.n_tasks, 'task')}"
    return f"{signed(estimate.lower)} to {signed(estimate.upper)}"


def _other_form(by_scope: dict[Scope, Pair], form: Form, with_verdicts: bool = True) -> str:
    """The other form's value, whether its sign is the same, and verdicts that are not."""
    other: Form = "loss" if form == "score" else "score"
    own, its = (by_scope["new_tasks"][name].estimate.value for name in (form, other))
    if math.isnan(its):
        return f"in {other} no value"
    said = f"in {other} {signed(its)}"
    if own * its < 0:
        ending = ", which leaves it unclear" if with_verdicts else ""
        return f"{said}, the opposite sign{ending}"
    said += ", the same sign"
    differing = [
        f"{_word(pair[other])} for {SCOPE_WORDS[scope]} ({_interval(pair[other].estimate)})"
        for scope, pair in by_scope.items()
        if pair[other].verdict != pair[form].verdict
    ]
    return said + (f", but {', '.join(differing)}" if differing and with_verdicts else "")


def _warnings(df: pd.DataFrame, claim: str, by_scope: dict[Scope, Pair], x: str) -> list[str]:
    form = _leading(by_scope["new_tasks"])
    new = by_scope["new_tasks"][form]
    n = new.estimate.n_prompts
    found = [new.reason] if new.verdict == "too few" else []
    if new.estimate.n_tasks and n < MIN_PROMPTS_THESE_TASKS:
        needed = f"a verdict on these tasks needs {MIN_PROMPTS_THESE_TASKS}"
        found.append(f"A task has {counted(n, 'prompt')}; {needed}.")
    tasks = {name: claim_tasks(df, claim, name, x) for name in FORMS}
    found += _levels(df, claim, form, by_scope["new_tasks"], tasks[form], x)
    what = "the log ratio" if claim == "claim_1" else "r"
    for name in FORMS:
        carried = carried_by_one(claim_ranges(claim, tasks[name]), what)
        found += [one if name == form else _of_form(name, one) for one in carried]
    if claim in CLAIM_OUTCOMES and CLAIM_OUTCOMES[claim][0] == "forgetting":
        found += _learning(df, CLAIM_OUTCOMES[claim][1])
    return list(dict.fromkeys(found + _reliability(df, claim, x)))


def _from_the_seed(df: pd.DataFrame, claim: str, verdicts: list[Verdict]) -> list[str]:
    """Claim 1 judged though the seed alone could make it; claim 2 not judged as it could."""
    if claim == "claim_1":
        return claim_1_warnings(verdicts, claim_1_from_the_seed_alone(df))
    if claim == "claim_2":
        # Of intervals that leave out 0 a reader is told why that is not enough, once per form.
        unlike = [v for v in verdicts if v.verdict == "unclear" and not _holds_zero(v.estimate)]
        first = {v.form: v for v in reversed(unlike)}
        return [
            f"In {form}, for {SCOPE_WORDS[first[form].scope]}, unclear: {first[form].reason}"
            for form in FORMS
            if form in first
        ]
    return []


def _holds_zero(estimate: Estimate) -> bool:
    return not estimate.lower * estimate.upper > 0


def _levels(
    df: pd.DataFrame, claim: str, form: Form, pair: Pair, tasks: Sequence[TaskLeftOut], x: str
) -> list[str]:
    """Levels, statistics and forms whose sign is not that of the estimate."""
    own = pair[form].estimate
    levels = {}
    if claim in CLAIM_OUTCOMES:
        outcome, role = CLAIM_OUTCOMES[claim]
        asked = df, x, in_form(outcome, form), role
        levels["pooled"] = pooled_correlation(*asked, n_permutations=0).value
        levels["Spearman"] = within_task_correlation(
            *asked, statistic="spearman", n_permutations=0
        ).value
    other: Form = "loss" if form == "score" else "score"
    levels[f"in {other}"] = pair[other].estimate.value
    differing = [
        f"{name} {signed(value)}" for name, value in levels.items() if value * own.value < 0
    ]
    against = sum(one.value * own.value < 0 for one in tasks)
    if 2 * against > len(tasks):
        differing.append(f"{against} of {counted(len(tasks), 'task')} with the other sign")
    if not differing:
        return []
    return [f"Signs differ: within tasks {signed(own.value)}, but {', '.join(differing)}."]


def _learning(df: pd.DataFrame, role: str) -> list[str]:
    if not {"loss_after", "loss_change"} <= set(df):
        return ["Whether prompts learned equally much is not known."]
    found = unequal_learning(df, role)
    return [found.text] if found or not found.n_looked_at else []


def _reliability(df: pd.DataFrame, claim: str, x: str) -> list[str]:
    said = []
    for form in FORMS:
        if claim in CLAIM_OUTCOMES:
            outcome, role = CLAIM_OUTCOMES[claim]
            found = reliability(df, in_form(outcome, form), role, x)
        else:
            found = reliability(df, in_form("impact", form), x=None, any_role=True)
        if found.n_seeds < 2:
            said.append(found.text)
        elif found.is_low:
            said.append(_of_form(form, found.text))
    return said


def _of_form(form: Form, text: str) -> str:
    return f"In {form}: {text[:1].lower()}{text[1:]}"
