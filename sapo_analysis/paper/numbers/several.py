"""Numbers of paraphrase studies that stand beside each other: they are never pooled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import OUTCOMES, Outcome
from sapo_analysis.paper.numbers.methods import MethodNumbers
from sapo_analysis.paper.numbers.paraphrase import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.store import Run


@dataclass(frozen=True, eq=False)
class SeveralNumbers:
    """The answers to what figures ask of several paraphrase studies, each by itself.

    Attributes:
        runs: two or more.
        apart: why they cannot be joined, in words.
    """

    runs: tuple[Run, ...]
    apart: str = ""
    study: ClassVar = "several"

    @cached_property
    def compared(self) -> MethodNumbers:
        """The methods of these runs beside each other."""
        return MethodNumbers(self.runs)

    @cached_property
    def each(self) -> dict[str, ParaphraseNumbers]:
        """Every run's own numbers, by its id; of one name in two folders by folder and name.

        Raises:
            InputError: a run was given twice.
        """
        ids = [run.run_id for run in self.runs]
        paths = [run.path.resolve() for run in self.runs]
        if twice := {path.name for path in paths if paths.count(path) > 1}:
            raise InputError(f"Given twice: {', '.join(sorted(twice))}. Name each run once.")
        return {
            name if ids.count(name) == 1 else f"{run.path.parent.name}/{name}": ParaphraseNumbers(
                (run,)
            )
            for name, run in zip(ids, self.runs, strict=True)
        }

    @cached_property
    def silent(self) -> str:
        """Why a run has no verdict; "" where each has."""
        return " ".join(own.silent for own in self.each.values() if own.silent)

    @cached_property
    def unfinished(self) -> frozenset[str]:
        """The runs whose numbers are not final."""
        return frozenset(name for name, own in self.each.items() if not own.runs[0].is_complete)

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that every run measured.

        Raises:
            InputError: a run has no trial that ended.
        """
        measured = [set(own.outcomes) for own in self.each.values()]
        return tuple(one for one in OUTCOMES.values() if all(one in own for own in measured))

    def outcome(self, options: Options) -> Outcome:
        """The outcome that is asked for, or the first that all runs measured.

        Raises:
            InputError: not all of them measured it, or they have none in common.
        """
        if not self.outcomes:
            raise InputError("These runs measured no outcome in common.")
        known = {outcome.name: outcome for outcome in self.outcomes}
        if options.outcome and options.outcome not in known:
            raise unknown("outcome that all of these runs measured", options.outcome, list(known))
        return known[options.outcome] if options.outcome else self.outcomes[0]

    def means(self, options: Options) -> dict[str, tuple[Estimate, Estimate]]:
        """Each run's mean over its tasks: for new tasks, and for these tasks."""
        return {name: own.means(options) for name, own in self.each.items()}
