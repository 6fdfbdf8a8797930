"""What one run lends to a plan: its finished trials that the plan asks for, told anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sapo_analysis.comparable import method_settings, settings_that_count
from sapo_analysis.methods import make_method
from sapo_analysis.methods.recipe import SOFT_PROMPTS
from sapo_analysis.plan import Plan, Trial
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.records import (
    CURVES,
    DIAGNOSTICS,
    PERSISTENCE,
    PREDICTIONS,
    SCORES,
    SOFT_PROMPT,
    TRIALS,
    Table,
)
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import Run

PURPOSES = ("main", "noise")
"""What can be taken over. A repeat shows what rounding does to a trial, so it is made anew."""

_IDENTITY = ("method", "lora", "training", "evaluation", "inputs", "memory")
"""Settings that a trial's id depends on, apart from those in which no two runs may differ."""


@dataclass(frozen=True)
class Loan:
    """What one run lends.

    Attributes:
        run_id: The run.
        trial_ids: The trials it lends.
        left: Why others of the plan's trials stay behind, and how many for each reason.
        note: Why there is none of the plan's trials in it; empty where there is one.
        tables: The rows of the trials, with purpose, roles and prompt ids of the plan.
        made_by: Engines, devices and numbers of threads that made them.
        states: Loss of each of their parent states on each task of the plan (nats per token).
    """

    run_id: str
    trial_ids: tuple[str, ...]
    left: Mapping[str, int]
    note: str
    tables: Mapping[str, pa.Table]
    made_by: Mapping[str, set[Any]]
    states: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class _Test:
    """One test of a trial, as the plan sees it."""

    prompt_id: str
    role: str


_SCORES_OF_LOOKS = ("tuned_score", "other_score")
_OF_A_LAYER = "gradient_alignment"
"""How names of what looks say about a layer begin; the rest is about a task or a soft prompt."""
_OF_A_PROMPT = "chosen_share"

_Key = tuple[str, str, str]
"""Trial, evaluated task and test prompt, as the lending run names them."""
_KEY = ("trial_id", "eval_task", "test_prompt")


def lend(plan: Plan, run: Run, wanted: Mapping[str, Trial]) -> Loan:
    """What a run lends of some trials of a plan; see `find_reusable`.

    Raises:
        RunError: a table of the run is damaged.
    """
    trials = {
        row["trial_id"]: row
        for row in run.arrow_table("trials").to_pylist()
        if row["trial_id"] in wanted and row["purpose"] in PURPOSES
    }
    measured = _Measured(plan, run, trials)
    tests: dict[_Key, _Test] = {}
    taken: list[str] = []
    left: Counter[str] = Counter()
    for trial_id in (trial_id for trial_id in wanted if trial_id in trials):
        mine = measured.tests(wanted[trial_id])
        lack = measured.lack(wanted[trial_id], mine)
        if lack and trials[trial_id]["status"] == "done":
            left[lack] += 1
            continue
        tests |= mine
        taken.append(trial_id)
    rows = [{**trials[trial_id], **_as_planned(wanted[trial_id])} for trial_id in taken]
    made_by: dict[str, set[Any]] = {key: {row[key] for row in rows} for key in ("engine", "device")}
    return Loan(
        run.run_id,
        tuple(taken),
        dict(left),
        "" if taken or left else _why_nothing(plan.study, run),
        {
            TRIALS.name: pa.Table.from_pylist(rows, TRIALS.schema),
            CURVES.name: _of(run.arrow_table(CURVES.name), taken),
            DIAGNOSTICS.name: measured.looks_at(taken),
            PERSISTENCE.name: _of(run.arrow_table(PERSISTENCE.name), taken),
            SCORES.name: _retold(SCORES, measured.scores, tests),
            PREDICTIONS.name: _retold(PREDICTIONS, measured.predictions, tests),
        },
        {**made_by, "threads": {run.provenance.get("threads")}},
        measured.losses_of_states({row["state_id"] for row in rows}),
    )


class _Measured:
    """What some trials of a run were measured on, against what a plan asks for."""

    def __init__(self, plan: Plan, run: Run, trials: Collection[str]):
        self._plan, self._run = plan, run
        self._n_kept = min(plan.study.evaluation.n_predictions_kept, plan.study.evaluation.examples)
        self._texts: dict[tuple[str, str], str] = {
            (row["task"], row["prompt_id"]): row["text"]
            for row in run.arrow_table("prompts").to_pylist()
        }
        self.scores = _of(run.arrow_table(SCORES.name), trials)
        predictions = _of(run.arrow_table(PREDICTIONS.name), trials)
        self.predictions = _first(predictions, self._n_kept)
        # A prompt is known by its text: the same words can have another id in another study.
        self._ids: dict[tuple[str, str, str], str] = {
            (trial_id, task, self._texts.get((task, prompt_id), "")): prompt_id
            for trial_id, task, prompt_id in _columns(self.scores, *_KEY)
        }
        self._ended = set(self._at_the_end(self.scores))
        self._looks = _of(run.arrow_table(DIAGNOSTICS.name), trials)
        self._looked_at: set[tuple[str, str]] = {
            (trial_id, subject)
            for trial_id, name, subject in _columns(self._looks, "trial_id", "name", "subject")
            if name in _SCORES_OF_LOOKS or subject == SOFT_PROMPT
        }
        self._n_outputs = Counter(self._at_the_end(self.predictions))

    def _at_the_end(self, table: pa.Table) -> list[_Key]:
        """The test of each row that was taken after the last step, without demonstrations.

        Those behind demonstrations were taken with them: a trial's id names how many were shown.
        """
        rows = _columns(table, *_KEY, "step", "n_shots")
        last = self._plan.study.training.steps
        return [(a, b, c) for a, b, c, step, shots in rows if step == last and shots == 0]

    def tests(self, trial: Trial) -> dict[_Key, _Test]:
        """The tests of a trial that the plan asks for, those that were made at any step."""
        found = {}
        for task, prompt in self._asked(trial):
            prompt_id = self._ids.get((trial.trial_id, task, prompt.text))
            if prompt_id is not None:
                role = self._plan.role(trial, task)
                found[trial.trial_id, task, prompt_id] = _Test(prompt.prompt_id, role)
        return found

    def lack(self, trial: Trial, tests: Mapping[_Key, _Test]) -> str:
        """What keeps these tests from being all that the plan asks for; empty if nothing does."""
        asked = Counter(task for task, _ in self._asked(trial))
        ended = Counter(task for _, task, _ in tests.keys() & self._ended)
        if missing := asked - ended:
            return f"they were not measured on {', '.join(missing)}"
        if unseen := self._not_looked_at(trial):
            return f"their looks (diagnostics) were not at {', '.join(unseen)}"
        if any(self._n_outputs[key] < self._n_kept for key in tests):
            return f"fewer than evaluation.n_predictions_kept = {self._n_kept} outputs were kept"
        return ""

    def _not_looked_at(self, trial: Trial) -> list[str]:
        """What a trial's looks leave out of what the plan's looks are at, where it asks for any.

        That is every task, and a soft prompt: looks of earlier versions were at none.
        """
        study = self._plan.study
        if not study.diagnostics.every:
            return []
        recipe = make_method(study.method, study).recipe(0)
        has_prompt = recipe is not None and recipe.has(*SOFT_PROMPTS)
        asked = [*self._plan.tasks, *([SOFT_PROMPT] if has_prompt else [])]
        return [one for one in asked if (trial.trial_id, one) not in self._looked_at]

    def looks_at(self, trial_ids: Collection[str]) -> pa.Table:
        """The looks at some trials, tasks that the plan does not know left out."""
        looks = _of(self._looks, trial_ids)
        known = [
            i
            for i, (name, subject) in enumerate(_columns(looks, "name", "subject"))
            if name.startswith((_OF_A_LAYER, _OF_A_PROMPT))
            or subject in (*self._plan.tasks, SOFT_PROMPT)
        ]
        return _rows(looks, known)

    def _asked(self, trial: Trial) -> list[tuple[str, Prompt]]:
        """Every task under its original prompt, and the trial's own one under its own prompt."""
        asked = list(self._plan.originals.items())
        if trial.prompt.text != self._plan.originals[trial.task].text:
            asked.append((trial.task, trial.prompt))
        return asked

    def losses_of_states(self, state_ids: set[str]) -> dict[str, dict[str, float]]:
        """Loss of each of these states on each task of the plan under its original prompt."""
        found: dict[str, dict[str, float]] = {}
        for row in self._run.arrow_table(SCORES.name).to_pylist() if state_ids else ():
            task = row["eval_task"]
            of_state = row["trial_id"] is None and row["n_shots"] == 0
            if not of_state or row["state_id"] not in state_ids:
                continue
            original = self._plan.originals.get(task)
            if original and self._texts.get((task, row["test_prompt"])) == original.text:
                found.setdefault(row["state_id"], {})[task] = row["loss"]
        return found


def _as_planned(trial: Trial) -> dict[str, str]:
    return {"purpose": trial.purpose, "prompt_id": trial.prompt.prompt_id}


def _why_nothing(study: ParaphraseStudy, run: Run) -> str:
    """What keeps the ids of all its trials from being among the plan's."""
    if not run.arrow_table("trials").num_rows:
        return "nothing of it is finished yet"
    # An id names what looks are at where there are any.
    looks = ("diagnostics",) if study.diagnostics.every or run.paraphrase.diagnostics.every else ()
    own = method_settings([run.paraphrase.method, study.method])
    was, now = (settings_that_count(of, _IDENTITY + own + looks) for of in (run.paraphrase, study))
    differing = [
        f"{key} was {was.get(key)}, is {now[key]}" for key in now if was.get(key) != now[key]
    ]
    return "no trial of this study is in it, " + (
        "; ".join(differing) or "as its tasks, past, prompts or seeds are others"
    )


def _columns(table: pa.Table, *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)


def _of(table: pa.Table, trial_ids: Collection[str]) -> pa.Table:
    """The rows of these trials."""
    wanted = set(trial_ids)
    return _rows(
        table, [i for i, (key,) in enumerate(_columns(table, "trial_id")) if key in wanted]
    )


def _first(predictions: pa.Table, n: int) -> pa.Table:
    """The rows of the first n examples."""
    return _rows(
        predictions, [i for i, (k,) in enumerate(_columns(predictions, "example")) if k < n]
    )


def _rows(table: pa.Table, numbers: list[int]) -> pa.Table:
    return table.take(pa.array(numbers, pa.int64()))


def _retold(table: Table, measured: pa.Table, tests: Mapping[_Key, _Test]) -> pa.Table:
    """The rows of these tests at every step, with prompt and role as the plan names them."""
    keys = _columns(measured, *_KEY)
    found = [(i, tests[key]) for i, key in enumerate(keys) if key in tests]
    rows = _rows(measured, [i for i, _ in found])
    new = {"test_prompt": [test.prompt_id for _, test in found]}
    if "role" in table.schema.names:
        new["role"] = [test.role for _, test in found]
    for name, values in new.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, pa.array(values, pa.string()))
    return rows.cast(table.schema)
