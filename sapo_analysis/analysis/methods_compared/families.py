"""Which of many runs can be compared by method: a study made with several methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sapo_analysis.analysis.joining import differences_in_words, identity
from sapo_analysis.analysis.method_names import methods_of
from sapo_analysis.analysis.methods_compared.looks import has_looks
from sapo_analysis.analysis.methods_compared.sides import compared
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

Identity = Callable[[Run], dict[str, str]]
"""What tells runs apart, as `joining.identity` does; a page may remember it."""


def comparable_families(runs: Sequence[Run], known: Identity = identity) -> list[list[Run]]:
    """Runs of one study with several methods, together: each joins the first that it fits into.

    A family has the same model, data, tasks, settings and seeds; its runs differ in methods, those
    methods' own settings, and of sequences in orders. Families that looked along their fine-tunes
    come first, then those of more methods. Imported results and damaged runs are in none.
    """
    several = [family for family in run_families(runs, known) if len(_methods(family)) > 1]
    return sorted(several, key=lambda one: (not has_looks(one), -len(_methods(one))))


def run_families(runs: Sequence[Run], known: Identity = identity) -> list[list[Run]]:
    """All families, those of one method too, in the order of their first runs."""
    found: list[list[tuple[Run, dict[str, str]]]] = []
    for run in runs:
        if run.is_imported:
            continue
        try:
            own = (run, compared(run, known(run)))
        except InputError:  # damaged: its own page says so
            continue
        for family in found:
            if all(_fits(other, own) for other in family):
                family.append(own)
                break
        else:
            found.append([own])
    return [[run for run, _ in family] for family in found]


def _methods(family: Sequence[Run]) -> set[str]:
    return {method for run in family for method in methods_of(run)}


def _fits(one: tuple[Run, dict[str, str]], other: tuple[Run, dict[str, str]]) -> bool:
    if _about(one[0]) != _about(other[0]):
        return False
    return not differences_in_words((one[0], other[0]), (one[1], other[1]))


def _about(run: Run) -> tuple[object, ...]:
    """What is learned under which seeds, and whether it is a control."""
    study = run.made_here("be compared by method")
    tasks = run.sequence.tasks if run.is_sequence else run.paraphrase.current
    return study.kind, run.has_random_weights, frozenset(tasks), frozenset(study.seeds)
