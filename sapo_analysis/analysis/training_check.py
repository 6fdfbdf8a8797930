"""Did the fine-tunes of a study teach what they should: gains, ceilings, in-task spread, the past.

A study of forgetting says something about prompts only where every prompt has taught the task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.noise.prompt_effects import prompt_effects
from sapo_analysis.analysis.remembering import remembered
from sapo_analysis.analysis.selection import asked_for, of_role
from sapo_analysis.errors import RunError
from sapo_analysis.store import Run

LEAST_GAIN = 5.0
"""Points that every prompt's mean over seeds should gain on the task it teaches."""
LARGEST_SD = 1.5
"""Points of in-task standard deviation over prompts, seed noise removed, at most."""
LARGEST_SCORE = 97.0
"""Mean final in-task score at most: above it nothing could tell two prompts apart."""
NOT_MEASURED = "not measured on the task it teaches"
"""What imported results miss that have no row of the current task."""
LEAST_PAST_GAIN = 10.0
"""Points that a past task should have gained by being learned."""

COLUMNS = (
    "current_task",
    "score_before",
    "score_after",
    "least_gain",
    "in_task_sd",
    "in_task_sd_lower",
    "in_task_sd_upper",
    "misses",
)


@remembered
def training_check(df: pd.DataFrame) -> pd.DataFrame:
    """One row per current task of main trials: how well it was learned, and what is amiss.

    Args:
        df: The impacts table.

    Returns:
        `current_task`, `score_before` (mean over prompts and seeds, each under its own prompt,
        0 to 100), `score_after`, `least_gain` (the least over prompts of the mean gain over seeds,
        points), `in_task_sd` (σ_prompt of the final score, points), its `..._lower` and
        `..._upper`, and `misses`: the bounds of this module that the task misses, as text, empty
        if none. No rows before the first trial is done.
    """
    own = df[of_role(df, "current") & asked_for(df, None, None)]
    if own.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    spread = prompt_effects(own, "score_after", role="current").set_index("current_task")
    rows = []
    for task, part in own.groupby("current_task", sort=True):
        gain = part.groupby("prompt_id")["learning"].mean()
        # A task whose prompts share no seed has no row.
        sd = spread.reindex([task]).iloc[0]
        row = {
            "current_task": task,
            "score_before": part["score_before"].mean(),
            "score_after": part["score_after"].mean(),
            "least_gain": gain.min(),
            "in_task_sd": sd["sigma_prompt"],
            "in_task_sd_lower": sd["sigma_prompt_lower"],
            "in_task_sd_upper": sd["sigma_prompt_upper"],
        }
        rows.append({**row, "misses": "; ".join(_misses(row, str(gain.idxmin())))})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def past_gains(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (past task, state seed): its score before and after it was learned.

    Returns:
        `past_task`, `state_seed`, `score_before`, `score_after` (0 to 100, under the original
        prompt), `gain` and `misses`.

    Raises:
        RunError: a score is missing.
    """
    several = as_runs(runs)
    rows = {}
    for run in several:
        states = run.table("states")
        seed_of = dict(zip(states["state_id"], states["state_seed"], strict=True))
        scores = run.table("scores")
        measured = scores[scores["trial_id"].isna() & (scores["n_shots"] == 0)]
        trials = run.table("trials").query("purpose == 'past'")
        for trial in trials.itertuples():
            task = trial.current_task
            own = measured[
                (measured["eval_task"] == task) & (measured["test_prompt"] == trial.prompt_id)
            ]
            value_of = dict(zip(own["state_id"], own["value"], strict=True))
            for state in map(str, (trial.state_id, trial.result_state_id)):
                if state not in value_of:
                    raise RunError(
                        f"Run {run.run_id}: table scores has no score of state {state} on {task}"
                        f" under {trial.prompt_id}, which trial {trial.trial_id} needs."
                        " Copy the run folder in again, or run its spec.json again."
                    )
            before, after = value_of[trial.state_id], value_of[trial.result_state_id]
            miss = f"gained {after - before:.1f} of at least {LEAST_PAST_GAIN:g} points"
            rows[trial.trial_id] = {
                "past_task": task,
                "state_seed": int(seed_of[trial.result_state_id]),
                "score_before": before,
                "score_after": after,
                "gain": after - before,
                "misses": miss if after - before < LEAST_PAST_GAIN else "",
            }
    columns = ["past_task", "state_seed", "score_before", "score_after", "gain", "misses"]
    table = pd.DataFrame(list(rows.values()), columns=columns)
    return table.sort_values(["past_task", "state_seed"], ignore_index=True)


def _misses(row: dict[str, float], worst: str) -> list[str]:
    found = []
    if row["least_gain"] < LEAST_GAIN:
        found.append(f"{worst} gains {row['least_gain']:.1f} of at least {LEAST_GAIN:g} points")
    if math.isnan(row["score_after"]):
        found.append("final in-task score not given")
    elif math.isnan(row["in_task_sd"]):
        found.append("in-task sd not measured: no two seeds that all prompts share")
    if row["in_task_sd"] > LARGEST_SD:
        found.append(f"in-task sd {row['in_task_sd']:.1f}, at most {LARGEST_SD:g}")
    if row["score_after"] > LARGEST_SCORE:
        found.append(f"final score {row['score_after']:.1f}, at most {LARGEST_SCORE:g}")
    return found
