"""The methods table: what each method comes to on the tuned task, on all others, on each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.methods_compared.averages import (
    Mean,
    all_same,
    by_unit,
    is_sequence,
    mean_of,
    sizes,
)
from sapo_analysis.analysis.methods_compared.chain_scores import ChainScores
from sapo_analysis.analysis.methods_compared.fine_tunes import (
    FINE_TUNE,
    ORIGINAL,
    TRAINING,
    fine_tunes,
)
from sapo_analysis.analysis.methods_compared.sides import BASE, Side, among, sides
from sapo_analysis.analysis.sequences.metrics import chain_metrics
from sapo_analysis.store import Run

MEASURES = (
    *("tuned_score", "tuned_score_original", "normalized_average_others", "normalized_average"),
)
"""Of every method; each also as `MEASURE_to_base`, the difference to the base model."""
OVER_TASKS = ""
"""Stands for a tuned task in rows that are means over all of them."""
_SIZES = ("unit", "n_tasks", "n_prompts", "n_seeds", "n_orders")
_KEYS = ("name", "policy", "method", "n_shots", "tuned_task")


def _with_ends(names: Sequence[str]) -> list[str]:
    return [f"{name}{end}" for name in names for end in ("", "_lower", "_upper")]


NUMBERS = (*MEASURES, *(f"{name}_to_base" for name in MEASURES), "ap")
TABLE_COLUMNS = [*_KEYS, *_with_ends(NUMBERS), "same", *_SIZES]
TASK_COLUMNS = [*_KEYS, "eval_task", *_with_ends(["score", "to_base"]), *_SIZES]


def method_table(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (method or strategy, number of demonstrations, tuned task), and over all of them.

    `name` is a side's (see `sides`) or "base model", `tuned_task` "" in the rows over tuned tasks.
    All numbers are means over prompts, then seeds (0 to 100, `_to_base` in points):

    - `tuned_score`: on the tuned task with the prompt it was tuned with, at the end of the
      fine-tune; nan behind demonstrations, where original prompts alone are asked;
    - `tuned_score_original`: the same with the task's original prompt;
    - `normalized_average_others`: the plain mean of the scores on all other tasks, with their
      original prompts; `normalized_average`: of all tasks;
    - `..._to_base`: it − that of the base model under the same prompts; nan where the base model
      was not measured with a training prompt (studies with a past measure the parent state);
    - `ap`: of sequences alone, the mean score on all tasks after the last stage, with original
      prompts; the others are means over stages, each read when its task was just learned.

    `_lower` and `_upper`, over tuned tasks alone: 95 %, Student t over `unit` (tuned tasks; of
    sequences orders, or the seeds of one); nan with one, or where all units have the same value:
    these numbers are named in `same`. `n_prompts`: of a task, at least.

    Raises:
        InputError: the runs cannot be compared; see `sides`.
    """
    known = sides(runs)
    chains = ChainScores()
    tunes = per_fine_tune(fine_tunes(known, chains))
    rows = [*_base(tunes), *_rows(tunes, known, chains)]
    table = pd.DataFrame(rows, columns=TABLE_COLUMNS)
    table["same"] = table["same"].map(lambda same: same if isinstance(same, tuple) else ())
    return table


def method_tasks(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (method, demonstrations, tuned task, evaluated task), and over tuned tasks.

    `score` and `to_base` (it − that of the base model) with original prompts, with ends as in
    `method_table`; over tuned tasks an evaluated task's own fine-tunes are left out, so that it
    says what others did to it. The base model has rows over tuned tasks.

    Raises:
        InputError: the runs cannot be compared; see `sides`.
    """
    table = fine_tunes(sides(runs))
    own = table[table["test_prompts"] == ORIGINAL]
    own = own.assign(to_base=own["score"] - own["score_base"])
    return pd.DataFrame([*_base_by_task(own), *_by_task(own)], columns=TASK_COLUMNS)


def _base_by_task(own: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for one in own.drop_duplicates(["eval_task", "n_shots"]).to_dict("records"):
        row = {"name": BASE, "policy": "", "method": "", "tuned_task": OVER_TASKS}
        row |= {key: one[key] for key in ("n_shots", "eval_task")}
        yield row | _ends("score", Mean(one["score_base"], np.nan, np.nan, 0))


def _by_task(own: pd.DataFrame) -> Iterator[dict[str, Any]]:
    columns = ["score", "to_base"]
    for (name, n_shots), every in own.groupby(["name", "n_shots"], sort=False):
        about = {"name": name, "n_shots": n_shots, **_about(every), **sizes(every)}
        others = every[every["tuned_task"] != every["eval_task"]]
        for task, part in others.groupby("eval_task", sort=False):
            row = {**about, "tuned_task": OVER_TASKS, "eval_task": task, **sizes(part)}
            units = by_unit(part, columns)
            for column in columns:
                row |= _ends(column, mean_of(units[column], is_sequence(part)))
            yield row
        pair = ["tuned_task", "eval_task"]
        seeds = every.groupby([*pair, "order", "seed"], sort=False)[columns].mean()
        for key, means in seeds.groupby(level=pair, sort=False).mean().iterrows():
            tuned, evaluated = key if isinstance(key, tuple) else (key, "")
            row = {**about, "tuned_task": tuned, "eval_task": evaluated, "n_tasks": 1}
            for column in columns:
                row |= _ends(column, Mean(means[column], np.nan, np.nan, 0))
            yield row


def per_fine_tune(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per fine-tune and number of demonstrations: `MEASURES`, `..._base`, `..._to_base`.

    Args:
        rows: as `fine_tunes` gives them.
    """
    key = [*FINE_TUNE, "n_shots"]
    is_tuned = rows["eval_task"] == rows["tuned_task"]
    original = rows["test_prompts"] == ORIGINAL
    parts = {
        "tuned_score": rows[is_tuned & (rows["test_prompts"] == TRAINING)],
        "tuned_score_original": rows[is_tuned & original],
        "normalized_average_others": rows[~is_tuned & original],
        "normalized_average": rows[original],
    }
    table = rows[[*key, "policy", "method"]].drop_duplicates(key).set_index(key)
    for name, part in parts.items():
        by = part.groupby(key, sort=False)
        means = by[["score", "score_base"]].mean()
        # A score that the base model lacks makes its mean one over other tasks: it is not known.
        known = by["score_base"].count() == by.size()
        table[name] = means["score"]
        table[f"{name}_base"] = means["score_base"].where(known)
    table = table.reset_index()
    of_task = [table[column] for column in ("name", "tuned_task", "n_shots")]
    for name in MEASURES:
        # Nor is one over some of the prompts the other side of a mean over all of them.
        known = table[f"{name}_base"].notna().groupby(of_task).transform("all")
        table[f"{name}_base"] = table[f"{name}_base"].where(known)
        table[f"{name}_to_base"] = table[name] - table[f"{name}_base"]
    return table


def _rows(
    tunes: pd.DataFrame, known: Sequence[Side], scores: ChainScores
) -> Iterator[dict[str, Any]]:
    columns = NUMBERS[:-1]
    for (name, n_shots), every in tunes.groupby(["name", "n_shots"], sort=False):
        about = {"name": name, "n_shots": n_shots, **_about(every)}
        row = {**about, "tuned_task": OVER_TASKS, **sizes(every)}
        units = by_unit(every, columns)
        in_turn = is_sequence(every)
        means = {column: mean_of(units[column], in_turn) for column in columns}
        if in_turn and n_shots == 0:
            chains = average_performance(among(known, str(name)), scores)
            means["ap"] = mean_of(by_unit(chains, ["ap"])["ap"], in_sequence=True)
        for column, found in means.items():
            row |= _ends(column, found)
        yield {**row, "same": tuple(c for c, found in means.items() if all_same(found, in_turn))}
        yield from _of_tasks(every, about, {column: column for column in columns})


def _of_tasks(
    every: pd.DataFrame, about: dict[str, Any], columns: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """A row per tuned task, means over prompts and seeds without intervals."""
    seeds = every.groupby(["tuned_task", "order", "seed"], sort=False)[list(columns.values())]
    means = seeds.mean().groupby(level="tuned_task", sort=False).mean()
    n = {str(task): sizes(own) for task, own in every.groupby("tuned_task", sort=False)}
    for task, found in means.iterrows():
        row = {**about, "tuned_task": task, **n[str(task)]}
        for name, column in columns.items():
            row |= _ends(name, Mean(found[column], np.nan, np.nan, 0))
        yield row


def _about(rows: pd.DataFrame) -> dict[str, Any]:
    return {key: rows[key].iloc[0] for key in ("policy", "method")}


def average_performance(one: Side, scores: ChainScores) -> pd.DataFrame:
    """AP, BWT and FWT of each chain of a strategy that is complete, original test prompts.

    Columns: `order`, `seed`, `tuned_task` (""), `prompt_id` (""), `ap`, `bwt`, `fwt` (points).
    """
    own = scores.of(one)
    found = chain_metrics(own[own["test_prompts"] == ORIGINAL])
    return found[["order", "seed", "ap", "bwt", "fwt"]].assign(tuned_task="", prompt_id="")


def _base(tunes: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The base model before any of it, read beside the fine-tunes of all sides."""
    columns = {name: f"{name}_base" for name in MEASURES}
    for n_shots, every in tunes.groupby("n_shots", sort=False):
        about = {"name": BASE, "policy": "", "method": "", "n_shots": n_shots}
        row = {**about, "tuned_task": OVER_TASKS, **sizes(every)}
        units = by_unit(every, list(columns.values()))
        for name, column in columns.items():
            value = mean_of(units[column], is_sequence(every)).value
            row |= _ends(name, Mean(value, np.nan, np.nan, 0))
        yield row
        yield from _of_tasks(every, about, columns)


def _ends(name: str, found: Mean) -> dict[str, float]:
    return {name: found.value, f"{name}_lower": found.lower, f"{name}_upper": found.upper}
