"""What a reader of sequence runs should be told before reading their numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.long_inputs import long_inputs
from sapo_analysis.plan import order_name
from sapo_analysis.spec import ImportedSequence
from sapo_analysis.store import Run

Place = tuple[str, str, int]
"""A chain's order, strategy and seed."""


def cautions(runs: Sequence[Run], metrics: pd.DataFrame) -> list[str]:
    """A sentence each; `metrics`: as `chain_metrics` gives them, of chains that are complete."""
    planned = [
        (order_name(order), str(strategy), seed)
        for run in runs
        for order in run.learned_in_turn.orders
        for strategy in run.learned_in_turn.chosen_strategies
        for seed in run.learned_in_turn.seeds
    ]
    there = set(metrics[["order", "strategy", "seed"]].itertuples(index=False, name=None))
    found = (
        _unequal(planned),
        _unpaired(planned),
        _incomplete(planned, there),
        *map(long_inputs, runs),
    )
    return [sentence for sentence in found if sentence] + [
        remark
        for run in runs
        if isinstance(run.study, ImportedSequence)
        for remark in run.study.remarks
    ]


def _unequal(planned: Sequence[Place]) -> str:
    """Strategies that were not given all the orders and seeds that others were."""
    places: dict[str, set[tuple[str, int]]] = {}
    for order, strategy, seed in planned:
        places.setdefault(strategy, set()).add((order, seed))
    every = set().union(*places.values())
    fewer = sorted(name for name, own in places.items() if own != every)
    if not fewer:
        return ""
    return (
        f"{', '.join(fewer)} ran on fewer orders and seeds than others: their means stand over"
        " other places and do not compare; contrasts are paired and do."
    )


def _unpaired(planned: Sequence[Place]) -> str:
    """Strategies that stand against nothing, since their method has no `original`."""
    names = dict.fromkeys(strategy for _, strategy, _ in planned)
    rivals = {name: f"original+{name.split('+')[1]}" for name in names}
    alone = {name: rival for name, rival in rivals.items() if rival not in names}
    if not alone:
        return ""
    verb = "stands" if len(alone) == 1 else "stand"
    return (
        f"{', '.join(alone)} {verb} against no original of their method; for contrasts run"
        f" {', '.join(dict.fromkeys(alone.values()))} too."
    )


def _incomplete(planned: Sequence[Place], there: set[Place]) -> str:
    missing = sorted(set(planned) - there)
    if not missing:
        return ""
    first = ", ".join(f"{s} on {o} with seed {n}" for o, s, n in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"{len(missing)} of {len(set(planned))} chains are not complete (not finished, or their"
        f" training diverged) and are left out: {first}{more}."
    )
