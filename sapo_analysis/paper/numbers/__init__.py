"""What `sapo_analysis.analysis` finds in runs, asked when a figure or table needs it, each once."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.paper.numbers.paraphrase import ParaphraseNumbers
from sapo_analysis.paper.numbers.sequence import SequenceNumbers
from sapo_analysis.paper.numbers.several import SeveralNumbers
from sapo_analysis.store import Run

Numbers = ParaphraseNumbers | SequenceNumbers | SeveralNumbers

__all__ = ["Numbers", "ParaphraseNumbers", "SequenceNumbers", "SeveralNumbers", "numbers_of"]


def numbers_of(runs: Sequence[Run]) -> Numbers:
    """The numbers of one run, of several that are read as one, or of several beside each other.

    Paraphrase studies that cannot be joined stand beside each other, `SeveralNumbers`.

    Raises:
        InputError: no run, runs of two kinds, or sequence runs that cannot be joined.
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
    if kinds.pop():
        return SequenceNumbers(tuple(runs))
    try:
        check_joinable(runs)
    except RunError:
        raise
    except InputError as error:
        return SeveralNumbers(tuple(runs), str(error))
    return ParaphraseNumbers(tuple(runs))
