"""The impacts table: what each fine-tune did to each evaluated task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from sapo_analysis.analysis.joining import as_runs, check_joinable
from sapo_analysis.analysis.quantities import QUANTITIES
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import Run

HEADLINE_INDICATOR = "pre_update_loss"
CurrentTest = Literal["training", "original"]
CURRENT_TESTS: tuple[CurrentTest, ...] = ("training", "original")
"""Prompts that the current task can be tested with: that of the trial, or its original one."""
COLUMNS = (
    *(
        "run_id",
        "trial_id",
        "current_task",
        "prompt_id",
        "state_seed",
        "seed",
        "purpose",
        "eval_task",
        "role",
    ),
    *(HEADLINE_INDICATOR, "loss_change", "score_change"),
    *(quantity.name for quantity in QUANTITIES),
    *(f"{quantity.name}_loss" for quantity in QUANTITIES),
    *(
        "state_id",
        "test_prompt",
        "metric",
        "score_before",
        "score_after",
        "loss_before",
        "loss_after",
    ),
)
"""Columns of every impacts table, in order; the other indicators of the run follow."""

_PURPOSES = ("main", "noise")
"""What an impacts table holds. Past tasks are no trial of the study; repeats measure rounding."""


def impacts(
    runs: Run | Sequence[Run], step: int | None = None, current_test: CurrentTest = "training"
) -> pd.DataFrame:
    """One row per (trial, evaluated task) of finished main and noise trials.

    `before` is the trial's parent state under the same test prompt: the task's original prompt, for
    the current task the trial's own training prompt. `loss_change` = loss after - before (nats per
    target token), `score_change` = score after - before (points of 0 to 100). `forgetting`,
    `generalization`, `learning`, `impact` are in score form, `..._loss` in loss form
    (`quantities.QUANTITIES` has formulas and signs); NaN where a quantity is not defined for the
    role. `state_seed` is null where no past was learned. Diverged trials have no rows. Several runs
    are joined; a trial that two of them share counts once. Imported results are as they were given;
    where only changes were, the columns before and after are NaN.

    Args:
        runs: One run, or several that differ in tasks, prompts and seeds only.
        step: "After" is after so many optimizer steps, a checkpoint of the runs; without it, at the
            end.
        current_test: Which prompt the current task is tested with: the one it was trained with, or
            its original one. Every other task is tested with its original prompt.

    Raises:
        RunError: a finished trial lacks a score before or after, or its pre-update loss.
        InputError: the runs cannot be joined; the differing keys are named. Or nothing was measured
            at that step.
    """
    several = as_runs(runs)
    check_joinable(several)
    table = pd.concat([_impacts(run, step, current_test) for run in several], ignore_index=True)
    return table if len(several) == 1 else _each_trial_once(table)


def current_tests(runs: Run | Sequence[Run]) -> tuple[CurrentTest, ...]:
    """The prompts that all of these runs tested their current tasks with."""
    for run in as_runs(runs):
        if run.is_imported:
            return ("training",)
        trials = run.table("trials")[["trial_id", "current_task", "prompt_id"]]
        own = run.table("scores").merge(trials, on="trial_id")
        own = own[(own["eval_task"] == own["current_task"]) & (own["n_shots"] == 0)]
        if _is_original(run, own).eq(own["test_prompt"] == own["prompt_id"]).all():
            return ("training",)
    return CURRENT_TESTS


def n_diverged(run: Run) -> int:
    """How many main and noise trials diverged and are therefore in no table."""
    trials = run.table("trials")
    return int((trials["purpose"].isin(_PURPOSES) & (trials["status"] == "diverged")).sum())


def _impacts(run: Run, step: int | None, current_test: CurrentTest) -> pd.DataFrame:
    if run.is_sequence and run.is_imported:
        _ = run.paraphrase  # its trials are measured in turn, not against one parent state
    if run.is_imported:
        return _imported(run, step)
    trials = run.table("trials")
    wanted = trials["purpose"].isin(_PURPOSES) & (trials["status"] == "done")
    return trial_impacts(run, trials[wanted], step, current_test)


def _imported(run: Run, step: int | None) -> pd.DataFrame:
    """The rows of imported results, which were checked when they came in."""
    if step is not None:
        raise InputError(
            f"Run {run.run_id} holds imported results, which are those at the end of training."
            " Leave step out."
        )
    table = with_quantities(run.table("impacts").astype({"state_seed": "Int64"}))
    given = run.table("imported_indicators")
    wide = given.pivot(index="trial_id", columns="name", values="value").rename_axis(columns=None)
    table = table.merge(wide, left_on="trial_id", right_index=True, how="left")
    table["run_id"] = run.run_id
    return table[[*COLUMNS, *sorted(map(str, wide.columns))]]


def trial_impacts(
    run: Run,
    trials: pd.DataFrame,
    step: int | None = None,
    current_test: CurrentTest = "training",
) -> pd.DataFrame:
    """The rows and columns of `impacts` for some finished trials of one run, whatever they are for.

    Raises:
        RunError: a trial lacks a score before or after, or its pre-update loss.
        InputError: nothing was measured at that step.
    """
    scores = run.table("scores")
    scores = scores[scores["n_shots"] == 0]
    measured = _measured_step(run, step, scores)
    after = _after(run, trials, scores[scores["trial_id"].notna()], measured, current_test)
    table = _with_before(run, after, scores[scores["trial_id"].isna() & (scores["step"] == 0)])
    table, indicators = _with_indicators(run, with_changes(table))
    table["run_id"] = run.run_id
    return table[[*COLUMNS, *indicators]]


def with_changes(table: pd.DataFrame) -> pd.DataFrame:
    """A table of scores and losses before and after, with what follows from them filled in."""
    return with_quantities(
        table.assign(
            score_change=table["score_after"] - table["score_before"],
            loss_change=table["loss_after"] - table["loss_before"],
        )
    )


def with_quantities(table: pd.DataFrame) -> pd.DataFrame:
    """A table of score_change, loss_change and role, with every quantity of the role filled in."""
    table = table.copy()
    for quantity in QUANTITIES:
        defined = table["role"].isin(quantity.roles)
        table[quantity.name] = (quantity.score_sign * table["score_change"]).where(defined)
        table[f"{quantity.name}_loss"] = (-quantity.score_sign * table["loss_change"]).where(
            defined
        )
    return table


def _measured_step(run: Run, step: int | None, scores: pd.DataFrame) -> int:
    study = run.paraphrase
    # A fine-tune in two stages takes more steps than those of `training` alone.
    last = scores.loc[scores["trial_id"].notna(), "step"].max()
    end = study.training.steps if pd.isna(last) else max(study.training.steps, int(last))
    measured = (*study.evaluation.checkpoints, end)
    if step is not None and step not in measured:
        listed = ", ".join(map(str, measured))
        raise InputError(
            f"Run {run.run_id} has no scores after {step} steps. Measured after: {listed}."
        )
    return measured[-1] if step is None else step


def _after(
    run: Run, trials: pd.DataFrame, scores: pd.DataFrame, step: int, current_test: CurrentTest
) -> pd.DataFrame:
    """The evaluation of every trial on every task of the study at a step, with the trial's keys."""
    states = run.table("states")[["state_id", "state_seed"]].astype({"state_seed": "Int64"})
    keys = trials[["trial_id", "state_id", "seed", "purpose", "current_task", "prompt_id"]]
    keys = keys.merge(states, on="state_id", how="left")
    then = scores["step"] == step
    wanted = ["trial_id", "eval_task", "test_prompt", "role", "metric", "value", "loss"]
    rows = keys.merge(scores.loc[then, wanted], on="trial_id", how="inner")
    original = _is_original(run, rows)
    current = (rows["eval_task"] == rows["current_task"]) & (current_test == "training")
    rows = rows[(rows["test_prompt"] == rows["prompt_id"]).where(current, original)]
    study = run.paraphrase
    tasks = [*study.past, *study.current, *study.unseen, *study.retained]
    measured = rows.groupby(["trial_id", "eval_task"]).size().unstack().reindex(columns=tasks)
    complete = measured.reindex(keys["trial_id"]).notna()
    for trial_id in complete.index[~complete.all(axis=1)]:
        task = complete.columns[~complete.loc[trial_id]][0]
        raise _missing(run, trial_id, f"score after {step} steps on task {task!r}")
    return rows.rename(columns={"value": "score_after", "loss": "loss_after"})


def _is_original(run: Run, rows: pd.DataFrame) -> pd.Series[bool]:
    prompts = run.table("prompts")
    others = prompts.loc[prompts["source"] != "original", ["task", "prompt_id"]]
    keys = ["eval_task", "test_prompt"]
    others = others.drop_duplicates().set_axis(keys, axis=1).assign(_other=True)
    found = rows[keys].merge(others, on=keys, how="left")["_other"]
    return pd.Series(found.isna().to_numpy(), index=rows.index, dtype=bool)


def _with_before(run: Run, after: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    keys = ["state_id", "eval_task", "test_prompt"]
    before = scores[[*keys, "value", "loss"]].rename(
        columns={"value": "score_before", "loss": "loss_before"}
    )
    if before.duplicated(keys).any():
        twice = before.loc[before.duplicated(keys), keys].iloc[0].to_dict()
        raise RunError(
            f"Run {run.run_id}: state {twice} was measured twice. Run its spec.json again."
        )
    table = after.merge(before, on=keys, how="left")
    for row in table[table["score_before"].isna()].itertuples():
        raise _missing(
            run,
            str(row.trial_id),
            f"score before the update on {row.eval_task!r} under {row.test_prompt!r}",
        )
    return table


def _with_indicators(run: Run, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    keys = ["state_id", "task", "prompt_id"]
    wide = run.table("indicators").pivot(index=keys, columns="name", values="value").reset_index()
    wide = wide.rename(columns={"task": "current_task"}).rename_axis(columns=None)
    table = table.merge(wide, on=["state_id", "current_task", "prompt_id"], how="left")
    if HEADLINE_INDICATOR not in table:
        table[HEADLINE_INDICATOR] = float("nan")
    for row in table[table[HEADLINE_INDICATOR].isna()].itertuples():
        raise _missing(run, str(row.trial_id), f"pre-update loss of prompt {row.prompt_id!r}")
    return table, sorted(
        set(wide.columns) - {"state_id", "current_task", "prompt_id", HEADLINE_INDICATOR}
    )


def _each_trial_once(table: pd.DataFrame) -> pd.DataFrame:
    roles = table.groupby(["trial_id", "eval_task"])["role"].nunique()
    if (roles > 1).any():
        trial_id, task = roles[roles > 1].index[0]
        raise InputError(
            f"The runs to be joined give task {task!r} different roles in trial {trial_id}."
            " Declare it unseen or retained in all of them, or report the runs one at a time."
        )
    # One run's noise trial can be another run's main trial: the main one stays.
    main_first = table.assign(_late=table["purpose"] == "noise").sort_values("_late", kind="stable")
    kept = main_first.drop_duplicates(["trial_id", "eval_task"]).sort_index()
    return kept.drop(columns="_late").reset_index(drop=True)


def _missing(run: Run, trial_id: str, what: str) -> RunError:
    return RunError(
        f"Run {run.run_id}: trial {trial_id} has no {what}. A missing number never becomes a zero."
        " Copy the run folder in again, or run its spec.json again."
    )
