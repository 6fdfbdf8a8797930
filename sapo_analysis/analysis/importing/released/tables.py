"""The tables of an imported sequence, from what its folders hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sapo_analysis.analysis.importing.problems import Problems
from sapo_analysis.analysis.importing.released.prompts import PromptBook
from sapo_analysis.analysis.importing.released.reading import ReleasedChain, Stage
from sapo_analysis.plan import BASE_STATE, order_name
from sapo_analysis.records import (
    CHAINS,
    EXAMPLES,
    INDICATORS,
    PREDICTIONS,
    PROMPTS,
    SCORES,
    STATES,
    TRIALS,
    Table,
)
from sapo_analysis.spec import NOT_RECORDED

METRIC = "rouge_l"
SEED = 0
"""Seeds are not recorded; this one stands for the one chain of each strategy on each order."""
NAN = math.nan
Row = dict[str, Any]


def tables_of_chains(
    chains: Sequence[ReleasedChain], base: Mapping[str, float] | None, problems: Problems
) -> dict[str, pa.Table]:
    """All tables by name.

    Args:
        chains: What the folders hold.
        base: The base model's score on each task; None: not known.
        problems: Gathers what contradicts itself.
    """
    tasks = chains[0].order
    book = PromptBook.of(chains, problems)
    rows: dict[str, list[Row]] = {
        STATES.name: [_state(BASE_STATE, None, ())],
        SCORES.name: [
            _score(BASE_STATE, task, book.original(task), value, None)
            for task, value in (base or {}).items()
        ],
    }
    for number, chain in enumerate(chains):
        for name, row in _chain_rows(number, chain, book):
            rows.setdefault(name, []).append(row)
    rows[PROMPTS.name] = book.rows(tasks)
    rows[EXAMPLES.name] = list(_examples(chains, problems))
    tables = (PROMPTS, EXAMPLES, STATES, TRIALS, CHAINS, INDICATORS, SCORES, PREDICTIONS)
    return {table.name: _table(table, rows.get(table.name, [])) for table in tables}


def _table(table: Table, rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=table.schema)


def _chain_rows(number: int, chain: ReleasedChain, book: PromptBook) -> Iterator[tuple[str, Row]]:
    order, (policy, method) = chain.order, chain.strategy
    trained: dict[str, str] = {}
    # The base model, with the losses of this chain's own candidates: other chains have others.
    before = f"chain-{number}-0"
    yield STATES.name, _state(before, BASE_STATE, ())
    for i, stage in enumerate(chain.stages, start=1):
        after, trial_id = f"chain-{number}-{i}", f"trial-{number}-{i}"
        trained[stage.task] = trained_with(chain, stage, book)
        yield STATES.name, _state(after, before, order[:i])
        yield (
            TRIALS.name,
            {
                "trial_id": trial_id,
                "state_id": before,
                "result_state_id": after,
                "policy": None,
                "method": method,
                "seed": SEED,
                "purpose": "main",
                "current_task": stage.task,
                "prompt_id": trained[stage.task],
                "status": "done",
                "engine": NOT_RECORDED,
                "chunk": 1,  # the released code trains one adapter at a time
                "device": NOT_RECORDED,
            },
        )
        seconds, examples = _choosing(chain, stage)
        yield (
            CHAINS.name,
            {
                "order": order_name(order),
                "policy": policy,
                "method": method,
                "seed": SEED,
                "stage": i,
                "task": stage.task,
                "prompt_id": trained[stage.task],
                "state_id": before,
                "trial_id": trial_id,
                "result_state_id": after,
                "choice_seconds": seconds,
                "choice_examples": examples,
                "train_seconds": stage.train_seconds,
                "train_examples": stage.train_texts,
            },
        )
        yield from ((INDICATORS.name, row) for row in _indicators(stage, before, book))
        for task, value in stage.scores.items():
            prompt_id = trained.get(task, book.original(task))
            if text := stage.prompts.get(task):
                prompt_id = book.id_of(task, text)
            outputs = stage.outputs.get(task)
            yield SCORES.name, _score(after, task, prompt_id, value, outputs.n if outputs else None)
            for output in outputs.kept if outputs else ():
                yield (
                    PREDICTIONS.name,
                    {
                        "state_id": after,
                        "trial_id": None,
                        "eval_task": task,
                        "test_prompt": prompt_id,
                        "step": 0,
                        "n_shots": 0,
                        "example": output.example,
                        "output": output.text,
                        "loss": NAN,
                        "correct": output.is_right,
                    },
                )
        before = after


def trained_with(chain: ReleasedChain, stage: Stage, book: PromptBook) -> str:
    """The id of the prompt that a stage was trained with."""
    if chain.strategy.policy == "original":
        return book.original(stage.task)
    return book.id_of(stage.task, stage.prompts.get(stage.task))


def _choosing(chain: ReleasedChain, stage: Stage) -> tuple[float, int | None]:
    """Seconds and texts that the choice took."""
    if chain.strategy.policy == "original":
        return 0.0, 0
    if not stage.candidates:
        return NAN, None
    return (
        sum(candidate.seconds for candidate in stage.candidates),
        sum(candidate.n_examples for candidate in stage.candidates),
    )


def _indicators(stage: Stage, state_id: str, book: PromptBook) -> Iterator[Row]:
    """Of a text that is among the candidates twice, the loss that was read first."""
    seen = set()
    for candidate in stage.candidates:
        prompt_id = book.id_of(stage.task, candidate.text)
        if candidate.loss is None or prompt_id in seen:
            continue
        seen.add(prompt_id)
        yield {
            "state_id": state_id,
            "task": stage.task,
            "prompt_id": prompt_id,
            "name": "pre_update_loss",
            "value": candidate.loss,
            "unit": "nats/token",
            "n_examples": candidate.n_examples,
            "exact": True,
        }


def _examples(chains: Sequence[ReleasedChain], problems: Problems) -> Iterator[Row]:
    """Test rows that outputs are kept of; all chains have to have been tested on the same."""
    known: dict[tuple[str, int], tuple[str, str]] = {}
    n_rows: dict[str, tuple[int, str]] = {}
    differing: dict[tuple[str, str], int] = {}
    for chain in chains:
        for stage in chain.stages:
            for task, outputs in stage.outputs.items():
                n, folder = n_rows.setdefault(task, (outputs.n, stage.folder))
                if n != outputs.n:
                    problems.add(
                        f"{stage.folder} was tested on {outputs.n:,} rows of {task}, {folder} on"
                        f" {n:,}. Scores on other rows do not compare"
                    )
                for output in outputs.kept:
                    key, row = (task, output.example), (output.input, output.target)
                    if known.setdefault(key, row) != row:
                        differing[stage.folder, task] = output.example
    for (folder, task), example in differing.items():
        problems.add(
            f"{folder} was tested on other rows of {task} than other stages are (the last: row"
            f" {example}). Scores on other rows do not compare"
        )
    for (task, example), (text, target) in known.items():
        yield {"task": task, "split": "test", "example": example, "input": text, "target": target}


def _state(state_id: str, parent_id: str | None, learned: Sequence[str]) -> Row:
    return {
        "state_id": state_id,
        "parent_id": parent_id,
        "state_seed": None,
        "learned": list(learned),
    }


def _score(state_id: str, task: str, prompt_id: str, value: float, n: int | None) -> Row:
    return {
        "state_id": state_id,
        "trial_id": None,
        "eval_task": task,
        "test_prompt": prompt_id,
        "step": 0,
        "n_shots": 0,
        "role": None,
        "metric": METRIC,
        "value": value,
        "loss": NAN,
        "n_examples": n,
    }
