"""Where a race's stages stand on the axes of a paraphrase study's scatter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sapo_analysis.analysis.impacts import CurrentTest, with_changes
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.prompt_means import PromptMeans
from sapo_analysis.analysis.races.course import Chain, Choice, Course, Scores
from sapo_analysis.analysis.races.matching import SAME_STATE, Match
from sapo_analysis.plan import order_name, tasks_in

COLUMNS = [
    *("run_id", "strategy", "policy", "order", "seed", "stage", "current_task", "prompt_id"),
    *("pre_update_loss", "parent", "eval_task", "role", "test_prompt"),
    *("score_before", "score_after", "loss_before", "loss_after"),
]
"""Of `race_impacts`; what follows from them comes after, as in an impacts table."""

_STAGE = ["policy", "seed", "current_task", "prompt_id"]
"""What names a fine-tune of a race: strategies of one policy, and orders that begin alike, share
theirs at the stages that count."""


def race_impacts(
    found: Match,
    course: Course,
    study: pd.DataFrame,
    prompts: pd.DataFrame,
    theirs: pd.DataFrame,
    current_test: CurrentTest = "training",
) -> pd.DataFrame:
    """One row per (stage that counts, evaluated task): what an impacts table holds of a trial.

    Args:
        found: What of the run may be laid over the study.
        course: How far its chains are.
        study: The study's impacts table: roles, and losses at the base model.
        prompts: The study's prompts; those of the race get their ids, by the text.
        theirs: The race's prompts.
        current_test: Which prompt the current task is tested with after its fine-tune.

    Returns:
        `COLUMNS` and what `with_changes` adds. `pre_update_loss` is nan where it is not known.
        `score_before` and `loss_before` are nan where only the state after was tested with a
        prompt, as of the current task under a paraphrase.
    """
    ids = _Ids(prompts, theirs)
    roles = _roles(study)
    at_base = _losses_at_base(study)
    rows = []
    for chain, stage, choice in course.finished():
        if not _counts(found, course, chain, stage, choice, ids):
            continue
        before = course.before(chain, stage)
        after = course.scores[chain, stage]
        loss = course.losses.get((choice.state_id, choice.task, choice.prompt_id), NAN)
        known_as = ids.of_study[choice.task, choice.prompt_id]
        if loss != loss and found.tasks[choice.task] == SAME_STATE:
            loss = at_base.get((choice.task, known_as), NAN)
        common = {
            "run_id": found.run_id,
            "strategy": chain.strategy,
            "policy": chain.strategy.partition("+")[0],
            "order": chain.order,
            "seed": chain.seed,
            "stage": stage,
            "current_task": choice.task,
            "prompt_id": known_as,
            "pre_update_loss": loss,
            "parent": found.tasks[choice.task],
        }
        for task in found.evaluated:
            if role := roles.get((choice.task, task)):
                test = ids.original(task)
                if role == "current" and current_test == "training":
                    test = choice.prompt_id
                values = _values(before, after, task, test)
                rows.append({**common, "eval_task": task, "role": role, **values})
    return with_changes(pd.DataFrame(rows, columns=COLUMNS))


def _counts(
    found: Match, course: Course, chain: Chain, stage: int, choice: Choice, ids: _Ids
) -> bool:
    """Whether a finished stage is a trial of the study."""
    past = found.past.get(choice.task)
    if past is None or chain.strategy not in found.strategies[choice.task]:
        return False
    learned = tasks_in(chain.order)[: stage - 1]
    known = (choice.task, choice.prompt_id) in ids.of_study
    return known and learned == past and _as_the_study(course, chain, past, ids)


def _as_the_study(course: Course, chain: Chain, past: tuple[str, ...], ids: _Ids) -> bool:
    """Whether each past task was learned with its original prompt."""
    for i, task in enumerate(past, start=1):
        choice = course.choices.get((chain, i))
        if choice is None or choice.prompt_id != ids.original(task):
            return False
    return True


def other_pasts(found: Match, course: Course, theirs: pd.DataFrame) -> int:
    """Finished stages that are left out for a past task that was learned with another prompt."""
    ids = _Ids(theirs, theirs)
    return sum(
        chain.strategy in found.strategies.get(choice.task, ())
        and chain.order.startswith(order_name(found.past[choice.task]))
        and tasks_in(chain.order)[: stage - 1] == found.past[choice.task]
        and not _as_the_study(course, chain, found.past[choice.task], ids)
        for chain, stage, choice in course.finished()
    )


class _Ids:
    """The study's id of each of the race's prompts, and the race's original of each task."""

    def __init__(self, prompts: pd.DataFrame, theirs: pd.DataFrame):
        mine = {(r["task"], r["text"]): r["prompt_id"] for r in prompts.to_dict("records")}
        self.of_study: dict[tuple[str, str], str] = {}
        self._original: dict[str, str] = {}
        for row in theirs.to_dict("records"):
            task, prompt_id = str(row["task"]), str(row["prompt_id"])
            if (task, row["text"]) in mine:
                self.of_study[task, prompt_id] = str(mine[task, row["text"]])
            if row["source"] == "original":
                self._original[task] = prompt_id

    def original(self, task: str) -> str:
        return self._original.get(task, "")


def _roles(study: pd.DataFrame) -> dict[tuple[str, str], str]:
    rows = study[["current_task", "eval_task", "role"]].drop_duplicates()
    return {(str(c), str(e)): str(role) for c, e, role in rows.itertuples(index=False)}


def _losses_at_base(study: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Of studies without a past, which is where it is asked for: every trial starts there."""
    rows = study[["current_task", "prompt_id", "pre_update_loss"]]
    rows = rows[study["state_seed"].isna()].drop_duplicates(["current_task", "prompt_id"])
    return {(str(t), str(p)): float(loss) for t, p, loss in rows.itertuples(index=False)}


def _values(before: Scores | None, after: Scores, task: str, test: str) -> dict[str, Any]:
    was = (before or {}).get((task, test), (NAN, NAN))
    then = after.get((task, test), (NAN, NAN))
    return {
        "test_prompt": test,
        **{"score_before": was[0], "score_after": then[0]},
        **{"loss_before": was[1], "loss_after": then[1]},
    }


@dataclass(frozen=True)
class RacePoints:
    """Points of a race on the axes of a scatter.

    Attributes:
        table: One row per (policy, current task, prompt): `strategy` (with the method that its
            chains have; of several the first), `policy`, `stage`, `current_task`, `prompt_id`,
            `pre_update_loss` (nan: not scored at that state, so it cannot be drawn), y, `n_seeds`,
            `study_x` and `study_y` (the study's point of the same prompt), `parent`.
        not_measured: evaluated tasks that the scatter's mean is over and the race lacks.
    """

    table: pd.DataFrame
    not_measured: tuple[str, ...]

    @property
    def drawn(self) -> pd.DataFrame:
        """Those that have a place on both axes."""
        return self.table[self.table["pre_update_loss"].notna()]


def race_points(
    rows: pd.DataFrame, means: PromptMeans, y: str, role: str, found: Match
) -> RacePoints:
    """The points: means over the role's tasks, then over the seeds that chose the same prompt.

    Args:
        rows: `race_impacts`.
        means: `prompt_means` of the study for the same y and role, x being pre-update loss: which
            evaluated tasks enter and how they are weighed.
        y: Column on the vertical axis.
        role: Role of the evaluated tasks.
        found: What the run was matched by.
    """
    columns = [
        *("strategy", "policy", "stage", "current_task", "prompt_id", "pre_update_loss", y),
        *("n_seeds", "study_x", "study_y", "parent"),
    ]
    wanted = {task: weight for task, weight in means.weights.items() if task in found.tasks}
    lacking = {name for weight in wanted.values() for name in weight.index}
    lacking -= set(found.evaluated)
    each = pd.DataFrame(list(_of_each(rows[rows["role"] == role], wanted, y)))
    if each.empty:
        return RacePoints(pd.DataFrame(columns=columns), tuple(sorted(lacking)))
    keys = ["policy", "current_task", "prompt_id"]
    table = each.groupby(keys, sort=True).agg(
        strategy=("strategy", "first"),
        stage=("stage", "first"),
        # Unknown under one seed is unknown: y is over all of them.
        pre_update_loss=("pre_update_loss", lambda losses: losses.mean(skipna=False)),
        **{y: (y, "mean")},
        n_seeds=("seed", "nunique"),
        parent=("parent", "first"),
    )
    study = means.table.set_index(["current_task", "prompt_id"])
    at = [(task, prompt) for _, task, prompt in table.index]
    table["study_x"] = study["pre_update_loss"].reindex(at).to_numpy()
    table["study_y"] = study[y].reindex(at).to_numpy()
    return RacePoints(table.reset_index()[columns], tuple(sorted(lacking)))


def _of_each(
    rows: pd.DataFrame, wanted: dict[str, pd.Series[float]], y: str
) -> Iterator[dict[str, Any]]:
    """Every fine-tune of a race once, with the mean over the tasks that enter."""
    for _, own in rows.groupby(_STAGE, sort=False):
        first = own.iloc[0]
        weight = wanted.get(str(first["current_task"]))
        if weight is None:
            continue
        values = own.drop_duplicates("eval_task").set_index("eval_task")[y].reindex(weight.index)
        if values.notna().all():
            kept = ["strategy", "policy", "stage", "current_task", "prompt_id", "seed", "parent"]
            yield {
                **{name: first[name] for name in kept},
                "pre_update_loss": float(first["pre_update_loss"]),
                y: float((values * weight).mean()),
            }
