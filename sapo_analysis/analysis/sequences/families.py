"""Which sequence runs are one study in several orders."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run


def families(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that can be read as one, together: each joins the first family that it fits into.

    A family has the same tasks, strategies, settings and candidates, and each order once.
    """
    found: list[list[Run]] = []
    for run in runs:
        for family in found:
            if _fits(family, run):
                family.append(run)
                break
        else:
            found.append([run])
    return found


def _fits(family: Sequence[Run], run: Run) -> bool:
    first, study = family[0].learned_in_turn, run.learned_in_turn
    known = {order for own in family for order in own.learned_in_turn.orders}
    alike = set(study.tasks) == set(first.tasks) and study.strategies == first.strategies
    if not alike or known & set(study.orders):
        return False
    try:
        check_joinable([family[0], run])
    except InputError:
        return False
    return True
