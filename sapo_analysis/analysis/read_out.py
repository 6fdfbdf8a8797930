"""What the larger results come to, a sentence each: shares, structure, leader board, picks."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from sapo_analysis.analysis.between_tasks.structure import Structure
from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.glossary import TERMS
from sapo_analysis.analysis.indicators.board import Board, IndicatorRow
from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.analysis.quantities import LOSS_UNIT, SCORE_UNIT
from sapo_analysis.analysis.wording import SCOPE_WORDS, counted, signed
from sapo_analysis.analysis.worth.payoff import SelectionValue

UNITS = {SCORE_UNIT: "points", LOSS_UNIT: "nats per token", SD_UNIT: "sd over prompts"}
"""Units as a sentence says them."""

_VERBS = {"forgetting": "forgets", "generalization": "generalizes", "impact": "gives other tasks"}
_PICKS = {"random": "a random prompt", "original": "the original prompt"}


def shares_sentence(shares: pd.DataFrame, form: str) -> str:
    """Claim 1's shares of variance in one form.

    Args:
        shares: `claim_1_shares(...)`.
        form: `score` or `loss`.
    """
    row = shares[shares["form"] == form].iloc[0]
    if math.isnan(row["difference"]):
        return f"No shares can be compared: {row['note'] or 'no task has two seeds'}."
    ends = _interval(100 * row["lower"], 100 * row["upper"], int(row["n_tasks"]), 0)
    return (
        f"Prompts make {_percent(row['share_cross_task'])} of the variance of what a trial does to"
        f" other tasks, and {_percent(row['share_in_task'])} of that of its in-task result:"
        f" {signed(100 * row['difference'], 0)} percentage points ({ends})."
    )


def structure_sentence(structure: Structure) -> str:
    """How much of the correlation of impacts prompts make, and whether chance would."""
    raw, prompt = structure.raw["new_tasks"], structure.prompt["new_tasks"]
    if math.isnan(raw.value):
        return f"No correlation of impacts can be given{_left_out(raw)}."
    said = f"Impacts on two other tasks go together with r = {signed(raw.value)}"
    if math.isnan(prompt.value):
        return f"{said}; with one seed it cannot be told how much of that prompts make."
    own = structure.prompt["new_tasks" if prompt.n_tasks >= MIN_TASKS else "these_tasks"]
    ends = _ends(own)
    chance = "" if math.isnan(prompt.p) else f"; p = {prompt.p:.2g}"
    seed = structure.seed["new_tasks"].value
    return (
        f"{said}; prompts make {signed(prompt.value)} of it ({ends}{chance}), the noise of one"
        f" trial {signed(seed)}."
    )


def winner_sentence(board: Board) -> str:
    """What the best indicator is worth on tasks that did not choose it, beside the named one."""
    named = next((row for row in board.rows if row.indicator == board.x), None)
    winner = board.winner
    beside = "" if named is None else f" {_named(named)}"
    if math.isnan(winner.r):
        why = winner.note or "too few tasks"
        return f"No best indicator can be judged on tasks left out: {why}.{beside}"
    p = "" if math.isnan(winner.p) else f"; p = {winner.p:.2g}, for all that were tried"
    ends = _interval(winner.lower, winner.upper, winner.n_tasks)
    return (
        f"The best of {counted(len(board.rows), 'indicator')}, chosen on the other tasks, has"
        f" r = {signed(winner.r)} on the task left out ({ends}{p}).{beside}"
    )


def payoff_sentence(value: SelectionValue) -> str:
    """What picking by the lowest indicator gains over a random prompt and over the original."""
    if value.by_task.empty:
        return "No task has two prompts to pick from at a seed that they share."
    rows = {str(row["against"]): row for row in _rows(value.contrasts)}
    quantity = value.y.removesuffix("_loss")
    lead = f"Picking by lowest {_label(value.x)} {_VERBS.get(quantity, quantity)}"
    unit, missing = UNITS.get(value.unit, value.unit), ""
    # A loss changes by less than a score.
    digits = 3 if value.unit == LOSS_UNIT else 2
    parts: list[str] = []
    for rival, name in _PICKS.items():
        row = rows[rival]
        if math.isnan(row["gain"]):
            missing = f" {name.capitalize()} is {row['note']}."
            continue
        less = (row["gain"] > 0) == (value.good_when == "low")
        size = f"{abs(row['gain']):.{digits}f} {unit if not parts else ''}".strip()
        parts.append(f"{size} {'less' if less else 'more'} than {name}, {_chance(row, digits)}")
    return f"{lead} {', and '.join(parts)}.{missing}"


def _chance(row: dict[str, Any], digits: int) -> str:
    """Whether an interval of the gain excludes zero; that for these tasks where tasks are few."""
    few = row["n_tasks"] < MIN_TASKS
    lower, upper = (row["these_lower" if few else "lower"], row["these_upper" if few else "upper"])
    if math.isnan(lower):
        if math.isnan(row["lower"]):
            return "without an interval"
        ends = f"{signed(row['lower'], digits)} to {signed(row['upper'], digits)}"
        return (
            f"which so few tasks cannot tell from chance (gain, 95 % from {row['n_tasks']}: {ends})"
        )
    scope = SCOPE_WORDS["these_tasks" if few else "new_tasks"]
    ends = f"{signed(lower, digits)} to {signed(upper, digits)}"
    word = "beyond chance" if lower * upper > 0 else "which may be chance"
    return f"{word} (gain, 95 % for {scope}: {ends})"


def _named(row: IndicatorRow) -> str:
    if math.isnan(row.r):
        return f"{_label(row.indicator).capitalize()}, named beforehand, has no correlation."
    ends = _interval(row.lower, row.upper, row.n_tasks)
    name = _label(row.indicator)
    return f"{name[0].upper()}{name[1:]}, named beforehand, has {signed(row.r)} ({ends})."


def _label(indicator: str) -> str:
    term = TERMS.get(indicator)
    return term.label if term else indicator.replace("_", " ")


def _ends(estimate: Estimate) -> str:
    words = SCOPE_WORDS[estimate.scope]
    if math.isnan(estimate.lower):
        return f"no interval for {words}"
    return f"95 % for {words}: {signed(estimate.lower)} to {signed(estimate.upper)}"


def _interval(lower: float, upper: float, n_tasks: int, digits: int = 2) -> str:
    """For new tasks."""
    if math.isnan(lower):
        return f"no interval from {counted(n_tasks, 'task')}"
    few = f", from {n_tasks} only" if n_tasks < MIN_TASKS else ""
    return f"95 % for new tasks{few}: {signed(lower, digits)} to {signed(upper, digits)}"


def _left_out(estimate: Estimate) -> str:
    _, _, reason = estimate.method.partition("Left out: ")
    return f": {reason}" if reason else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "\N{MINUS SIGN}")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): item for key, item in row.items()} for row in table.to_dict("records")]
