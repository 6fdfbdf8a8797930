"""Scores behind demonstrations: what a fine-tune did when each test input follows solved ones."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.store import Run

_KEY = ["state_id", "eval_task", "n_shots"]


def few_shot_scores(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per state or trial, evaluated task and number of demonstrations.

    All are measured at the end, under each task's original prompt and on the examples that every
    stage shares. `before` is the state that it started from, behind as many demonstrations. The
    rows without demonstrations stand beside the others, so that the two can be held together; runs
    that showed none have these alone, imported results have no rows.

    Returns:
        `run_id`, `state_id` (of a trial its parent state), `trial_id` (null: the state itself),
        `eval_task`, `role` (null for states), `n_shots` (demonstrations), `n_examples`, `value` (0
        to 100), `loss` (nats per target token), `value_before`, `loss_before`, `value_change` and
        `loss_change` = that less before (points, nats per target token); nan for the base model.
    """
    parts = [_of_run(run) for run in as_runs(runs) if not run.is_imported]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)


_COLUMNS = [
    *("run_id", "state_id", "trial_id", "eval_task", "role", "n_shots", "n_examples"),
    *("value", "loss", "value_before", "loss_before", "value_change", "loss_change"),
]


def _of_run(run: Run) -> pd.DataFrame:
    prompts = run.table("prompts")
    originals = prompts.loc[prompts["source"] == "original", ["task", "prompt_id"]]
    originals = originals.drop_duplicates().set_axis(["eval_task", "test_prompt"], axis=1)
    scores = run.table("scores").merge(originals, on=["eval_task", "test_prompt"])
    n_examples = run.made_here("be read here").evaluation.examples
    scores = scores.loc[scores["n_examples"] == n_examples]
    of_trial = scores["trial_id"].notna()
    states = scores[~of_trial]
    ended = run.table("trials").query("status == 'done'")["trial_id"]
    trials = scores[of_trial & scores["trial_id"].isin(ended)]
    # Checkpoints on the way are measured without demonstrations.
    trials = trials[trials["step"] == trials.groupby("trial_id")["step"].transform("max")]
    parents = run.table("states")[["state_id", "parent_id"]]
    found = pd.concat(
        [
            states.merge(parents, on="state_id", how="left"),
            trials.assign(parent_id=trials["state_id"]),
        ],
        ignore_index=True,
    )
    before = states[[*_KEY, "value", "loss"]].rename(
        columns={"state_id": "parent_id", "value": "value_before", "loss": "loss_before"}
    )
    table = found.merge(before, on=["parent_id", "eval_task", "n_shots"], how="left")
    for name in ("value", "loss"):
        table[f"{name}_change"] = table[name] - table[f"{name}_before"]
    return table.assign(run_id=run.run_id)[_COLUMNS]
