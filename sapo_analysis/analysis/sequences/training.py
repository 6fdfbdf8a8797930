"""Training losses of sequences by stage and step."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.training_losses import POINTS, curves_of, thinned
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

COLUMNS = ("strategy", "policy", "method", "stage", "step", "loss", "n_orders", "n_chains")


def losses_by_stage(
    runs: Run | Sequence[Run], order: str = "", points: int = POINTS
) -> pd.DataFrame:
    """One row per (strategy, stage, step): training loss of the next batch (nats per target token).

    Means of neighbouring steps, then over seeds within an order, then over orders. Only chains that
    finished every stage enter, so that stages do not differ by which chains are in them.

    Args:
        runs: one run, or several that can be joined.
        order: one order of tasks; "": all.
        points: of a curve, at most.

    Raises:
        InputError: no such order, or no chain of it is complete and has training losses.
    """
    found = pd.concat([_stages(run) for run in as_runs(runs)], ignore_index=True)
    if order:
        found = found[found["order"] == order]
    if found.empty:
        where = f" of the order {order!r}" if order else ""
        raise InputError(
            f"No chain{where} with training losses is complete yet; imported sequences have none."
        )
    chain = ["policy", "method", "order", "seed", "stage"]
    curves = thinned(found, chain, points)
    strategy = ["policy", "method", "stage", "bin"]
    orders = curves.groupby([*strategy, "order"], sort=False).agg(
        step=("step", "mean"), loss=("loss", "mean"), n_chains=("seed", "size")
    )
    means = orders.groupby(strategy, sort=False).agg(
        step=("step", "mean"),
        loss=("loss", "mean"),
        n_orders=("loss", "size"),
        n_chains=("n_chains", "sum"),
    )
    table = means.reset_index()
    table["strategy"] = table["policy"] + "+" + table["method"]
    return table[list(COLUMNS)]


def _stages(run: Run) -> pd.DataFrame:
    """One row per step of every stage of the chains that finished all of them."""
    chains = run.table("chains")
    chain = ["order", "policy", "method", "seed"]
    done = chains["result_state_id"].map(lambda state: isinstance(state, str))
    finished = done.groupby([chains[key] for key in chain]).transform("sum")
    n_stages = len(run.learned_in_turn.tasks)
    whole = chains[finished == n_stages]
    return whole[[*chain, "stage", "trial_id"]].merge(curves_of(run), on="trial_id")
