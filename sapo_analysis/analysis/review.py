"""What a reviewer asks of a correlation over a few dozen nested points, outcome by outcome.

The part of a report that is not the headline: other levels and shapes, how much of it is noise,
whether another indicator does better, what else differs between prompts, single points, what the
rule is worth, and how large the next study has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.between_tasks.structure import Structure, cross_task_structure
from sapo_analysis.analysis.confounding.confounders import confounders
from sapo_analysis.analysis.confounding.influence import influence, leave_one_out
from sapo_analysis.analysis.estimate import FORMS, SCOPES, Form, plain
from sapo_analysis.analysis.indicators.board import indicator_board
from sapo_analysis.analysis.levels.correlation import within_task_correlation
from sapo_analysis.analysis.levels.repeated_measures import repeated_measures_correlation
from sapo_analysis.analysis.levels.slopes import task_slopes, theil_sen
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.planning import USUAL_HALF_WIDTH, USUAL_POWER, plan_study
from sapo_analysis.analysis.noise.claim_1_shares import claim_1_shares
from sapo_analysis.analysis.noise.components import variance_components
from sapo_analysis.analysis.noise.corrected import corrected_correlation
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.read_out import payoff_sentence, winner_sentence
from sapo_analysis.analysis.worth.payoff import original_prompts, selection_value
from sapo_analysis.store import Run

MOST_INFLUENTIAL = 10
"""Points that a report lists."""


def structures(df: pd.DataFrame, n_permutations: int, seed: int) -> dict[Form, Structure]:
    """Claim 2's parts in both forms; none where no current task has two other tasks."""
    return {form: cross_task_structure(df, form, n_permutations, seed) for form in FORMS}


def review(
    runs: Sequence[Run],
    df: pd.DataFrame,
    outcomes: Sequence[tuple[str, str]],
    n_permutations: int,
    seed: int,
) -> dict[str, Any]:
    """Plain data by section; those about an outcome hold an entry per outcome and form.

    Args:
        runs: What the table was made of.
        df: Their impacts table.
        outcomes: (quantity in score form, role).
        n_permutations: Shuffles for every p; 0 for none.
        seed: Seed of the shuffles.
    """
    original = original_prompts(runs)
    keys = [(in_form(name, form), role) for name, role in outcomes for form in FORMS]
    sections: dict[str, list[Any]] = {
        name: []
        for name in (
            *("slopes", "secondary", "corrected", "partial", "influence"),
            *("indicator_board", "selection_value", "planning"),
        )
    }
    for y, role in keys:
        of: dict[str, Any] = {"y": y, "role": role}
        sections["slopes"] += [
            *(theil_sen(df, scope=scope, **of).to_dict() for scope in SCOPES),
            *(slope.to_dict() for slope in task_slopes(df, **of)),
        ]
        sections["secondary"] += [
            *(
                within_task_correlation(
                    df, scope=scope, statistic="kendall", n_permutations=0, **of
                ).to_dict()
                for scope in SCOPES
            ),
            repeated_measures_correlation(df, **of).to_dict(),
        ]
        sections["corrected"].append(corrected_correlation(df, **of).to_dict())
        sections["partial"] += [
            one.to_dict() for one in confounders(df, n_permutations=n_permutations, seed=seed, **of)
        ]
        sections["influence"].append(_influence(df, y, role))
        board = indicator_board(df, n_permutations=n_permutations, seed=seed, **of)
        in_words = {"sentence": winner_sentence(board)}
        sections["indicator_board"].append({**board.to_dict(), **in_words})
        value = selection_value(df, original=original, **of)
        in_words = {"sentence": payoff_sentence(value)}
        sections["selection_value"].append({**value.to_dict(), **in_words})
        sections["planning"].append(_plans(df, y, role))
    found: dict[str, Any] = plain(
        {
            **sections,
            "variance_components": variance_components(df).to_dict("records"),
            "claim_1_shares": claim_1_shares(df).to_dict("records"),
        }
    )
    return found


def _plans(df: pd.DataFrame, y: str, role: str) -> dict[str, Any]:
    """The size of a next study, of a usual width and of a usual power for the effect seen here."""
    pilot = Pilot.of(df, y, role)
    return {
        "quantity": y,
        "role": role,
        "for_width": plan_study(pilot, half_width=USUAL_HALF_WIDTH).to_dict(),
        "for_power": plan_study(pilot, power=USUAL_POWER).to_dict(),
    }


def _influence(df: pd.DataFrame, y: str, role: str) -> dict[str, Any]:
    points = influence(df, y=y, role=role).head(MOST_INFLUENTIAL)
    return {
        "quantity": y,
        "role": role,
        "leave_one_out": leave_one_out(df, y=y, role=role).to_dict(),
        "points": points.to_dict("records"),
    }
