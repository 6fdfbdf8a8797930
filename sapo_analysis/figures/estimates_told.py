"""Correlations in the few words that stand above a panel or in a caption."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.wording import (
    SCOPE_WORDS,
    counted,
    in_short,
    p_value,
    sentence,
    signed,
    symbol,
)

P_SHUFFLED = "two-sided, prompts shuffled within task, so of these tasks"
HOW = {
    "new_tasks": (
        "95 % for new tasks: Student t over the tasks' Fisher z, tasks − 1 degrees of freedom"
    ),
    "these_tasks": "95 % for these tasks: normal, errors of the tasks' Fisher z over prompts",
}
OVER_PROMPTS = "95 % over the prompts of a task: Fisher's z"


def above_means(means: Sequence[Estimate]) -> str:
    """One line over the points of all tasks; "" without estimates.

    Args:
        means: the mean over tasks in one scope or both; it leads with new tasks unless they are
            too few for anything to be said of new ones.
    """
    if not means:
        return ""
    first = _leading_first(means)[0]
    if math.isnan(first.value):
        return f"within tasks {in_short(first)}"
    sizes = (
        counted(first.n_tasks, "task"),
        counted(first.n_prompts, "prompt"),
        counted(first.n_seeds, "seed"),
    )
    return _together(f"within tasks {in_short(first)}, {p_of(first)}, {' × '.join(sizes)}")


def above_pooled(estimate: Estimate | None, n: int) -> str:
    """One line over all `n` points at once, with what they mix; "" without an estimate."""
    if estimate is None:
        return ""
    if math.isnan(estimate.value):
        return "all points pooled: no correlation"
    said = f"{in_short(estimate)}, {p_value(estimate.p)}, n = {n:,}"
    return _together(f"all points pooled {said}; mixes differences between tasks")


def p_of(estimate: Estimate) -> str:
    """Its p; beside an interval for new tasks with whose it is, as shuffles say nothing of those.

    `p = 0.012 (these tasks)`; `no p`.
    """
    said = p_value(estimate.p)
    beside_new = estimate.scope == "new_tasks" and not math.isnan(estimate.lower)
    return f"{said} (these tasks)" if beside_new and not math.isnan(estimate.p) else said


def on_axis(estimate: Estimate) -> str:
    """What an axis of such correlations is called: `Pearson r`, `Spearman's ρ`."""
    return "Pearson r" if estimate.statistic == "pearson" else symbol(estimate)


def above_task(estimate: Estimate | None) -> str:
    """Two lines over the points of a task; None: too few of its prompts differ."""
    if estimate is None:
        return "no correlation"
    sizes = f"{p_value(estimate.p)}, n = {estimate.n_prompts}"
    return _together(f"{in_short(estimate).replace('95 % ', '')}\n{sizes}")


def _together(line: str) -> str:
    """No line ends between a number and what it is."""
    for words in (" = ", " %"):
        line = line.replace(words, words.replace(" ", "\N{NO-BREAK SPACE}"))
    return line


def sentences_on_means(means: Sequence[Estimate]) -> tuple[str, ...]:
    """The mean over tasks with its interval in each scope, and p, which is the same for both."""
    if not means:
        return ()
    first, *others = _leading_first(means)
    lines = [sentence(first)]
    for other in others:
        scope = SCOPE_WORDS[other.scope]
        ends = f"{signed(other.lower)} to {signed(other.upper)}"
        lines.append(f"95 % for {scope}: {ends}" if not math.isnan(other.lower) else "")
    if not math.isnan(first.p):
        lines.append(f"{p_value(first.p)} ({P_SHUFFLED})")
    return tuple(line for line in lines if line)


def how_intervals(means: Sequence[Estimate]) -> str:
    """How the intervals of these means were made; "" where they have none."""
    return "; ".join(HOW[e.scope] for e in means if not math.isnan(e.lower))


def span_of(tasks: Sequence[Estimate]) -> str:
    """`r of 11 tasks: −0.31 to +0.94`; "" without a value."""
    known = [e.value for e in tasks if not math.isnan(e.value)]
    if not known:
        return ""
    span = f"{signed(min(known))} to {signed(max(known))}" if len(known) > 1 else signed(known[0])
    return f"{symbol(tasks[0])} of {counted(len(known), 'task')}: {span}"


def _leading_first(means: Sequence[Estimate]) -> list[Estimate]:
    """New tasks first, unless they are too few to speak of new ones and these tasks are given."""
    return sorted(means, key=lambda e: (e.scope == "new_tasks") == (e.n_tasks < MIN_TASKS))


def role_told(role: str | None) -> str:
    """` on past tasks`; nothing of the task itself, or where tasks have no role."""
    return f" on {role} tasks" if role not in (None, "current") else ""


def shaded(predicted: int) -> str:
    """What a shaded half of the axis of r stands for."""
    side = "above" if predicted > 0 else "below"
    return f"shaded: the side that the published claim predicts, {side} 0"
