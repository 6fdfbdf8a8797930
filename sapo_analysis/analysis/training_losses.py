"""Training losses by step: SAPO's pick, the original prompt and all prompts of each task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

POINTS = 20
"""Points of a curve: losses of single batches scatter, and a mean of neighbours says more."""

COLUMNS = ("task", "kind", "step", "loss", "lower", "upper", "n_prompts", "n_seeds")
KINDS = ("pick", "original", "prompts")


def losses_by_prompt(runs: Run | Sequence[Run], points: int = POINTS) -> pd.DataFrame:
    """One row per (current task, kind, step): how training went, over the seeds of the study.

    Kinds: `pick`, the prompt with the lowest pre-update loss at the state that each seed trains
    from; `original`, the prompt that the task came with; `prompts`, the mean over all prompts,
    which is what a random pick comes to. `loss` is the training loss of the next batch (nats per
    target token), the mean of neighbouring steps, then of the seeds that all prompts of the task
    share; `step` the mean of those steps. `lower` and `upper` (of `prompts` alone, else nan): the
    lowest and the highest of the prompts' own means over seeds.

    Main trials that are done; a kind that a task lacks has no rows.

    Args:
        runs: one run, or several that can be joined.
        points: of a curve, at most.

    Raises:
        InputError: no trial with training losses has ended.
    """
    trials = pd.concat([_trials(run) for run in as_runs(runs)], ignore_index=True)
    if trials.empty:
        raise InputError(
            "No main trial with training losses has ended: imported results have none, and a run"
            " under way gets them as its trials end."
        )
    frame = pd.DataFrame(_rows(trials, points), columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(("step", "loss", "lower", "upper"), float))


def thinned(curves: pd.DataFrame, keys: Sequence[str], points: int) -> pd.DataFrame:
    """Curves with so few points: means of `step` and `loss` over equally many neighbouring steps.

    Args:
        curves: columns `step` (from 0), `loss` and the keys; whole curves.
        keys: which columns tell the curves apart.
        points: of a curve, at most.
    """
    size = -(-(int(curves["step"].max()) + 1) // points)
    bins = (curves["step"] // size).rename("bin")
    by = [*(curves[key] for key in keys), bins]
    return curves.groupby(by, sort=False)[["step", "loss"]].mean().reset_index()


def curves_of(run: Run) -> pd.DataFrame:
    """Training losses of a run's trials: `trial_id`, `step`, `loss` (nats per target token)."""
    curves = run.table("curves")
    own = curves.loc[curves["series"] == "train_loss", ["trial_id", "step", "value"]]
    return own.rename(columns={"value": "loss"})


def _trials(run: Run) -> pd.DataFrame:
    """One row per step of every main trial that is done, with its pre-update loss and source."""
    trials = run.table("trials")
    main = trials[(trials["purpose"] == "main") & (trials["status"] == "done")]
    named = main.rename(columns={"current_task": "task"})
    named = named[["trial_id", "state_id", "task", "prompt_id", "seed"]]
    at = ["state_id", "task", "prompt_id"]
    losses = run.table("indicators").query("name == 'pre_update_loss'")[[*at, "value"]]
    prompts = run.table("prompts")[["task", "prompt_id", "source"]]
    return (
        named.merge(losses.rename(columns={"value": "pre_update_loss"}), on=at, how="left")
        .merge(prompts, on=["task", "prompt_id"], how="left")
        .merge(curves_of(run), on="trial_id")
    )


def _rows(trials: pd.DataFrame, points: int) -> Iterator[dict[str, object]]:
    for task, every in trials.groupby("task", sort=True):
        n_prompts = every["prompt_id"].nunique()
        shared = every.groupby("seed")["prompt_id"].nunique() == n_prompts
        own = every[every["seed"].isin(shared.index[shared])]
        if own.empty:
            continue
        curves = thinned(own, ["trial_id", "prompt_id", "seed"], points)
        by_prompt = curves.groupby(["prompt_id", "bin"])[["step", "loss"]].mean()
        once = own.drop_duplicates("trial_id").sort_values("prompt_id")
        picks = once.dropna(subset=["pre_update_loss"]).sort_values(
            "pre_update_loss", kind="stable"
        )
        kinds = {
            "pick": set(picks.drop_duplicates("seed")["trial_id"]),
            "original": set(once.loc[once["source"] == "original", "trial_id"]),
            "prompts": set(once["trial_id"]),
        }
        for kind, ids in kinds.items():
            of_kind = curves[curves["trial_id"].isin(ids)]
            for at, means in of_kind.groupby("bin")[["step", "loss"]].mean().iterrows():
                losses = by_prompt.xs(at, level="bin")["loss"]
                every_prompt = kind == "prompts"
                yield {
                    "task": task,
                    "kind": kind,
                    "step": means["step"],
                    "loss": means["loss"],
                    "lower": losses.min() if every_prompt else None,
                    "upper": losses.max() if every_prompt else None,
                    "n_prompts": n_prompts,
                    "n_seeds": own["seed"].nunique(),
                }
