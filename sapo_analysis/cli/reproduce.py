"""Making a run again and comparing the two: `sapo reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sapo_analysis import analysis, jobs
from sapo_analysis.analysis import Reproduction
from sapo_analysis.analysis.differences import Difference
from sapo_analysis.cli.options import DEFAULT_RUNS, JsonOption, RunsOption, folders
from sapo_analysis.cli.output import MISSING, duration, say, show_json, show_table
from sapo_analysis.cli.race import progress_of
from sapo_analysis.comparable import other_conditions
from sapo_analysis.errors import InputError
from sapo_analysis.plan import SequencePlan, as_engine, plan_of
from sapo_analysis.records import tables_of
from sapo_analysis.store import Run, find_run, open_run

_ASKED = {
    "equal": "equality of every table but costs",
    "other stacks": "losses before any update within rounding, estimates inside the intervals",
    "elsewhere": "the base model's losses within rounding, estimates inside the intervals",
}


def reproduce(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run's folder or id.")],
    runs: RunsOption = DEFAULT_RUNS,
    against: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Compare with this run of the same spec; run nothing."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run again from its own spec and compare the two; exit status 1 if they differ.

    On the same machine with the same versions every table has to be equal, except what it cost.
    Elsewhere rounding differs: the losses of the base model have to agree within 1e-5, and every
    estimate has to lie inside the run's interval.
    """
    where = folders([runs])
    first = open_run(find_run(run, where))
    first.made_here("be reproduced")
    for table in tables_of(first.study.kind):  # what cannot be compared is known before hours pass
        first.table(table.name)
    if against is None:
        second = _make_again(first, runs)
    else:
        second = open_run(find_run(against, where))
        second.made_here("be compared")
    found = analysis.compare_runs(first, second)
    if as_json:
        show_json(found.to_dict())
    else:
        _show(found)
    for failure in found.failures:
        say(f"Differs: {failure}")
    if not found.holds:
        say(f"Not reproduced: {first.run_id} and {second.path} differ in what is asked to agree.")
        raise typer.Exit(1)
    say(f"Reproduced: {second.path} agrees with {first.run_id}.")


def _make_again(run: Run, runs: Path) -> Run:
    """A new run of the same spec by the same engine on as many threads.

    Raises:
        InputError: it is not done, or this version would make another one.
    """
    if not run.is_complete:
        raise InputError(
            f"Run {run.run_id} is {run.status.state}, and only a run that is done can be"
            f" reproduced. Continue it with: sapo resume {run.path}"
        )
    study, made = run.made_here("be reproduced"), run.provenance
    engine = as_engine(str(made.get("engine", "stacked")))
    plan = plan_of(study, engine)
    differing = other_conditions(plan, run)
    trials = run.table("trials").query("purpose != 'past'")["trial_id"]
    # Which fine-tunes a sequence has is decided on the way.
    planned = set(trials) if isinstance(plan, SequencePlan) else set(plan.units)
    if unknown := [trial_id for trial_id in trials if trial_id not in planned]:
        differing.append(f"{len(unknown)} of its trials, such as {unknown[0]}, are planned no more")
    if differing:
        commit = made.get("commit") or "not recorded"
        raise InputError(
            f"Run {run.run_id} cannot be made again by this version ({'; '.join(differing)})."
            f" Check out the commit it was made with, {commit}, and try again."
        )
    what = "stages of chains" if isinstance(plan, SequencePlan) else "trials"
    took = duration(run.status.seconds)
    say(f"Making {run.run_id} again: {len(plan.units)} {what}. It took {took}.")
    try:
        with progress_of(study) as progress:
            path = jobs.run_study(study, runs, progress, engine, None, made.get("threads"))
    except jobs.StudyInterrupted as stop:
        say(f"Once it is done, compare with: sapo reproduce {run.path} --against {stop.path}")
        raise
    return open_run(path)


def _show(found: Reproduction) -> None:
    because = "; ".join(found.because)
    show_table(
        f"{found.run_id} and {found.again_id}, column by column",
        ["table", "column", "asked", "rows", "unequal", "largest", "relative", "holds", "where"],
        [_cells(difference) for difference in found.differences],
        f"Asked: {_ASKED[found.terms]}{f' ({because})' if because else ''}.",
    )
    show_table(
        "Estimates",
        ["estimate", "first run", "its interval", "second run", "difference", "holds"],
        [
            (
                e.name,
                _number(e.value),
                MISSING if e.lower != e.lower else f"{e.lower:+.3g} to {e.upper:+.3g}",
                _number(e.again),
                _number(abs(e.again - e.value)),
                _verdict(e.holds, e.asked),
            )
            for e in found.estimates
        ],
    )


def _cells(difference: Difference) -> tuple[object, ...]:
    return (
        difference.table,
        f"{difference.column}{f' ({difference.part})' if difference.part else ''}",
        difference.asked,
        difference.n,
        difference.n_differing,
        _number(difference.largest),
        _number(difference.relative),
        _verdict(difference.holds, difference.asked != "nothing"),
        difference.where or MISSING,
    )


def _verdict(holds: bool, asked: bool) -> str:
    return ("yes" if holds else "NO") if asked else MISSING


def _number(value: float) -> str:
    return MISSING if value != value else f"{value:.3g}"
