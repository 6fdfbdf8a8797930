"""Prompts marked as not equivalent after results were seen: r with and without them.

Which prompts leave a study after its results are known is a choice that could be made until the
number pleases. So both numbers are given, and how many prompts stand between them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.levels.correlation import within_task_correlation
from sapo_analysis.analysis.wording import counted, sentence

Pair = tuple[str, str]
"""(task, prompt id)."""


@dataclass(frozen=True)
class Exclusion:
    """One correlation with every prompt and without the marked ones.

    `excluded` are the marked prompts that the table holds main trials of: an empty one means that
    both estimates are the same.
    """

    every: Estimate
    without: Estimate
    excluded: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """Both estimates in words; empty where nothing is excluded."""
        if not self.excluded:
            return ""
        tasks = len({task for task, _ in self.excluded})
        marked = counted(len(self.excluded), "prompt")
        return (
            f"{marked} of {counted(tasks, 'task')} marked as not equivalent after the results were"
            f" seen. With them: {sentence(self.every)} Without: {sentence(self.without)}"
        )


def marked_in(prompts: pd.DataFrame, marks: Mapping[str, Collection[str]]) -> list[Pair]:
    """The prompts of a run that carry a mark, in the order of the table.

    Args:
        prompts: A run's table `prompts`, or several runs' in one.
        marks: Per task, the texts that are marked: ids of own prompts differ between runs.
    """
    pairs = [
        (str(row.task), str(row.prompt_id))
        for row in prompts.itertuples()
        if row.text in marks.get(str(row.task), ())
    ]
    return list(dict.fromkeys(pairs))


def with_and_without(df: pd.DataFrame, excluded: Collection[Pair], **settings: Any) -> Exclusion:
    """`within_task_correlation` over all prompts, and over those that are not excluded.

    Noise trials are in no correlation, so excluding their prompt changes nothing there.

    Args:
        df: An impacts table.
        excluded: (current task, prompt id) of the marked prompts; those it has not are ignored.
        **settings: Arguments of `within_task_correlation`, for both.

    Raises:
        InputError: as `within_task_correlation`.
    """
    task = settings.get("task", "current_task")
    pairs = pd.MultiIndex.from_frame(df[[task, "prompt_id"]].astype(str))
    out = pairs.isin(list(excluded)) if excluded else pd.Series(False, index=df.index).to_numpy()
    main = df["purpose"].eq("main").to_numpy() if "purpose" in df else True
    found = tuple(sorted(set(pairs[out & main])))
    every = within_task_correlation(df, **settings)
    without = within_task_correlation(df[~out], **settings) if found else every
    return Exclusion(every, without, found)
