"""What stands behind one cell of a matrix: its chains, their prompts and losses, the examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from sapo_analysis.analysis.evidence import beside, worst_first
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.sequences.metrics import furthest
from sapo_analysis.errors import unknown
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.store import Run

CHAIN_COLUMNS = [
    *("run_id", "order", "seed", "eval_task", "prompt_id", "text", "learned_at"),
    *("pre_update_loss", "score_base", "score_learned", "score_now", "since_learned"),
    *("since_base", "loss_base", "loss_learned", "loss_now", "loss_since_learned"),
    "loss_since_base",
]
EXAMPLE_COLUMNS = [
    *("eval_task", "example", "input", "gold", "then", "now", "right_then", "right_now"),
    *("n_forgotten", "n_chains", "forgotten", "loss_change"),
]


class Cell(NamedTuple):
    """One cell of a strategy's task × stage matrix.

    Attributes:
        strategy: policy+method.
        stage: How many tasks have been learned by then; 0 is the base model.
        position: Of the task in its order, from 1.
        order: The order, as tables name it; None: all, the task at this position of each.
    """

    strategy: str
    stage: int
    position: int
    order: str | None = None

    @property
    def is_learned(self) -> bool:
        """Whether the task has been learned by then."""
        return self.position <= self.stage

    @property
    def then(self) -> int:
        """The stage that its outputs are held against.

        That at which the task was just learned; where it was not learned before, the base model.
        """
        return self.position if self.position < self.stage else 0


def cell_chains(
    scores: pd.DataFrame, found: pd.DataFrame, cell: Cell, test_prompts: str = "original"
) -> pd.DataFrame:
    """One row per chain whose score the cell's number is a mean of.

    Columns: `run_id`, `order`, `seed`, `eval_task`; `prompt_id` and `text` of the prompt that the
    chain learned the task with, `learned_at` (stage), `pre_update_loss` (of that prompt where it
    was chosen, as in `choices`; nats per token), all of them missing where the task is not learned
    yet; `score_base`, `score_learned` (when just learned), `score_now` (0 to 100), `since_learned`
    and `since_base` = now − that (points, negative: lost); `loss_base`, `loss_learned`, `loss_now`
    (nats per token), `loss_since_learned` and `loss_since_base` = now − that (positive: lost). What
    is not known is nan. All are over the examples that every stage shares.

    Args:
        scores: as `sequence_scores` gives them.
        found: as `choices` gives them.
        cell: which one.
        test_prompts: which of the three kinds.

    Raises:
        InputError: strategy, order, stage or position is not in the scores; known ones are named.
    """
    own = scores[(scores["test_prompts"] == test_prompts) & ~scores["is_final"]]
    if cell.order is not None:
        own = _only(own, "order", cell.order)
    own = furthest(_only(own, "strategy", cell.strategy))
    own = _only(own, "position", cell.position)
    now = _only(own, "stage", cell.stage)
    keys = ["order", "seed"]
    table = now[["run_id", *keys, "eval_task", "value", "loss"]].rename(
        columns={"value": "score_now", "loss": "loss_now"}
    )
    for stage, when in ((0, "base"), (cell.position, "learned")):
        then = own[own["stage"] == stage][[*keys, "value", "loss"]]
        table = table.merge(
            then.rename(columns={"value": f"score_{when}", "loss": f"loss_{when}"}),
            on=keys,
            how="left",
        )
    chosen = found[(found["strategy"] == cell.strategy) & (found["stage"] == cell.position)]
    chosen = chosen.rename(columns={"stage": "learned_at", "loss": "pre_update_loss"})
    of_choice = ["learned_at", "prompt_id", "text", "pre_update_loss"]
    table = table.merge(chosen[[*keys, *of_choice]], on=keys, how="left")
    if not cell.is_learned:
        later = ["score_learned", "loss_learned", "learned_at", "pre_update_loss"]
        table[later] = math.nan
        table[["prompt_id", "text"]] = None
    for when in ("base", "learned"):
        table[f"since_{when}"] = table["score_now"] - table[f"score_{when}"]
        table[f"loss_since_{when}"] = table["loss_now"] - table[f"loss_{when}"]
    return table[CHAIN_COLUMNS].astype({"learned_at": "Int64"})


def cell_means(chains: pd.DataFrame) -> pd.Series[float]:
    """Scores, losses and differences of a cell, by column: means over seeds, then over orders.

    Args:
        chains: as `cell_chains` gives them.
    """
    numbers = [name for name in CHAIN_COLUMNS if name.startswith(("score", "since", "loss"))]
    return chains.groupby("order", sort=False)[numbers].mean().mean()


def _only(own: pd.DataFrame, what: str, wanted: str | int) -> pd.DataFrame:
    if wanted not in set(own[what]):
        raise unknown(what, str(wanted), [str(value) for value in sorted(set(own[what]))])
    return own[own[what] == wanted]


def cell_examples(runs: Run | Sequence[Run], chains: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """The kept test examples of a cell's task, under its original prompt: most forgotten first.

    `then` is what `Cell.then` says. An example is forgotten in a chain when it was right then and
    is wrong now.

    Args:
        runs: the runs that the cell is of.
        chains: as `cell_chains` gives them.
        cell: which one.

    Returns:
        eval_task, example, input, gold, then and now (outputs of the first chain that forgot it,
        else of the first chain), right_then and right_now ("2 of 3": chains that answered it
        right), n_forgotten, n_chains, forgotten ("forgotten in 2 of 3 seeds", over several orders
        of chains), loss_change (now − then, mean over chains, nats per target token). Empty when
        no outputs were kept.

    Raises:
        RunError: a kept output has none of then, or no example, to stand beside.
    """
    parts = [_outputs(run, chains[chains["run_id"] == run.run_id], cell) for run in as_runs(runs)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=EXAMPLE_COLUMNS)
    outputs = pd.concat(parts, ignore_index=True)
    unit = "seed" if outputs["order"].nunique() == 1 else "chain"
    worst = worst_first(outputs, ["eval_task", "example"], ["order", "seed"], unit)
    worst = worst.rename(columns={"before": "then", "after": "now", "n": "n_chains"})
    for when, column in (("then", "n_right_before"), ("now", "n_right_after")):
        worst[f"right_{when}"] = [
            f"{k} of {n}" for k, n in zip(worst[column], worst["n_chains"], strict=True)
        ]
    return worst[EXAMPLE_COLUMNS]


def _outputs(run: Run, chains: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """One row per (chain, example): outputs now and then, and the example."""
    kept = run.table("predictions")
    kept = kept[kept["n_shots"] == 0]
    if kept.empty or chains.empty:
        return kept.head(0)
    states = _states(run, cell.strategy)
    key = ["state_id", "eval_task", "example"]
    outputs = kept[[*key, "output", "loss", "correct"]]
    sides = []
    for stage in (cell.stage, cell.then):
        of_chain = [
            states[order, seed, stage]
            for order, seed in zip(chains["order"], chains["seed"], strict=True)
        ]
        own = chains[["order", "seed", "eval_task"]].assign(state_id=of_chain)
        sides.append(own.merge(outputs, on=["state_id", "eval_task"]))
    now, then = sides
    if run.is_imported:  # outputs of the base model are not among the released files
        now = now.merge(then[["order", "seed", "eval_task", "example"]])
    on = ["order", "seed", "eval_task"]
    return beside(run, now, then, f"the state after stage {cell.then}", on=on, named="state_id")


def _states(run: Run, strategy: str) -> dict[tuple[str, int, int], str]:
    """The state of each chain of a strategy after each stage, by (order, seed, stage)."""
    chains = run.table("chains")
    own = chains[chains["policy"] + "+" + chains["method"] == strategy]
    places = zip(own["order"], own["seed"], own["stage"], strict=True)
    known = dict(zip(places, own["result_state_id"], strict=True))
    return {(order, seed, 0): BASE_STATE for order, seed, _ in known} | known
