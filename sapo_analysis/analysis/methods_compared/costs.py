"""What a fine-tune took by method, as runs' own tables have it, and beside plain LoRA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.store import Run

COST_COLUMNS = [
    *("method", "run_id", "steps", "train_seconds", "tokens", "model_flops"),
    *("trained_values", "n_fine_tunes"),
]
RATIOS = {"time_ratio": "train_seconds", "tokens_ratio": "tokens", "flops_ratio": "model_flops"}
"""What is told relative to plain LoRA, and of which column."""
_BESIDE = "lora"
_OF_PAST = "stage-"
"""How groups of work of a paraphrase study begin that learn a past task, with LoRA."""
_SAME_MACHINE = ("device", "hardware", "threads", "processor", "dtype")


def fine_tune_costs(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (run, method): means over its fine-tunes.

    `steps`: optimizer steps of its main fine-tunes that are done, of all phases. `train_seconds`:
    of one fine-tune on the run's device; fine-tunes that were trained at once share their time
    evenly. `tokens`: read in training one, in all passes. `model_flops`: floating-point operations
    of the model in training one. These three are, in paraphrase studies, means over main, noise and
    repeated fine-tunes, as costs are kept by group of work; nan where fine-tunes were taken over
    from another run. Of sequences tokens and operations are nan. `trained_values`: numbers that a
    fine-tune trains; nan of runs that do not say. `n_fine_tunes`: main ones that were counted.
    Imported results have no rows.
    """
    parts = [_of_run(run) for run in as_runs(runs) if not run.is_imported]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COST_COLUMNS)


def relative_costs(family: Sequence[Run]) -> pd.DataFrame:
    """`fine_tune_costs` of runs that are compared, with `RATIOS` to plain LoRA among them.

    LoRA of the same run; where that has none, the mean over the other runs that have it: for time
    those on an equal machine alone. nan where there is none. Times of runs that stood beside other
    work say little; tokens and operations hang on no machine.
    """
    table = fine_tune_costs(family)
    machines = {run.run_id: _machine(run) for run in family}
    for name, column in RATIOS.items():
        ratios = [
            row[column] / _reference(table, row["run_id"], column, machines)
            for row in table.to_dict("records")
        ]
        table[name] = pd.Series(ratios, index=table.index, dtype=float)
    return table


def _reference(
    table: pd.DataFrame, run_id: str, column: str, machines: dict[str, tuple[Any, ...]]
) -> float:
    own = table[table["method"] == _BESIDE]
    if (own["run_id"] == run_id).any():
        own = own[own["run_id"] == run_id]
    elif column == "train_seconds":
        own = own[[machines[one] == machines[run_id] for one in own["run_id"]]]
    return float(own[column].mean()) if len(own) else NAN


def choosing_ratios(runs: Sequence[Run]) -> dict[tuple[str, str], float]:
    """What the choices of (policy, method) took ÷ what a fine-tune of plain LoRA takes (time).

    Seconds per stage in the same run, mean over runs. Of sequences alone: paraphrase studies score
    every prompt, whatever policy is asked about. Runs without LoRA are left out.
    """
    parts: list[pd.Series[float]] = []
    for run in runs:
        if run.is_sequence:
            chains = _done(run)
            beside = chains.loc[chains["method"] == _BESIDE, "train_seconds"].mean()
            by = chains.groupby(["policy", "method"], sort=False)["choice_seconds"]
            parts.append(by.mean() / beside)
    if not parts:
        return {}
    means = pd.concat(parts).dropna().groupby(level=["policy", "method"]).mean()
    return dict(zip(means.index.tolist(), means.tolist(), strict=True))


def _machine(run: Run) -> tuple[Any, ...]:
    return tuple(run.provenance.get(name) for name in _SAME_MACHINE)


def _of_run(run: Run) -> pd.DataFrame:
    curves = run.table("curves")
    losses = curves[curves["series"] == "train_loss"]
    steps = losses.groupby("trial_id")["step"].max() + 1  # a row at each step's start, from 0
    table = _fine_tunes(run)
    table = table.assign(steps=table["trial_id"].map(steps).astype(float))
    by = table.groupby("method", sort=False)
    found = by.agg(
        steps=("steps", "mean"),
        train_seconds=("train_seconds", "mean"),
        n_fine_tunes=("trial_id", "size"),
    )
    found = found.reset_index().assign(run_id=run.run_id, tokens=NAN, model_flops=NAN)
    if not run.is_sequence:
        found = found.assign(**_per_trial(run))
    known = run.provenance.get("trained_values") or {}
    values = found["method"].map(known).astype(float)
    return found.assign(trained_values=values)[COST_COLUMNS]


def _fine_tunes(run: Run) -> pd.DataFrame:
    """`trial_id`, `method`, `train_seconds`; chains of one method that share one count once."""
    if run.is_sequence:
        own = _done(run)[["trial_id", "method", "train_seconds"]]
        return own.drop_duplicates(["trial_id", "method"])
    trials = run.table("trials")
    done = (trials["status"] == "done") & (trials["purpose"] == "main")
    return trials.loc[done, ["trial_id", "method"]].assign(train_seconds=NAN)


def _done(run: Run) -> pd.DataFrame:
    """The stages of chains that ended with a state."""
    chains = run.table("chains")
    return chains[chains["result_state_id"].map(lambda state: isinstance(state, str)).astype(bool)]


def _per_trial(run: Run) -> dict[str, float]:
    """Seconds, tokens and operations of one fine-tune of a paraphrase study."""
    trials = run.table("trials")
    n = int((trials["purpose"] != "past").sum())
    if not n or run.provenance.get("reused"):  # costs of what was taken over stayed where it was
        return {}
    costs = run.table("costs")
    own = costs[(costs["phase"] == "train") & ~costs["group"].str.startswith(_OF_PAST)]
    if own.empty:
        return {}
    total = own[["seconds", "tokens", "model_flops"]].sum() / n
    return {
        "train_seconds": float(total["seconds"]),
        "tokens": float(total["tokens"]),
        "model_flops": float(total["model_flops"]),
    }
