"""Scores of chains by strategy, each set of runs read once however many strategies it has."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.methods_compared.sides import Side
from sapo_analysis.analysis.sequences.matrices import sequence_scores
from sapo_analysis.store import Run


class ChainScores:
    """What `sequence_scores` says of each side; kept as long as one question is answered."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, ...], int], pd.DataFrame] = {}

    def of(self, one: Side, n_shots: int = 0) -> pd.DataFrame:
        """The scores of a strategy's chains, behind so many demonstrations.

        Raises:
            RunError: a finished stage lacks a score; the run and the stage are named.
        """
        scores = self.of_all(one.runs, n_shots)
        return scores[(scores["policy"] == one.policy) & (scores["method"] == one.method)]

    def of_all(self, runs: Sequence[Run], n_shots: int = 0) -> pd.DataFrame:
        """The scores of all strategies of runs that can be joined; as `of`."""
        key = (tuple(str(run.path) for run in runs), n_shots)
        if key not in self._known:
            self._known[key] = sequence_scores(list(runs), n_shots)
        return self._known[key]
