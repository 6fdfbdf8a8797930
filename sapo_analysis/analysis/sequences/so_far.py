"""How strategies stand while their chains are under way. It is described, never judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from sapo_analysis.analysis.continual import continual_metrics
from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.sequences.choices import choosing_cost
from sapo_analysis.analysis.sequences.metrics import interval_of, means_over, score_matrix, unit_of

COLUMNS = [
    *("strategy", "chains", "stages_done", "ap", "bwt", "fwt", "share"),
    *("over_original", "lower", "upper"),
]
_CHAIN = ["order", "strategy", "seed"]
Chains = dict[tuple[str, str, int], tuple[Floats, int]]
"""By order, strategy and seed: scores by stage (θ_0 first) and position; planned stages."""


def standings(scores: pd.DataFrame, choices: pd.DataFrame) -> pd.DataFrame:
    """One row per strategy: its metrics so far, with original test prompts.

    Columns: `chains` that have a stage; `stages_done` over all of them; `ap`: mean score on the
    tasks learned so far; `bwt` and `fwt` over the stages so far, nan where no stage has any yet;
    means over chains, on the examples that all stages share. `share`: of choosing in choosing and
    training, by time. `over_original`: `ap` − that of `original` with the same method, paired by
    order and seed, each pair at the last stage that both have; `lower` and `upper` as `contrasts`
    has them.

    Args:
        scores: as `sequence_scores` gives them.
        choices: as `choices` gives them.
    """
    shared = scores[(scores["test_prompts"] == "original") & ~scores["is_final"]]
    chains: Chains = {}
    for _, own in shared.groupby(_CHAIN, sort=False):
        first = own.iloc[0]
        if own["stage"].max() > 0:
            key = (str(first["order"]), str(first["strategy"]), int(first["seed"]))
            chains[key] = score_matrix(own, "value"), int(first["n_stages"])
    cost = choosing_cost(choices).set_index("strategy")["share"]
    rows = []
    for strategy in dict.fromkeys(name for _, name, _ in chains):
        mine = [found for (_, name, _), found in chains.items() if name == strategy]
        values = pd.DataFrame([_metrics(matrix, n) for matrix, n in mine])
        row: dict[str, Any] = {
            "strategy": strategy,
            "chains": len(mine),
            "stages_done": sum(len(matrix) - 1 for matrix, _ in mine),
            **{name: float(values[name].mean()) for name in ("ap", "bwt", "fwt")},
            "share": cost.get(strategy, NAN),
        }
        rows.append({**row, **_difference(strategy, chains)})
    return pd.DataFrame(rows, columns=COLUMNS)


def _metrics(matrix: Floats, n: int) -> dict[str, float]:
    """AP, BWT and FWT of one chain after the stages that its matrix has (θ_0 first)."""
    last = len(matrix) - 1
    learned = matrix[1:, :last]
    known = continual_metrics(learned.tolist(), matrix[0, :last].tolist())
    ahead = [(matrix[i, i:] - matrix[0, i:]).mean() for i in range(1, min(last, n - 1) + 1)]
    fwt = float(sum(ahead) / len(ahead)) if ahead else NAN
    return {"ap": known.ap, "bwt": known.bwt, "fwt": fwt}


def _difference(strategy: str, chains: Chains) -> dict[str, float]:
    rows = pd.DataFrame(_pairs(strategy, chains), columns=["order", "seed", "difference"])
    if rows.empty:
        return {"over_original": NAN, "lower": NAN, "upper": NAN}
    mean, lower, upper = interval_of(means_over(rows, "difference", unit_of(rows)))
    return {"over_original": mean, "lower": lower, "upper": upper}


def _pairs(strategy: str, chains: Chains) -> Iterator[tuple[str, int, float]]:
    policy, method = strategy.split("+")
    for (order, name, seed), (matrix, _) in chains.items():
        other = chains.get((order, f"original+{method}", seed))
        if name == strategy and policy != "original" and other is not None:
            last = min(len(matrix), len(other[0])) - 1
            yield order, seed, float((matrix[last, :last] - other[0][last, :last]).mean())
