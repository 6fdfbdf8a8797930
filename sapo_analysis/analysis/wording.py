"""Estimates in words: the one place that decides how a number is read out."""

from __future__ import annotations

import math

from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.noise.band import UPPER_BOUND_LABEL

IMPORTED = "imported results: no provenance"
"""Said first wherever figures or tables of such results leave the project."""
RANDOM_WEIGHTS = "random weights: no scientific meaning"
"""Said wherever a run of a base model that was never trained is shown."""
SCOPE_WORDS = {"new_tasks": "new tasks", "these_tasks": "these tasks"}
_SYMBOLS = {
    "spearman": "Spearman's ρ",
    "kendall": "Kendall's τ",
    "log_sd_ratio": "log ratio of spreads",
    "theil_sen": "Theil-Sen slope",
    "repeated_measures": "repeated-measures r",
}


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, a true minus, and no negative zero; an en dash when there is none."""
    if math.isnan(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "\N{MINUS SIGN}") + text


def p_value(p: float) -> str:
    """`p = 0.012`; `p < 0.0001` below that, and `no p` where none was made."""
    if math.isnan(p):
        return "no p"
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"


def counted(n: int, one: str, several: str = "") -> str:
    """`1 order`, `2 orders`."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return "under 1 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def about(seconds: float) -> str:
    """A time to come, no finer than it is known: `8 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return duration(seconds)
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def size(n_bytes: float) -> str:
    """Bytes in the largest decimal unit that keeps the number above one."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def noise_floor(sigma: float, sigma_upper: float, unit: str, label: str) -> str:
    """σ of one trial from the seed alone, its upper limit, and whether σ is an upper bound itself.

    Args:
        sigma: As in `NoiseFacet`.
        sigma_upper: Likewise.
        unit: Of both.
        label: Which component σ is.
    """
    if sigma == 0:
        return f"0 {unit} as noise trials do not differ, which few may not by chance"
    bound = " (upper bound)" if label == UPPER_BOUND_LABEL else ""
    return f"{sigma:.2g}, at most {sigma_upper:.2g} {unit}{bound}"


def symbol(estimate: Estimate) -> str:
    """What the number of an estimate is called, such as `r`."""
    return _SYMBOLS.get(estimate.statistic, "r")


def in_short(estimate: Estimate) -> str:
    """`r = +0.57 (95 % new tasks +0.20 to +0.80)`, where there is little room."""
    name = symbol(estimate)
    if math.isnan(estimate.value):
        return f"{name} undefined"
    if math.isnan(estimate.lower):
        return f"{name} = {signed(estimate.value)} (no interval)"
    scope = f"{SCOPE_WORDS[estimate.scope]} " if estimate.level == "within_task" else ""
    ends = f"{signed(estimate.lower)} to {signed(estimate.upper)}"
    return f"{name} = {signed(estimate.value)} (95 % {scope}{ends})"


def sentence(estimate: Estimate, verdict: Verdict | str | None = None) -> str:
    """The headline of an estimate.

    "Within tasks, r = +0.31 (95 % for new tasks: +0.02 to +0.55). Supported."

    Args:
        estimate: A within-task, task or pooled estimate.
        verdict: Ends the headline with its word; none for a run that gets no verdict.
    """
    if math.isnan(estimate.value):
        _, _, reason = estimate.method.partition("Left out: ")
        return f"No correlation can be given: {reason or 'no task has enough prompts'}."
    where = {
        "within_task": "Within tasks",
        "task": f"In {estimate.task}",
        "pooled": "Over all points",
    }[estimate.level]
    name = symbol(estimate)
    words = SCOPE_WORDS[estimate.scope]
    scope = f" for {words}" if estimate.level == "within_task" else ""
    if math.isnan(estimate.lower):
        interval = f"no interval for {words} from one task"
    else:
        interval = f"95 %{scope}: {signed(estimate.lower)} to {signed(estimate.upper)}"
    word = verdict.verdict if isinstance(verdict, Verdict) else verdict
    ending = f" {word.capitalize()}." if word else ""
    return f"{where}, {name} = {signed(estimate.value)} ({interval}).{ending}"
