"""How long each method trained, where that is not the same."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.analysis.methods_compared.looks import first_stage_ends
from sapo_analysis.analysis.methods_compared.sides import Side, sides
from sapo_analysis.plan.amounts import fine_tune_steps
from sapo_analysis.store import Run


def unequal_steps(runs: Run | Sequence[Run]) -> str:
    """A sentence where methods took unequal optimizer steps by their studies; "" elsewhere.

    As in `ProMoT took 200 optimizer steps (100 of them stage 1), full fine-tuning 100.`; of methods
    whose fine-tunes grow along a sequence the fewest and the most.

    Raises:
        InputError: the runs cannot be compared.
    """
    return steps_in_words(sides(runs))


def steps_in_words(known: Sequence[Side]) -> str:
    """The same of chosen sides; policies of one method are named once."""
    taken: dict[str, tuple[int, int]] = {}
    stage_1: dict[str, int | None] = {}
    for one in known:
        _, at, run_id = one.name.partition(" in ")
        name = f"{one.method_words}{at}{run_id}"
        taken[name], stage_1[name] = _steps(one), first_stage_ends(one)
    if len(set(taken.values())) < 2:
        return ""
    said: list[str] = []
    for name, (fewest, most) in sorted(taken.items(), key=lambda item: -item[1][1]):
        steps = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        took = f" took {steps} optimizer steps" if not said else f" {steps}"
        first = f" ({stage_1[name]} of them stage 1)" if stage_1[name] else ""
        said.append(f"{name}{took}{first}")
    return f"{', '.join(said)}."


def _steps(one: Side) -> tuple[int, int]:
    """Of a fine-tune, all phases: fewest and most along a sequence."""
    run = one.runs[0]
    study = run.made_here("be compared by method")
    last = len(run.sequence.tasks) - 1 if run.is_sequence else 0
    return fine_tune_steps(study, one.method, 0), fine_tune_steps(study, one.method, last)
