"""What `sapo_analysis.analysis` finds in runs, asked when a figure or table needs it, each once."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.errors import InputError
from sapo_analysis.paper.numbers.paraphrase import ParaphraseNumbers
from sapo_analysis.paper.numbers.sequence import SequenceNumbers
from sapo_analysis.store import Run

Numbers = ParaphraseNumbers | SequenceNumbers

__all__ = ["Numbers", "ParaphraseNumbers", "SequenceNumbers", "numbers_of"]


def numbers_of(runs: Sequence[Run]) -> Numbers:
    """The numbers of one run, or of several that are read as one.

    Raises:
        InputError: no run, runs of two kinds, or runs that cannot be joined.
        RunError: a table is damaged.
    """
    if not runs:
        raise InputError("No run was given. `sapo runs` lists them.")
    kinds = {run.is_sequence for run in runs}
    if len(kinds) > 1:
        named = ", ".join(f"{run.run_id} ({run.study.kind})" for run in runs)
        raise InputError(
            f"These runs are of two kinds of study: {named}. Export each kind by itself."
        )
    return SequenceNumbers(tuple(runs)) if kinds.pop() else ParaphraseNumbers(tuple(runs))
