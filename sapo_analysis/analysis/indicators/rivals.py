"""Does pre-update loss say more than its rivals: every indicator of a run against one outcome."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.analysis.confounding.partial import HeldFixed
from sapo_analysis.analysis.estimate import SCOPES, Estimate
from sapo_analysis.analysis.impacts import HEADLINE_INDICATOR
from sapo_analysis.analysis.levels.correlation import over_tasks, points_of
from sapo_analysis.analysis.prompt_means import prompt_means

INDICATORS = (
    HEADLINE_INDICATOR,
    "log_prompt_frequency",
    "prompt_seen",
    "prompt_perplexity",
    "prompt_length",
    "gradient_norm",
    "gradient_alignment_past",
    "gradient_alignment_retained",
    "gradient_alignment_unseen",
    "prompt_similarity",
    "loss_after_step",
)
"""What is known of a prompt before the update; a run holds some of it."""

FAMILIARITY = ("log_prompt_frequency", "prompt_seen")
"""How well the base model knows a prompt's text from its pretraining."""

GIVEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    (HEADLINE_INDICATOR, ("prompt_length", "log_prompt_frequency")),
    *((HEADLINE_INDICATOR, (name,)) for name in FAMILIARITY),
    *((name, (HEADLINE_INDICATOR,)) for name in FAMILIARITY),
    # Merges come from pretrained text, so a prompt that was never met has more tokens.
    *((name, ("prompt_length",)) for name in FAMILIARITY),
)
"""(indicator, what is held fixed): does loss add to familiarity, and familiarity to loss?"""

COLUMNS = (
    *("indicator", "given", "r", "lower", "upper", "these_lower", "these_upper"),
    *("n_tasks", "n_prompts"),
)


def rivals(df: pd.DataFrame, y: str, role: str) -> pd.DataFrame:
    """One row per indicator that the run holds, then one per pair of `GIVEN`.

    Many are looked at: the best of them looks better than it is.

    Args:
        df: The impacts table.
        y: Column of the outcome, whose name carries the form.
        role: Role of the evaluated tasks.

    Returns:
        `indicator`; `given`: the columns held fixed, joined by " and ", empty for none; `r` within
        tasks (Pearson) with `lower`, `upper` for new tasks and `these_lower`, `these_upper` for
        these tasks; `n_tasks`, `n_prompts`.

    Raises:
        InputError: the outcome or the role is unknown.
    """
    held = {name for name in INDICATORS if name in df and df[name].notna().any()}
    wanted: list[tuple[str, tuple[str, ...]]] = [(x, ()) for x in INDICATORS if x in held]
    wanted += [(x, given) for x, given in GIVEN if {x, *given} <= held]
    return pd.DataFrame([_row(df, x, given, y, role) for x, given in wanted], columns=list(COLUMNS))


def _row(
    df: pd.DataFrame, x: str, given: tuple[str, ...], y: str, role: str
) -> dict[str, str | float | int]:
    by_scope = _estimates(df, x, given, y, role)
    new, these = by_scope["new_tasks"], by_scope["these_tasks"]
    return {
        "indicator": x,
        "given": " and ".join(given),
        "r": new.value,
        "lower": new.lower,
        "upper": new.upper,
        "these_lower": these.lower,
        "these_upper": these.upper,
        "n_tasks": new.n_tasks,
        "n_prompts": new.n_prompts,
    }


def _estimates(
    df: pd.DataFrame, x: str, given: tuple[str, ...], y: str, role: str
) -> dict[str, Estimate]:
    if given:
        held = HeldFixed.of(df, x, y, given, role)
        return {scope: held.estimate(scope, "pearson", 0, 0) for scope in SCOPES}
    points = points_of(prompt_means(df, y, role=role, x=x), "pearson")
    return {
        scope: over_tasks(points, x, y, scope, "pearson", "pearson r", 0, 0) for scope in SCOPES
    }
