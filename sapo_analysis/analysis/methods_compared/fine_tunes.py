"""One row per fine-tune and evaluated task, alike for both kinds of studies: what methods share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from sapo_analysis.analysis.methods_compared.chain_scores import ChainScores
from sapo_analysis.analysis.methods_compared.sides import Side
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.store import Run

ORIGINAL, TRAINING = "original", "training"
FINE_TUNE = ["name", "tuned_task", "prompt_id", "order", "seed", "stage"]
"""What tells fine-tunes apart. Of paraphrase studies `order` is "" and `stage` 0."""
COLUMNS = (
    *("name", "policy", "method", "run_id", "trial_id", "tuned_task", "prompt_id", "order"),
    *("seed", "stage", "eval_task", "role", "test_prompts", "n_shots"),
    *("score", "score_before", "score_base"),
)


def fine_tunes(known: Sequence[Side], chains: ChainScores | None = None) -> pd.DataFrame:
    """Scores at the end of every fine-tune that is done, before it, and of the base model.

    A fine-tune is a main trial of a paraphrase study, or a stage of a chain: what is tuned there is
    the task that the stage learns. Columns `COLUMNS`: `tuned_task`, `eval_task`, `role` (as
    elsewhere: current, past, unseen, retained; of stages past is what was learned before, unseen
    what comes later), `test_prompts` (`original`: the evaluated task's own; `training`, of the
    tuned task alone: the prompt that it was tuned with), `n_shots`, `score`, `score_before` (of the
    state that the fine-tune began at), `score_base` (of the base model), all 0 to 100 and the
    latter two nan where they were not measured.

    Args:
        known: the sides.
        chains: scores that were read before.

    Raises:
        RunError: a table is damaged, or a finished stage lacks a score.
    """
    read = chains or ChainScores()
    parts = [_of_sides(own, read) for own in _by_runs(known)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(parts, ignore_index=True)
    place = {one.name: i for i, one in enumerate(known)}
    return table.sort_values("name", key=lambda n: n.map(place), kind="stable", ignore_index=True)


def _by_runs(known: Sequence[Side]) -> list[list[Side]]:
    """The sides that share their runs together: their tables are read and merged once."""
    found: dict[tuple[str, ...], list[Side]] = {}
    for one in known:
        found.setdefault(tuple(str(run.path) for run in one.runs), []).append(one)
    return list(found.values())


def _of_sides(sides: Sequence[Side], chains: ChainScores) -> pd.DataFrame:
    """The fine-tunes of sides that share their runs."""
    first = sides[0]
    if first.runs[0].is_sequence:
        table = _stages(sides, chains)
    else:
        table = pd.concat([_trials(run) for run in first.runs], ignore_index=True)
        table = table.assign(name=first.name, policy=first.policy, method=first.method)
    # Two runs that are joined can share a trial: it counts once.
    once = [*FINE_TUNE, "eval_task", "test_prompts", "n_shots"]
    return table.drop_duplicates(once, ignore_index=True)[list(COLUMNS)]


def _trials(run: Run) -> pd.DataFrame:
    trials = run.table("trials")
    main = trials[(trials["purpose"] == "main") & (trials["status"] == "done")]
    named = main.rename(columns={"current_task": "tuned_task"})
    named = named[["trial_id", "state_id", "tuned_task", "prompt_id", "seed"]]
    scores = run.table("scores")
    at_end = scores[scores["trial_id"].isin(main["trial_id"])]
    at_end = at_end[at_end["step"] == at_end["step"].max()]  # the others are checkpoints
    own = ["trial_id", "eval_task", "test_prompt", "role", "n_shots", "value"]
    rows = named.merge(at_end[own], on="trial_id").rename(columns={"value": "score"})
    before = scores[scores["trial_id"].isna() & (scores["step"] == 0)]
    for column, of_states in (
        ("score_before", before),
        ("score_base", before[before["state_id"] == BASE_STATE].drop(columns="state_id")),
    ):
        at = ["state_id", "eval_task", "test_prompt", "n_shots"]
        at = [key for key in at if key in of_states]
        known = of_states[[*at, "value"]].rename(columns={"value": column}).drop_duplicates(at)
        rows = rows.merge(known, on=at, how="left")
    prompts = run.table("prompts")
    originals = prompts.loc[prompts["source"] == "original", ["task", "prompt_id"]]
    originals = originals.set_axis(["eval_task", "original"], axis=1)
    rows = rows.merge(originals, on="eval_task", how="left")
    is_tuned = rows["eval_task"] == rows["tuned_task"]
    kinds = [
        rows[rows["test_prompt"] == rows["original"]].assign(test_prompts=ORIGINAL),
        rows[is_tuned & (rows["test_prompt"] == rows["prompt_id"]) & (rows["n_shots"] == 0)].assign(
            test_prompts=TRAINING
        ),
    ]
    return pd.concat(kinds, ignore_index=True).assign(run_id=run.run_id, order="", stage=0)


def _stages(sides: Sequence[Side], chains: ChainScores) -> pd.DataFrame:
    runs = sides[0].runs
    names = {f"{one.policy}+{one.method}": one.name for one in sides}
    named = pd.concat([_named(run, names) for run in runs], ignore_index=True)
    shots = sorted({n for run in runs for n in run.sequence.evaluation.n_shots})
    parts = []
    for n_shots in shots:
        own = chains.of_all(runs, n_shots)
        own = own[own["strategy"].isin(list(names)) & ~own["is_final"].astype(bool)]
        parts.append(_of_chains(own, named, n_shots))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(name=table["strategy"].map(names))


def _named(run: Run, strategies: Iterable[str]) -> pd.DataFrame:
    """The stages of some strategies: what each learned, with which prompt."""
    chains = run.table("chains")
    chains["strategy"] = chains["policy"] + "+" + chains["method"]
    mine = chains[chains["strategy"].isin(list(strategies))]
    named = mine[["strategy", "order", "seed", "stage", "prompt_id", "trial_id", "task"]]
    return named.rename(columns={"task": "tuned_task"})


def _of_chains(scores: pd.DataFrame, named: pd.DataFrame, n_shots: int) -> pd.DataFrame:
    kinds = scores[scores["test_prompts"].isin([ORIGINAL, TRAINING])]
    key = ["strategy", "order", "seed", "eval_task", "test_prompts"]
    value = kinds.set_index([*key, "stage"])["value"]
    rows = kinds[kinds["stage"] > 0].merge(named, on=["strategy", "order", "seed", "stage"])
    rows = rows.rename(columns={"value": "score"})
    for column, stages in (("score_before", rows["stage"] - 1), ("score_base", 0)):
        at = pd.MultiIndex.from_frame(rows[key].assign(stage=stages))
        rows[column] = value.reindex(at).to_numpy(dtype=float)
    rows["role"] = [_role(p, s) for p, s in zip(rows["position"], rows["stage"], strict=True)]
    is_tuned = rows["role"] == "current"
    return rows[is_tuned | (rows["test_prompts"] == ORIGINAL)].assign(n_shots=n_shots)


def _role(position: int, stage: int) -> str:
    if position == stage:
        return "current"
    return "past" if position < stage else "unseen"
