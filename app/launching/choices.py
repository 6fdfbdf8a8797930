"""What tables and buttons of the form stand for, as settings of a spec."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sapo_analysis.app.launching.start import rotations
from sapo_analysis.errors import InputError
from sapo_analysis.spec import METHODS, POLICIES, as_strategy

ROLES = ("current", "past", "unseen", "retained")
OFF = "off"


def tasks_by_role(
    before: Mapping[str, Sequence[str]], chosen: Mapping[str, str]
) -> dict[str, list[str]]:
    """The tasks of each role, from the role of each task.

    Those that had the role already keep their turn: past tasks are learned in their order.
    """
    found = {}
    for role in ROLES:
        old = [task for task in before[role] if chosen.get(task) == role]
        found[role] = [*old, *(t for t, one in chosen.items() if one == role and t not in old)]
    return found


def orders_of(
    before: Sequence[Sequence[str]],
    order: Sequence[str],
    n: int,
    fixed: Collection[str] = (),
) -> list[list[str]]:
    """`n` orders from the first one, each turned on by one task, at most one per task.

    Orders that came from elsewhere stay as they are until their first or their number is changed.
    `fixed` are tasks that keep their place in every order; the others are turned around them.
    """
    if list(before[0]) == list(order) and len(before) == n:
        return [list(one) for one in before]
    moving = tuple(task for task in order if task not in fixed)
    turned = map(iter, rotations(moving, n) or [()])
    return [[task if task in fixed else next(others) for task in order] for others in turned]


def strategies_of(
    before: Sequence[str], policies: Collection[str], methods: Collection[str]
) -> list[str]:
    """Strategies of these policies and methods, those that were there first.

    Only what is new is crossed with the rest: a choice of pairs is not filled up to a grid.
    """
    pairs = [pair_of(name) for name in before]
    old_policies, old_methods = ({pair[i] for pair in pairs} for i in (0, 1))
    kept = [
        name
        for name, (policy, method) in zip(before, pairs, strict=True)
        if policy in policies and method in methods
    ]
    added = [
        policy if method == "lora" else f"{policy}+{method}"
        for method in METHODS
        for policy in POLICIES
        if policy in policies
        and method in methods
        and (policy not in old_policies or method not in old_methods)
    ]
    return [*kept, *added]


def pair_of(strategy: str) -> tuple[str, str]:
    """Policy and method of a strategy; two empty texts for what is none."""
    try:
        found = as_strategy(strategy)
    except InputError:
        return "", ""
    return found.policy, found.method
