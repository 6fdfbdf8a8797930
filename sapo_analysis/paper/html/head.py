"""The top of the report: what is asked, what the data say, of what runs, and what to know first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sapo_analysis.analysis.cautions import NOT_CHECKED
from sapo_analysis.analysis.wording import RANDOM_WEIGHTS, counted
from sapo_analysis.paper.html.chips import Badge, Chip
from sapo_analysis.spec import ImportedResults, ImportedSequence
from sapo_analysis.store import Run


@dataclass(frozen=True)
class Head:
    """What stands above everything else.

    Attributes:
        question: what the runs were made to answer.
        headline: the answer with its number and interval; why there is none where there is none.
        chips: its verdicts; none while there may be none.
        more: further sentences of the answer.
        scope: what it was made with, and what it does not speak of.
        badges: size and state of the runs.
        about: what whoever made the runs wants their readers to know.
        cautions: what to know before believing it.
    """

    question: str
    headline: str
    chips: tuple[Chip, ...]
    more: tuple[str, ...]
    scope: str
    badges: tuple[Badge, ...]
    about: tuple[str, ...]
    cautions: tuple[str, ...]


def made_with(run: Run) -> str:
    """Model and method, of imported results where they are from."""
    if isinstance(run.study, ImportedResults | ImportedSequence):
        return f"Imported from {run.study.source}; model: {run.study.model}."
    if run.is_sequence:
        return f"{model_of(run)}."
    return f"{model_of(run)}, {run.paraphrase.method}."


def model_of(run: Run) -> str:
    """The model's name."""
    return str(run.provenance.get("model", {}).get("name", run.study.model))


def states(runs: Sequence[Run]) -> list[Badge]:
    """Badges of what makes runs less than finished studies of trained models."""
    found = []
    if any(run.is_imported for run in runs):
        found.append(Badge("no provenance", f"Imported results: {NOT_CHECKED}.", is_caution=True))
    if any(run.has_random_weights for run in runs):
        why = "The base model was never trained: this run is a control and gets no verdict."
        found.append(Badge(RANDOM_WEIGHTS, why, is_caution=True))
    for run in runs:
        if not run.is_complete:
            n = f"{run.status.done:,} of {counted(run.status.total, 'trial')}"
            more = f"Run {run.run_id} is {run.status.state}. Numbers will move."
            found.append(Badge(f"unfinished: {n}, no verdict", more, is_caution=True))
    return found


def about(runs: Sequence[Run]) -> tuple[str, ...]:
    """What stands in the folders of runs for whoever reads their results."""
    named = len(runs) > 1
    return tuple(f"{run.run_id}: {run.about}" if named else run.about for run in runs if run.about)
