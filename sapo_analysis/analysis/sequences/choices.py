"""Which prompts were chosen along the sequences, how good they were by loss, what choosing cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import as_strategy
from sapo_analysis.store import Run

_STAGE = ["order", "seed", "stage"]


def choices(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per stage of every chain: its `chains` row, and what is known of the candidates.

    Added columns: `run_id`, `strategy`, `text` (of the chosen prompt), `loss` (its pre-update
    loss at the chain's own state, nats per token), `lowest` (of all candidates there),
    `n_candidates`, and `regret` = loss − lowest. Losses are known where a policy had them
    scored at that very state; regret where none of them stopped early, else prompts that are
    bad enough to be stopped would be missing from its mean (of `sapo`, which takes the lowest,
    it is known all the same). `paft`, which trains with many prompts, has none. Else nan.
    """
    opened = as_runs(runs)
    return pd.concat([_of_run(run) for run in opened], ignore_index=True)


def _of_run(run: Run) -> pd.DataFrame:
    chains = run.table("chains")
    indicators = run.table("indicators").query("name == 'pre_update_loss'")
    at = ["state_id", "task"]
    pool = indicators.groupby(at).agg(
        lowest=("value", "min"), n_candidates=("value", "size"), in_full=("exact", "all")
    )
    exact = indicators[indicators["exact"]][[*at, "prompt_id", "value"]]
    texts = run.table("prompts")[["task", "prompt_id", "text"]]
    found = (
        chains.merge(exact.rename(columns={"value": "loss"}), on=[*at, "prompt_id"], how="left")
        .merge(pool.reset_index(), on=at, how="left")
        .merge(texts, on=["task", "prompt_id"], how="left")
    )
    in_full = found.pop("in_full").eq(True) | (found["policy"] == "sapo")
    known = in_full & (found["policy"] != "paft")
    found["regret"] = (found["loss"] - found["lowest"]).where(known)
    found.insert(0, "strategy", found["policy"] + "+" + found["method"])
    found.insert(0, "run_id", run.run_id)
    return found


def candidates_along(run: Run, order: str, strategy: str, seed: int) -> pd.DataFrame:
    """One row per (stage, candidate) of one chain whose losses are known where its policy looks.

    That is its own state; of `sapo-once` the base model. Columns: `stage`, `task`, `prompt_id`,
    `loss` (nats per token; where not `exact` at least that), `exact`, `is_chosen`, `is_original`,
    `text`.
    """
    chains = run.table("chains")
    own = chains[
        (chains["order"] == order)
        & (chains["policy"] + "+" + chains["method"] == strategy)
        & (chains["seed"] == seed)
    ].rename(columns={"prompt_id": "chosen"})
    if get_policy(as_strategy(strategy).policy).scores_at == "theta-0":
        own = own.assign(state_id=BASE_STATE)
    losses = run.table("indicators").query("name == 'pre_update_loss'")
    prompts = run.table("prompts")[["task", "prompt_id", "text", "source"]]
    found = (
        own[["stage", "task", "state_id", "chosen"]]
        .merge(losses, on=["state_id", "task"])
        .merge(prompts, on=["task", "prompt_id"])
        .rename(columns={"value": "loss"})
    )
    found["is_chosen"] = found["prompt_id"] == found["chosen"]
    found["is_original"] = found["source"] == "original"
    columns = ["stage", "task", "prompt_id", "loss", "exact", "is_chosen", "is_original", "text"]
    return found[columns]


def choosing_cost(found: pd.DataFrame) -> pd.DataFrame:
    """One row per strategy: what choosing took a chain over all its stages, beside its training.

    Columns: `choice_seconds`, `choice_examples` (texts read), `train_seconds`, `train_examples`
    (texts trained on), means over chains; `share` and `share_of_texts`: of choosing in choosing and
    training, by time and by texts; nan where imported files do not say. What chains shared is
    counted for each; fine-tunes and states of one stack share its time evenly, so shares by time
    hang on how many there were.

    Args:
        found: as `choices` gives them.
    """
    numbers = ["choice_seconds", "choice_examples", "train_seconds", "train_examples"]
    chains = found.groupby(["strategy", "order", "seed"], sort=False)[numbers]
    # A stage whose cost is not known makes no cheap chain.
    per_chain = chains.sum().where(chains.count().eq(chains.size(), axis=0))
    means = per_chain.groupby("strategy", sort=False).mean()
    for name, unit in (("share", "seconds"), ("share_of_texts", "examples")):
        total = means[f"choice_{unit}"] + means[f"train_{unit}"]
        means[name] = (means[f"choice_{unit}"] / total).where(total > 0)
    return means.reset_index()


def chosen_prompts(found: pd.DataFrame) -> pd.DataFrame:
    """One row per strategy and task: how often each prompt was chosen over orders and seeds.

    Columns: `strategy`, `task`, `n` (times the task was learned), `prompts` (prompt id to times,
    most often first, then by id), `most` (the first of them). Strategies that have nothing to
    choose, `original` and `paft`, are left out.

    Args:
        found: as `choices` gives them.
    """
    choosing = found[~found["policy"].isin(["original", "paft"])]
    rows = []
    for (strategy, task), own in choosing.groupby(["strategy", "task"], sort=False):
        times = (
            own["prompt_id"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        )
        rows.append(
            {
                "strategy": strategy,
                "task": task,
                "n": len(own),
                "prompts": {str(prompt): int(n) for prompt, n in times.items()},
                "most": str(times.index[0]),
            }
        )
    return pd.DataFrame(rows, columns=["strategy", "task", "n", "prompts", "most"])


def same_choices(found: pd.DataFrame, one: str, other: str) -> tuple[int, int]:
    """At how many stages two strategies chose the same prompt, of how many that both have.

    The first stage is left out: there every policy stands at θ_0.
    """
    columns = [*_STAGE, "prompt_id"]
    a, b = (found[found["strategy"] == name][columns] for name in (one, other))
    both = a.merge(b, on=_STAGE)
    later = both[both["stage"] > 1]
    return int((later["prompt_id_x"] == later["prompt_id_y"]).sum()), len(later)
