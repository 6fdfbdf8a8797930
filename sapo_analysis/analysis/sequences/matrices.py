"""What every chain scored on every task after every stage, under three kinds of test prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.joining import as_runs, check_joinable
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.plan import BASE_STATE, tasks_in
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store import Run

TEST_PROMPTS = ("training", "original", "test-only")
"""`training`: the prompt that the chain learned the task with, the original before it learned it;
`original`: the one the task came with; `test-only`: the mean over paraphrases that nothing was
trained with. A better training must not hide in a better test prompt. Imported sequences have
`training` alone."""

_CHAIN = ["order", "policy", "method", "seed"]


def sequence_scores(runs: Run | Sequence[Run], n_shots: int = 0) -> pd.DataFrame:
    """One row per (chain, stage, evaluated task, kind of test prompt, number of examples).

    Columns: `run_id`, `order` (tasks in learned order, joined by " > "), `policy`, `method`,
    `strategy`, `seed`, `stage` (0 is θ_0), `n_stages`, `eval_task`, `position` (of that task in
    the order, from 1), `test_prompts`, `n_examples`, `is_final` (over all examples of the last
    stage, where these are more than those that every stage shares; else no row is), `value` (0
    to 100), `loss` (nats per token). Of imported sequences `loss` is nan, `n_examples` where it is
    not known, and rows of stage 0 are there where the base model was measured.

    A stage that is not there yet has no rows; a chain that diverged ends.

    Args:
        runs: one run, or several that can be joined.
        n_shots: demonstrations before each test input; with any, states are tested with original
            prompts alone. Runs that were not tested so have no rows.

    Raises:
        InputError: a run is no sequence run, or runs cannot be joined.
        RunError: a finished stage lacks a score; the run and the stage are named.
    """
    opened = as_runs(runs)
    for run in opened:
        _ = run.learned_in_turn
    check_joinable(opened)
    _check_same_tasks(opened)
    frame = pd.concat([_of_run(run, n_shots) for run in opened], ignore_index=True)
    key = [*_CHAIN, "stage", "eval_task", "test_prompts", "n_examples"]
    if twice := frame[frame.duplicated(key)].head(1).to_dict("records"):
        row = twice[0]
        raise InputError(
            f"Order {row['order']!r} with {row['strategy']} and seed {row['seed']} is in two of"
            " these runs. Give runs of different orders, strategies or seeds."
        )
    return frame


def _check_same_tasks(runs: Sequence[Run]) -> None:
    for run in runs[1:]:
        tasks, others = runs[0].learned_in_turn.tasks, run.learned_in_turn.tasks
        if set(others) != set(tasks):
            raise InputError(
                f"Runs {runs[0].run_id} and {run.run_id} learn other tasks"
                f" ({', '.join(tasks)}; {', '.join(others)})."
                " Report them one at a time."
            )


def _of_run(run: Run, n_shots: int) -> pd.DataFrame:
    return pd.DataFrame(list(_rows(run, n_shots)), columns=_COLUMNS)


_COLUMNS = [
    *("run_id", "order", "policy", "method", "strategy", "seed", "stage", "n_stages"),
    *("eval_task", "position", "test_prompts", "n_examples", "is_final", "value", "loss"),
]


def _rows(run: Run, n_shots: int) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of `_COLUMNS`."""
    if n_shots not in _shots(run):
        return
    scores = _Scores(run, n_shots)
    for chain, stages in _stages_of_chains(run).items():
        order, policy, method, seed = chain
        tasks = tasks_in(str(order))
        chosen: dict[str, str] = {}
        states = [(0, BASE_STATE, "", "")]
        for stage, state_id, task, prompt_id in stages:
            if not isinstance(state_id, str):
                break
            states.append((stage, state_id, task, prompt_id))
        for number, state_id, learned, prompt_id in states:
            if number:
                chosen[learned] = prompt_id
            for position, task in enumerate(tasks, start=1):
                for kind, found in scores.of(state_id, task, chosen.get(task)):
                    for n_examples, value, loss in found:
                        is_final = scores.n_shared is not None and n_examples > scores.n_shared
                        yield (
                            *(run.run_id, order, policy, method, f"{policy}+{method}", seed),
                            *(number, len(tasks), task, position, kind, n_examples),
                            *(is_final, value, loss),
                        )


def _stages_of_chains(run: Run) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    """By chain its stages in order: number, state that it led to, task, prompt."""
    chains = run.table("chains").sort_values("stage")
    columns = [*_CHAIN, "stage", "result_state_id", "task", "prompt_id"]
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in chains[columns].itertuples(index=False, name=None):
        found.setdefault(row[: len(_CHAIN)], []).append(row[len(_CHAIN) :])
    return found


def _shots(run: Run) -> tuple[int, ...]:
    study = run.learned_in_turn
    return study.evaluation.n_shots if isinstance(study, SequenceStudy) else (0,)


def headline_prompts(scores: pd.DataFrame) -> str:
    """The kind of test prompts that comparisons stand on: `original`, where it was measured."""
    return "original" if "original" in set(scores["test_prompts"]) else "training"


Found = list[tuple[float, float, float]]
"""(number of examples, score, loss)."""


class _Scores:
    """The `scores` of a run's states, by state, task and test prompt."""

    def __init__(self, run: Run, n_shots: int):
        self._run, self._bare = run, n_shots == 0
        prompts = run.table("prompts")
        self._test_only: Mapping[str, list[str]] = {
            str(task): list(own.loc[own["test_only"], "prompt_id"])
            for task, own in prompts.groupby("task")
        }
        originals = prompts[prompts["source"] == "original"]
        self._original = dict(zip(originals["task"], originals["prompt_id"], strict=True))
        study = run.learned_in_turn
        # None: imported, where every stage was measured once, whatever on.
        self.n_shared = study.evaluation.examples if isinstance(study, SequenceStudy) else None
        table = run.table("scores")
        table = table[table["n_shots"] == n_shots]
        self._known: dict[tuple[str, str, str], Found] = {}
        columns = ["state_id", "eval_task", "test_prompt", "n_examples", "value", "loss"]
        for state_id, task, prompt, n, value, loss in table[columns].itertuples(index=False):
            prompt = prompt if self.n_shared is not None else ""
            n = int(n) if self.n_shared is not None else float(n)
            self._known.setdefault((state_id, task, prompt), []).append(
                (n, float(value), float(loss))
            )

    def of(self, state_id: str, task: str, chosen: str | None) -> Iterator[tuple[str, Found]]:
        """What a state scored on a task, by kind of test prompt."""
        if self.n_shared is None:
            if state_id != BASE_STATE or (state_id, task, "") in self._known:
                yield "training", self._at(state_id, task, "")
            return
        original = self._original[task]
        if not self._bare:
            yield "original", self._at(state_id, task, original)
            return
        yield "training", self._at(state_id, task, chosen or original)
        yield "original", self._at(state_id, task, original)
        if hidden := self._test_only[task]:
            each = [self._at(state_id, task, prompt) for prompt in hidden]
            yield (
                "test-only",
                [
                    (own[0][0], _mean([x[1] for x in own]), _mean([x[2] for x in own]))
                    for own in zip(*each, strict=True)
                ],
            )

    def _at(self, state_id: str, task: str, prompt: str) -> Found:
        found = self._known.get((state_id, task, prompt))
        if found is None:
            raise RunError(
                f"Run {self._run.run_id}: state {state_id} has no score on {task!r} with test"
                f" prompt {prompt!r}. Other runs are unaffected. Run its spec.json again."
            )
        return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
