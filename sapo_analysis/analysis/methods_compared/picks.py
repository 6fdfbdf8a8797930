"""What policies would have chosen in a paraphrase study, from the trials that are there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from sapo_analysis.analysis.impacts import HEADLINE_INDICATOR
from sapo_analysis.policies import Situation, get_policy
from sapo_analysis.spec import PolicyName
from sapo_analysis.store import Run

RANDOM: PolicyName = "random"
SIMULATED: tuple[PolicyName, ...] = ("original", RANDOM, "sapo", "sapp", "shortest")
"""Policies whose choice follows from what a paraphrase study measured before its fine-tunes. Left
out are `paft`, which draws while it trains, and `sapo-once`, whose losses at the base model are not
taken where something was learned before."""
PICK_COLUMNS = ["policy", "tuned_task", "seed", "prompt_id"]


def picks(runs: Sequence[Run]) -> pd.DataFrame:
    """The prompts that each policy of `SIMULATED` would have trained with, by task and seed.

    Candidates are the prompts whose main trial is done there, the original first; one that diverged
    is none, so a policy that would choose such prompts looks better than it is. The choice is the
    policy's own (`sapo_analysis.policies`): of equal losses the first. `random` has all candidates:
    the mean over them is what a draw comes to. With one candidate everywhere there is nothing to
    choose, and `original` alone has rows.

    Args:
        runs: paraphrase studies that can be joined: their prompts are one pool.

    Returns:
        `PICK_COLUMNS`.
    """
    known = pd.concat([_candidates(run) for run in runs], ignore_index=True)
    known = known.drop_duplicates(["tuned_task", "seed", "prompt_id"])
    found = pd.DataFrame(_picked(known), columns=PICK_COLUMNS)
    if not known.duplicated(["tuned_task", "seed"]).any():
        found = found[found["policy"] == "original"]
    return found


def _candidates(run: Run) -> pd.DataFrame:
    """A row per main trial that is done: its loss before, its prompt's length, its source."""
    trials = run.table("trials")
    main = trials[(trials["purpose"] == "main") & (trials["status"] == "done")]
    main = main.rename(columns={"current_task": "tuned_task"})
    main = main[["tuned_task", "seed", "state_id", "prompt_id"]]
    losses = run.table("indicators")
    losses = losses[losses["name"] == HEADLINE_INDICATOR]
    losses = losses.rename(columns={"task": "tuned_task", "value": "loss"})
    key = ["state_id", "tuned_task", "prompt_id"]
    prompts = run.table("prompts").rename(columns={"task": "tuned_task"})
    prompts["place"] = range(len(prompts))
    rows = main.merge(losses[[*key, "loss"]], on=key, how="left")
    about = ["tuned_task", "prompt_id", "source", "n_tokens", "place"]
    return rows.merge(prompts[about], on=["tuned_task", "prompt_id"])


def _picked(known: pd.DataFrame) -> Iterator[tuple[str, str, int, str]]:
    known = known.assign(is_other=known["source"] != "original").sort_values(["is_other", "place"])
    for (task, seed), own in known.groupby(["tuned_task", "seed"], sort=False):
        ids = own["prompt_id"].tolist()
        at = Situation(
            state_id=str(own["state_id"].iloc[0]),
            task=str(task),
            learned=(),
            seed=int(str(seed)),
            candidates=(),
            n_tokens=own["n_tokens"].tolist(),
            losses=own["loss"].tolist(),
        )
        for name in SIMULATED:
            if name == RANDOM:
                yield from ((name, at.task, at.seed, one) for one in ids)
            elif _can_choose(name, at, has_original=not own["is_other"].iloc[0]):
                yield name, at.task, at.seed, ids[get_policy(name).choose(at)]


def _can_choose(name: PolicyName, at: Situation, has_original: bool) -> bool:
    """Whether everything that a policy looks at is known."""
    if name == "original":
        return has_original
    wanted = at.n_tokens if name == "shortest" else (at.losses or ())
    return not any(value is None or math.isnan(value) for value in wanted)
