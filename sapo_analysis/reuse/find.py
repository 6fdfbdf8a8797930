"""Which trials a plan can take over from several runs, and what that asks of the new run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sapo_analysis.comparable import other_conditions
from sapo_analysis.errors import InputError
from sapo_analysis.plan import EngineName, Plan, make_plan
from sapo_analysis.reuse.lend import PURPOSES, Loan, lend
from sapo_analysis.same_loss import is_same_loss
from sapo_analysis.spec import AnyStudy, ParaphraseStudy
from sapo_analysis.store import Conditions, ReusedRun, Run


@dataclass(frozen=True)
class Reuse:
    """The trials that a new run takes over.

    Attributes:
        loans: What each run lends, in the order given.
        n_planned: Trials of the plan, those taken over among them.
        conditions: What the new run has to be made under, so that they fit in.
    """

    loans: tuple[Loan, ...]
    n_planned: int
    conditions: Conditions

    @property
    def trial_ids(self) -> frozenset[str]:
        """The trials taken over."""
        return frozenset(trial_id for loan in self.loans for trial_id in loan.trial_ids)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Their rows, as the new run stores them; no table where there is no trial."""
        lenders = [loan.tables for loan in self.loans if loan.trial_ids]
        names = lenders[0] if lenders else ()
        return {name: pa.concat_tables([one[name] for one in lenders]) for name in names}

    def in_words(self) -> str:
        """How many trials come from where, and what stays behind and why; one line each."""
        given = [f"{len(x.trial_ids)} from {x.run_id}" for x in self.loans if x.trial_ids]
        lines = [
            f"{len(self.trial_ids)} of {self.n_planned} trials are taken over"
            f"{': ' if given else ''}{', '.join(given)}."
        ]
        for loan in self.loans:
            lines += [
                f"{loan.run_id}: {n} of its trials stay behind, {why}."
                for why, n in loan.left.items()
            ]
            if loan.note:
                lines.append(f"{loan.run_id}: {loan.note}.")
        return "\n".join(lines)


def plan_to_fill(study: AnyStudy, engine: EngineName) -> Plan:
    """The plan of a study that takes trials over.

    Raises:
        InputError: it is no paraphrase study, or `make_plan` refuses it.
    """
    if not isinstance(study, ParaphraseStudy):
        raise InputError(
            f"A {study.kind} study takes no trials over: its fine-tunes start from states of its"
            " own. Leave --reuse out; chains that do the same thing share it anyway."
        )
    return make_plan(study, engine)


def find_reusable(plan: Plan, runs: Sequence[Run], allow_mixed: bool = False) -> Reuse:
    """The finished trials of some runs that a plan asks for too; the first run that has one lends.

    A trial stays behind when it was not measured on a task of the plan, or kept fewer outputs than
    the plan asks for. Diverged trials are taken over as diverged. Tasks that the plan does not know
    are left out.

    Args:
        plan: The new study's plan.
        runs: Runs to take from; also such as are not done.
        allow_mixed: Take trials over that another engine or device made, or that started from
            parent states that came out differently.

    Raises:
        InputError: a run was made with another model, other data, another type of weights or
            another algorithm version; or the trials would mix engines, devices, numbers of threads
            or parent states and `allow_mixed` is false. The differing keys are named.
        RunError: a table is damaged.
    """
    for run in runs:
        run.made_here("lend trials")
        if differing := other_conditions(plan, run):
            raise InputError(
                f"Run {run.run_id} cannot lend trials, it was made under other conditions"
                f" ({'; '.join(differing)}). Leave it out, or give the new study its conditions."
            )
    wanted = {t.trial_id: t for t in plan.trials if t.purpose in PURPOSES}
    loans: list[Loan] = []
    for run in runs:
        loans.append(lend(plan, run, wanted))
        wanted = {key: trial for key, trial in wanted.items() if key not in loans[-1].trial_ids}
    lenders = [loan for loan in loans if loan.trial_ids]
    if not allow_mixed:
        _refuse_mixing(plan, lenders)
    return Reuse(tuple(loans), len(plan.trials), _conditions(lenders, allow_mixed))


def _refuse_mixing(plan: Plan, lenders: Sequence[Loan]) -> None:
    made: dict[str, set[Any]] = {"engine": {plan.engine}, "device": set(), "threads": set()}
    if plan.study.device != "auto":
        made["device"].add(plan.study.device)
    for i, loan in enumerate(lenders):
        for key, values in loan.made_by.items():
            made[key] |= values
            if len(made[key]) > 1:
                raise _mixed(loan, f"{key}: {' and '.join(sorted(map(str, made[key])))}")
        for other in lenders[:i]:
            for state_id, task, here, there in _shared(loan.states, other.states):
                if not is_same_loss(here, there):
                    raise _mixed(
                        loan,
                        f"loss of parent state {state_id} on {task}: {here:.6g}, in run"
                        f" {other.run_id} {there:.6g}",
                    )


_Losses = Mapping[str, Mapping[str, float]]


def _shared(one: _Losses, other: _Losses) -> list[tuple[str, str, float, float]]:
    return [
        (state_id, task, one[state_id][task], other[state_id][task])
        for state_id in sorted(one.keys() & other.keys())
        for task in sorted(one[state_id].keys() & other[state_id].keys())
    ]


def _mixed(loan: Loan, what: str) -> InputError:
    return InputError(
        f"The trials of run {loan.run_id} would be mixed with differently made ones ({what});"
        " rounding differs between them. Leave the run out, make the new run as it was made, or"
        " take its trials over all the same with --allow-mixed."
    )


def _conditions(lenders: Sequence[Loan], allow_mixed: bool) -> Conditions:
    reused = tuple(ReusedRun(run=loan.run_id, trials=len(loan.trial_ids)) for loan in lenders)
    if allow_mixed or not lenders:
        return Conditions(reused=reused)
    states: dict[str, dict[str, float]] = {}
    for loan in lenders:
        for state_id, losses in loan.states.items():
            states.setdefault(state_id, {}).update(losses)
    (engine,), (device,), (threads,) = (
        lenders[0].made_by[key] for key in ("engine", "device", "threads")
    )
    return Conditions(threads=threads, engine=engine, device=device, states=states, reused=reused)
