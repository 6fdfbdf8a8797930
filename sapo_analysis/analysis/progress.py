"""How far a run is, in the parts of its plan: steps, single trials, and what it does now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from sapo_analysis.analysis.sequences.live import Choice
from sapo_analysis.plan import AnyPlan, ChainGroup, Group, Plan, SequencePlan
from sapo_analysis.store import Run
from sapo_analysis.store.status import Status

Mark = Literal["waiting", "training", "done", "failed"]
MARKS: tuple[Mark, ...] = ("waiting", "training", "done", "failed")
"""Where a trial stands; `failed`: its loss was no number any more."""

_LABELS = {
    "base": "Base scores",
    "stage": "Past tasks",
    "score": "Score prompts",
    "trials": "Train and evaluate",
}


@dataclass(frozen=True)
class Step:
    """A part of a plan: how many of its groups, trials or chains are done; whether it is now."""

    label: str
    done: int
    total: int
    is_now: bool

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left."""
        return self.done >= self.total


@dataclass(frozen=True)
class Progress:
    """Where a run stands in its plan.

    Attributes:
        steps: the plan's parts, in the order in which they first come.
        group: number of the group in flight, or that comes next (from 1); 0: none is left.
        n_groups: groups of the plan.
    """

    steps: list[Step]
    group: int
    n_groups: int


def progress(plan: AnyPlan, run: Run) -> Progress:
    """Count what is finished of every part of the plan; what was taken over or resumed counts."""
    left = _left(plan, run)
    first = _first(plan, left)
    counts: dict[str, list[int]] = {}
    for group in plan.groups:
        n = max(1, len(group.units))
        done, total = counts.setdefault(_label(group, plan), [0, 0])
        finished = n - (max(1, len(left[group.group_id])) if group.group_id in left else 0)
        counts[_label(group, plan)] = [done + finished, total + n]
    now = _label(first, plan) if first is not None and run.status.is_at_work else None
    steps = [Step(name, done, total, name == now) for name, (done, total) in counts.items()]
    ids = [group.group_id for group in plan.groups]
    return Progress(steps, 0 if first is None else ids.index(first.group_id) + 1, len(ids))


AnyGroup = Group | ChainGroup


def _first(plan: AnyPlan, left: Mapping[str, list[str]]) -> AnyGroup | None:
    """The group in flight, or that comes next."""
    return next((group for group in plan.groups if group.group_id in left), None)


def _left(plan: AnyPlan, run: Run) -> dict[str, list[str]]:
    """Ids of the groups with work left, and the units of each that are left."""
    if run.is_complete:
        return {}
    # Another engine or chunk makes other groups: then units say what is done.
    known = set(_finished_units(plan, run))
    left = {}
    for group in plan.groups:
        units = [unit for unit in group.units if unit not in known]
        if group.group_id not in run.finished_groups and (units or not group.units):
            left[group.group_id] = units
    return left


def _finished_units(plan: AnyPlan, run: Run) -> Iterable[str]:
    if isinstance(plan, Plan):
        return run.table("trials")["trial_id"]
    chains = run.table("chains")
    names = chains["policy"] + "+" + chains["method"]
    stages = zip(chains["order"], names, chains["seed"], chains["stage"], strict=True)
    return [f"{order}|{name}|{seed}|{stage}" for order, name, seed, stage in stages]


def _label(group: AnyGroup, plan: AnyPlan) -> str:
    if isinstance(plan, SequencePlan):
        if group.kind == "stage":
            assert isinstance(group, ChainGroup)
            return f"Stage {group.stage} of {len(plan.study.tasks)}"
        return "Score prompts at the base model" if group.kind == "score" else _LABELS[group.kind]
    return _LABELS[group.kind]


def trials_table(plan: Plan, run: Run) -> pd.DataFrame:
    """One row per trial of the plan, in order: where it stands.

    Columns: `task`, `seed`, `purpose`, `prompt_id`, `place` (of the prompt among its task's
    candidates, the original 0), `mark` (of `MARKS`). Training are those of the group in flight,
    while a worker is on the run.
    """
    found = run.table("trials")
    status = dict(zip(found["trial_id"], found["status"], strict=True))
    left = _left(plan, run)
    first = _first(plan, left)
    at_work = set(left[first.group_id]) if first is not None and run.status.is_at_work else set()
    places = {
        (task, prompt.prompt_id): i
        for task, prompts in plan.prompts.items()
        for i, prompt in enumerate(prompts)
    }
    rows = []
    for trial in plan.trials:
        if trial.trial_id in status:
            mark: Mark = "done" if status[trial.trial_id] == "done" else "failed"
        else:
            mark = "training" if trial.trial_id in at_work else "waiting"
        prompt_id = trial.prompt.prompt_id
        place = places[trial.task, prompt_id]
        rows.append((trial.task, trial.seed, trial.purpose, prompt_id, place, mark))
    columns = ["task", "seed", "purpose", "prompt_id", "place", "mark"]
    return pd.DataFrame(rows, columns=columns)


def candidates_table(run: Run) -> pd.DataFrame:
    """One row per (state, current task, candidate) scored so far: a paraphrase study's losses.

    Columns: `task`, `state_id`, `state` (the how-manieth state of its task, from 1), `prompt_id`,
    `loss` (pre-update, nats per token), `is_original`, `is_lowest`, `text`.
    """
    losses = run.table("indicators").query("name == 'pre_update_loss'")
    prompts = run.table("prompts")[["task", "prompt_id", "text", "source"]]
    found = losses.merge(prompts, on=["task", "prompt_id"], how="left")
    found = found.rename(columns={"value": "loss"})
    found["is_original"] = found["source"] == "original"
    at = ["task", "state_id"]
    found["is_lowest"] = found["loss"] == found.groupby(at)["loss"].transform("min")
    orders = found.drop_duplicates(at).groupby("task").cumcount() + 1
    states = found.drop_duplicates(at)[at].assign(state=orders)
    found = found.merge(states, on=at, how="left")
    columns = ["task", "state_id", "state", "prompt_id", "loss", "is_original", "is_lowest", "text"]
    return found[columns].reset_index(drop=True)


def curves_table(run: Run, most_trials: int = 12, most_points: int = 60) -> pd.DataFrame:
    """Training losses of the trials that ended last, each thinned to its first of every few steps.

    Columns: `trial_id`, `task`, `prompt_id`, `step`, `loss` (nats per target token).

    Args:
        run: under way or done.
        most_trials: the last so many trials.
        most_points: of one trial, at most.
    """
    columns = ["trial_id", "task", "prompt_id", "step", "loss"]
    curves = run.table("curves").query("series == 'train_loss'")
    trials = run.table("trials")
    last = trials[trials["trial_id"].isin(set(curves["trial_id"]))].tail(most_trials)
    own = curves[curves["trial_id"].isin(set(last["trial_id"]))]
    if own.empty:
        return pd.DataFrame(columns=columns)
    own = own.sort_values(["trial_id", "step"])
    at, size = own.groupby("trial_id").cumcount(), own.groupby("trial_id")["step"].transform("size")
    every = -(-size // most_points)
    own = own[(at % every == 0)]
    named = last[["trial_id", "current_task", "prompt_id"]]
    found = own.merge(named, on="trial_id")
    return found.rename(columns={"current_task": "task", "value": "loss"})[columns]


def now_in_words(
    status: Status, candidates: Sequence[Choice], original: str | None, last_choice: str = ""
) -> str:
    """What a run does at this moment, in a sentence; "" where nobody works on it.

    Args:
        status: of the run.
        candidates: losses at the state scored last, lowest first; none of a paraphrase study.
        original: id of the original prompt of their task.
        last_choice: the last choice in words (`LiveSequence.now`).
    """
    if not status.is_at_work:
        return ""
    phase = status.phase or "getting ready: loading the model, checking every text"
    said = f"{phase[0].upper()}{phase[1:]}"
    if candidates and "scoring" in phase:
        leader = candidates[0]
        said += f"; leader is {leader.prompt} ({leader.loss:.3f} nats/token)"
        said += _against(candidates, original)
    elif last_choice and "scoring" not in phase:
        said += f". Last choice: {last_choice}"
    return f"{said}."


def _against(candidates: Sequence[Choice], original: str | None) -> str:
    """How far the leader is under the original."""
    found = next((choice for choice in candidates if choice.prompt == original), None)
    if found is None:
        return ""
    if found is candidates[0]:
        return ", the original itself"
    least = "at least " if found.stopped else ""
    return f", {least}{found.loss - candidates[0].loss:.3f} under the original"
