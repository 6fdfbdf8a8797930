"""Whether a run that was made again came out as it should: equal here, within bounds elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from sapo_analysis.analysis.differences import Difference, TablePair
from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.report import report
from sapo_analysis.analysis.sequences.report import sequence_report
from sapo_analysis.errors import InputError
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.provenance import MACHINE
from sapo_analysis.records import (
    COSTS,
    DIAGNOSTICS,
    PERSISTENCE,
    SOFT_PROMPT,
    TABLES,
    Table,
    tables_of,
)
from sapo_analysis.store import Run

Terms = Literal["equal", "other stacks", "elsewhere"]
"""What is asked: `equal` tables where engine, versions and machine are the same; else pre-update
losses within rounding and estimates inside the first run's intervals. After `other stacks` of
trials on one machine every state is the same; made `elsewhere`, only the base model is."""

_MADE_BY = ("engine", "chunk", "device")
_FIXED: Mapping[str, frozenset[str]] = {
    "prompts": frozenset(TABLES["prompts"].schema.names),
    "examples": frozenset(TABLES["examples"].schema.names),
    "states": frozenset(TABLES["states"].schema.names),
    "trials": frozenset(TABLES["trials"].schema.names) - {*_MADE_BY},
    "chains": frozenset({"task", "prompt_id", "state_id", "trial_id", "result_state_id"}),
    "candidate_losses": frozenset({"n_tokens", "content_tokens"}),
    "indicators": frozenset({"unit", "n_examples"}),
    "scores": frozenset({"role", "metric", "n_examples"}),
}
"""Columns that no rounding changes: they are equal wherever a run is made."""

_BESIDE = ("given", "claim", "form", "step")
"""What stands beside an estimate and says what it is an estimate of."""


@dataclass(frozen=True)
class EstimateAgain:
    """One estimate of the report in both runs.

    Attributes:
        name: What is estimated, by section of the report, columns, role, scope and statistic.
        value: In the first run.
        lower: Lower end of its interval there; nan where there is none.
        upper: Upper end.
        again: In the second run.
        asked: Whether it has to lie inside the interval.
    """

    name: str
    value: float
    lower: float
    upper: float
    again: float
    asked: bool

    @property
    def holds(self) -> bool:
        """Whether it is as asked; an estimate without an interval is asked nothing."""
        return not self.asked or self.lower <= self.again <= self.upper

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        return {**{key: plain(value) for key, value in asdict(self).items()}, "holds": self.holds}


@dataclass(frozen=True)
class Reproduction:
    """What came of making a run again.

    Attributes:
        run_id: The first run.
        again_id: The second.
        terms: What was asked.
        because: Why not more, one phrase each; empty where equality was asked.
        differences: Every column of every table but `costs`.
        estimates: Every estimate of the report.
    """

    run_id: str
    again_id: str
    terms: Terms
    because: list[str]
    differences: list[Difference]
    estimates: list[EstimateAgain]

    @property
    def holds(self) -> bool:
        """Whether everything is as asked."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """What is not as asked, one phrase each."""
        tables = [
            f"{d.table}.{d.column}: {d.n_failing} of {d.n} rows ({d.where})"
            for d in self.differences
            if not d.holds
        ]
        outside = [
            f"{e.name}: {e.again:.4g} is not in {e.lower:.4g} to {e.upper:.4g}"
            for e in self.estimates
            if not e.holds
        ]
        return tables + outside

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "run_id": self.run_id,
            "again_id": self.again_id,
            "terms": self.terms,
            "because": self.because,
            "holds": self.holds,
            "failures": self.failures,
            "differences": [difference.to_dict() for difference in self.differences],
            "estimates": [estimate.to_dict() for estimate in self.estimates],
        }


def compare_runs(run: Run, again: Run) -> Reproduction:
    """Compare a run with one made again from its spec.

    Same machine, versions, threads, device, engine and stacks: every table but `costs` has to be
    equal. Else: the same rows with the same texts, roles and metrics; the losses before any update
    within rounding (10⁻⁵ relative); every estimate of the report inside the first run's interval.
    These losses are the indicators `pre_update_loss…` and the measures of the states themselves. A
    state learned from past tasks elsewhere is another one after its last digit, so there they are
    asked of the base model alone.

    Raises:
        InputError: a run is not done, or the two were not made from one spec.
        RunError: a table is damaged.
    """
    for one in (run, again):
        if not one.is_complete:
            raise InputError(
                f"Run {one.run_id} is {one.status.state}, and only a run that is done can be"
                f" compared. Continue it with: sapo resume {one.run_id}"
            )
    _refuse_other_spec(run, again)
    terms, because = terms_of(run, again)
    differences = compare_tables(run, again, terms)
    estimates = compare_estimates(run, again, asked=terms != "equal")
    return Reproduction(run.run_id, again.run_id, terms, because, differences, estimates)


def compare_tables(run: Run, again: Run, terms: Terms) -> list[Difference]:
    """Every column of every table but `costs`, each held to what the terms ask of it.

    Raises:
        RunError: a table is damaged.
    """
    # A sequence trains on from what stacks left, so other stacks reach other states.
    other = terms == "elsewhere" or (terms == "other stacks" and run.study.kind == "sequence")
    states = {BASE_STATE} if other else set(run.table("states")["state_id"])
    return [
        difference
        for table in tables_of(run.study.kind)
        if table.name != COSTS.name
        for difference in _differences(
            TablePair(table, run.table(table.name), _known_to(run, table, again)), terms, states
        )
    ]


def _known_to(run: Run, table: Table, again: Run) -> pd.DataFrame:
    """A table of the second run, without looks at soft prompts where the first is from before them.

    Raises:
        RunError: a table is damaged.
    """
    found = again.table(table.name)
    if table.name not in (DIAGNOSTICS.name, PERSISTENCE.name):
        return found
    if (run.table(DIAGNOSTICS.name)["subject"] == SOFT_PROMPT).any():
        return found
    if table.name == PERSISTENCE.name:
        return found.iloc[:0]
    return found[found["subject"] != SOFT_PROMPT]


def compare_estimates(run: Run, again: Run, asked: bool) -> list[EstimateAgain]:
    """Every estimate of the report; if `asked`, each with an interval has to lie in the first's.

    Raises:
        RunError: a table is damaged or a score is missing.
    """
    was, now = (dict(_found(_report(one))) for one in (run, again))
    return [_estimate(name, one, now.get(name), asked) for name, one in was.items()]


def _report(run: Run) -> dict[str, Any]:
    if run.study.kind == "sequence":
        return sequence_report(run)
    return report(run, n_permutations=0)


def terms_of(run: Run, again: Run) -> tuple[Terms, list[str]]:
    """What is to be asked of two runs of one spec, and why not more."""
    was, now = run.provenance, again.provenance
    because = []
    for key in MACHINE:
        a, b = was.get(key), now.get(key)
        if a is None or b is None:
            because.append(f"{key} was not recorded")
        elif a != b:
            because.append(f"{key}: {_other_parts(a, b)}")
    because += [
        f"{one.run_id} was continued under other conditions: {key}"
        for one in (run, again)
        for key in MACHINE
        if any(one.provenance.get(key) != now for now in _recorded(one, key))
    ]
    if because:
        return "elsewhere", because
    because = [
        f"{one.run_id} took trials over from {reused['run']}"
        for one in (run, again)
        for reused in one.provenance.get("reused", [])
    ]
    trials = [one.table("trials").set_index("trial_id")[[*_MADE_BY]] for one in (run, again)]
    shared = trials[0].index.intersection(trials[1].index)
    n = int((trials[0].loc[shared] != trials[1].loc[shared]).any(axis=1).sum())
    if n:
        because.append(f"{n} trials were made in other stacks")
    return ("other stacks" if because else "equal"), because


def _recorded(run: Run, key: str) -> list[Any]:
    """What the sessions of a run say of one key; older runs say less."""
    return [s[key] for s in run.provenance.get("sessions", []) if key in s]


def _refuse_other_spec(run: Run, again: Run) -> None:
    one, other = (r.study.model_dump(mode="json", exclude={"name"}) for r in (run, again))
    differing = [key for key in one if one[key] != other.get(key)]
    if differing:
        listed = "; ".join(f"{key}: {one[key]} and {other.get(key)}" for key in differing)
        raise InputError(
            f"Runs {run.run_id} and {again.run_id} were made from different specs ({listed})."
            " Compare a run with one made from its own spec.json."
        )


def _other_parts(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        return ", ".join(f"{key} {one.get(key)} and {other.get(key)}" for key in keys)
    return f"{one} and {other}"


def _differences(pair: TablePair, terms: Terms, states: set[str]) -> Iterator[Difference]:
    fixed = _FIXED.get(pair.table.name, frozenset())
    yield pair.rows()
    for column in pair.columns:
        if column.endswith("_seconds"):
            yield pair.column(column, "nothing")
        elif terms == "equal" or column in fixed:
            yield pair.column(column, "equal")
        elif (losses := _losses_before(pair, column)) is not None:
            known = losses & pair.both["state_id"].isin(states)
            part = "before any update"
            yield pair.column(column, "rounding", known, part)
            yield pair.column(column, "nothing", ~known, "the rest")
        else:
            yield pair.column(column, "nothing")


def _losses_before(pair: TablePair, column: str) -> pd.Series[bool] | None:
    """The rows in which a column holds losses before any update; None where it never does."""
    if (pair.table.name, column) == ("indicators", "value"):
        return pair.both["name"].str.startswith("pre_update_loss")
    if (pair.table.name, column) == ("scores", "loss"):
        return pair.both["trial_id"].isna()
    return None


def _estimate(
    name: str, was: Mapping[str, Any], now: Mapping[str, Any] | None, asked: bool
) -> EstimateAgain:
    value, lower, upper = (_number(was[key]) for key in ("value", "lower", "upper"))
    again = _number(None if now is None else now["value"])
    has_interval = was["lower"] is not None and was["upper"] is not None
    return EstimateAgain(name, value, lower, upper, again, asked and has_interval)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _found(document: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every estimate in a report, named by what it is an estimate of."""
    if isinstance(document, list):
        for item in document:
            yield from _found(item, place)
    elif isinstance(document, dict) and {"value", "lower", "upper", "statistic"} <= document.keys():
        told = [
            value
            for key, value in document.items()
            if isinstance(value, str) and key not in ("method", "unit")
        ]
        yield ", ".join([*place, *told]), document
    elif isinstance(document, dict):
        own = tuple(f"{key} {_in_words(document[key])}" for key in _BESIDE if key in document)
        for key, value in document.items():
            yield from _found(value, (*place, *own, *([] if key == "estimate" else [key])))


def _in_words(value: Any) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)
