"""Sequence runs whose every score is given: a folder as the engine writes it, nothing trained."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sapo_analysis.plan import order_name
from sapo_analysis.records import tables_of
from sapo_analysis.spec import SequenceStudy, to_json
from sapo_analysis.store import layout
from sapo_analysis.store.status import Status
from tests.clouds import look_rows

ScoreOf = Callable[[str, tuple[str, ...], int, int, int, str], float]
"""(strategy, order, seed, stage, position from 1, test prompt) to a score, 0 to 100."""
LookOf = Callable[[str, str, str, int], Mapping[str, float]]
"""(strategy, tuned task, evaluated task, step) to values by the name of what is looked at."""
N_SHARED, N_FINAL = 10, 30
EVERY = 25
"""Steps between two looks, of two after the start."""
PROMPTS = ("00", "01", "02")


def write_sequence_run(
    folder: Path,
    score: ScoreOf,
    *,
    name: str = "made",
    orders: Sequence[Sequence[str]] = (("a", "b", "c"),),
    strategies: Sequence[str] = ("original", "random", "sapo"),
    seeds: Sequence[int] = (0,),
    chosen: Mapping[str, str] | None = None,
    losses: Mapping[str, float] | None = None,
    final_offset: float = 0.0,
    test_only: bool = True,
    stages: int | None = None,
    diverged: Sequence[tuple[str, int] | tuple[str, int, str]] = (),
    state: str = "done",
    model: Mapping[str, Any] | None = None,
    kept: int = 0,
    n_shots: Sequence[int] = (0,),
    look: LookOf | None = None,
    side: Callable[[str, str, int], float] | None = None,
) -> Path:
    """Write a run.

    `chosen`: the suffix of the prompt each policy takes (default: 00, 01, 02 in turn); `losses` by
    suffix at every state where sapo or sapp stands, with sapo-once also at θ_0; `final_offset` is
    added to what all examples of the last stage say; `stages`: how many are finished; `diverged`:
    (strategy, stage), or with the order that it is in; `kept`: outputs per task and state, the
    first of which are right, as many as the score says; `n_shots`: with any, states are measured
    behind so many demonstrations too, a point better for each; `look`: what diagnostics see;
    `side`: of the square that a soft prompt's tokens form, by (strategy, tuned task, step).
    """
    study = SequenceStudy(
        name=name,
        orders=orders,
        strategies=strategies,
        seeds=seeds,
        evaluation={
            "examples": N_SHARED,
            "final_examples": N_FINAL,
            "test_only_prompts": int(test_only),
            "n_predictions_kept": kept,
            "n_shots": tuple(n_shots),
        },
        diagnostics={"every": EVERY if look else 0},
    )
    picks = dict(chosen or {})
    suffixes = itertools.cycle(PROMPTS)
    for strategy in study.chosen_strategies:
        picks.setdefault(strategy.policy, "00" if strategy.policy == "original" else next(suffixes))
    tables: dict[str, list[dict[str, Any]]] = {table.name: [] for table in tables_of("sequence")}
    tables["prompts"] = [
        {
            "task": task,
            "prompt_id": f"{task}-{suffix}",
            "text": f"{task} {suffix}",
            "source": "original" if suffix == "00" else "novel",
            "test_only": suffix == "09",
            "frequency": None,
            "n_tokens": 3,
        }
        for task in study.tasks
        for suffix in (*PROMPTS, *(["09"] if test_only else []))
    ]
    tables["examples"] = [
        {"task": task, "split": "test", "example": i, "input": f"{task}? {i}", "target": f"{i}"}
        for task in study.tasks
        for i in range(kept)
    ]
    n = len(study.tasks)
    last = n if stages is None else stages

    def measure(
        state_id: str,
        strategy: str,
        order: tuple[str, ...],
        seed: int,
        stage: int,
        prompts: Mapping[str, str],
    ) -> None:
        for position, task in enumerate(order, start=1):
            kinds = {"original": f"{task}-00", "training": prompts.get(task, f"{task}-00")}
            if test_only:
                kinds["test-only"] = f"{task}-09"
            for prompt in dict.fromkeys(kinds.values()):
                value = score(strategy, order, seed, stage, position, prompt)
                for n_examples in (N_SHARED, *([N_FINAL] if stage in (0, n) else [])):
                    more = final_offset if n_examples == N_FINAL else 0.0
                    tables["scores"].append(
                        {
                            "state_id": state_id,
                            "trial_id": None,
                            "eval_task": task,
                            "test_prompt": prompt,
                            "step": 0,
                            "n_shots": 0,
                            "role": None,
                            "metric": "exact_match",
                            "value": value + more,
                            "loss": (100 - value - more) / 50,
                            "n_examples": n_examples,
                        }
                    )
            value = score(strategy, order, seed, stage, position, kinds["original"])
            for shown in n_shots[1:]:
                bare = next(
                    row
                    for row in reversed(tables["scores"])
                    if row["test_prompt"] == kinds["original"] and row["n_examples"] == N_SHARED
                )
                tables["scores"].append({**bare, "n_shots": shown, "value": value + shown})
            right = round(value / 100 * N_SHARED)
            tables["predictions"] += [
                {
                    "state_id": state_id,
                    "trial_id": None,
                    "eval_task": task,
                    "test_prompt": kinds["original"],
                    "step": 0,
                    "n_shots": 0,
                    "example": i,
                    "output": f"{i}" if i < right else f"<b>not {i}</b>",
                    "loss": (100 - value) / 50 + i / 100,
                    "correct": i < right,
                }
                for i in range(kept)
            ]

    if any(strategy.policy == "sapo-once" for strategy in study.chosen_strategies):
        for task in study.tasks:
            tables["indicators"] += _losses("theta-0", task, losses or {})
    first = study.orders[0]
    measure("theta-0", "", first, 0, 0, {})
    for order in study.orders:
        for strategy in study.chosen_strategies:
            for seed in study.seeds:
                state_id, prompts = "theta-0", {}
                for stage in range(1, last + 1):
                    task = order[stage - 1]
                    prompts[task] = f"{task}-{picks[strategy.policy]}"
                    unit = f"{order_name(order)}{strategy}{seed}{stage}"
                    result = f"s-{abs(hash(unit)):x}"
                    broke = {
                        (str(strategy), stage),
                        (str(strategy), stage, order_name(order)),
                    } & set(diverged)
                    looks = strategy.policy in ("sapo", "sapp")
                    tables["chains"].append(
                        {
                            "order": order_name(order),
                            "policy": strategy.policy,
                            "method": strategy.method,
                            "seed": seed,
                            "stage": stage,
                            "task": task,
                            "prompt_id": prompts[task],
                            "state_id": state_id,
                            "trial_id": result[2:],
                            "result_state_id": None if broke else result,
                            "choice_seconds": 2.0 if looks else 0.0,
                            "choice_examples": 750 if looks else 0,
                            "train_seconds": 6.0,
                            "train_examples": 800,
                        }
                    )
                    if looks:
                        tables["indicators"] += _losses(state_id, task, losses or {})
                    if broke:
                        break
                    if look:
                        tables["diagnostics"] += [
                            {"trial_id": result[2:], "step": step, "n_examples": 32}
                            | {"name": named, "subject": other, "value": value}
                            for step in (0, EVERY, 2 * EVERY)
                            for other in order
                            for named, value in look(str(strategy), task, other, step).items()
                        ]
                    for step in (0, EVERY, 2 * EVERY) if side else ():
                        seen, pairs = look_rows(result[2:], step, side(str(strategy), task, step))
                        tables["diagnostics"] += seen
                        tables["persistence"] += pairs
                    measure(result, str(strategy), order, seed, stage, prompts)
                    state_id = result
    path = folder / f"{name}-00000000"
    for table in tables_of("sequence"):
        own = pa.Table.from_pylist(tables[table.name], schema=table.schema)
        if table.name == "indicators" and own.num_rows:
            own = pa.Table.from_pandas(
                own.to_pandas().drop_duplicates(list(table.keys)),
                schema=table.schema,
                preserve_index=False,
            )
        target = path / layout.TABLES / table.name / layout.JOINED
        target.parent.mkdir(parents=True)
        pq.write_table(own, target)
    (path / layout.SPEC).write_text(to_json(study))
    status = Status(state=state, done=1, total=1)
    (path / layout.STATUS).write_text(status.model_dump_json())
    layout.write_json(
        path / layout.PROVENANCE,
        {
            "algorithm_version": 1,
            "model": {"name": "pocket", "fingerprint": "f", **(model or {})},
            "data": {},
        },
    )
    return path


def _losses(state_id: str, task: str, losses: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "state_id": state_id,
            "task": task,
            "prompt_id": f"{task}-{suffix}",
            "name": "pre_update_loss",
            "value": value,
            "unit": "nats/token",
            "n_examples": 250,
            "exact": True,
        }
        for suffix, value in losses.items()
    ]
