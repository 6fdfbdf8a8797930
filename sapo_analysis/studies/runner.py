"""Carrying out a run: every group of its plan that is not saved yet, in order, until all are."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.errors import InputError
from sapo_analysis.methods import own_mark
from sapo_analysis.model_files import ModelFiles, remote_code
from sapo_analysis.models.loading import Device, choose_device
from sapo_analysis.plan import (
    ALGORITHM_VERSION,
    AnyPlan,
    EngineName,
    SequencePlan,
    data_fingerprint,
    plan_of,
)
from sapo_analysis.provenance import MACHINE, environment
from sapo_analysis.store import Conditions, Run, RunWriter, layout, open_run, tidy
from sapo_analysis.store.device_lock import DeviceBusy, hold_device
from sapo_analysis.studies.fitting import fitted
from sapo_analysis.studies.method_rows import methods_of
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.studies.parent_states import StateLosses, check_states
from sapo_analysis.studies.sequence import SequenceWork, work_on_chains
from sapo_analysis.studies.taken_over import Rows, TakenOver, in_planned_order


def run_to_end(
    path: Path,
    engine: EngineName = "stacked",
    allow_mixed: bool = False,
    only_alone: bool = False,
) -> None:
    """Work on a run folder until it is done. Trials already saved are not done again.

    A GPU is never shared with another run, a CPU only without `only_alone`.

    Raises:
        DeviceBusy: another run holds the device.
        InputError: the spec cannot be run here, or the run was begun with another model, data or
            version; or it was begun, or trials it takes over were made, on another device or by
            another engine, and `allow_mixed` is false.
        WorkError: the parent state of trials taken over came out otherwise than where they were
            made, and `allow_mixed` is false.
    """
    run = open_run(path)
    if run.is_complete:
        tidy(path)  # a kill between the last mark and the tidying leaves files that nobody needs
        return
    study = run.made_here("be run")
    with remote_code(run.conditions.trust_remote_code):
        plan = plan_of(study, engine)
    if threads := run.provenance.get("threads", run.conditions.threads):
        torch.set_num_threads(threads)  # float32 sums depend on it
    device = choose_device(study.device)
    with _turn_on(device, path, only_alone):
        _work(run, plan, device, allow_mixed)


def _turn_on(device: Device, path: Path, only_alone: bool) -> AbstractContextManager[object]:
    """Hold the device against other runs; two of them on one CPU only take longer."""
    try:
        return hold_device(device.name, path)
    except DeviceBusy:
        if only_alone or device.name != "cpu":
            raise
        return nullcontext()


def _work(run: Run, plan: AnyPlan, device: Device, allow_mixed: bool) -> None:
    path = run.path
    provenance = _provenance(plan, device)
    provenance["reused"] = [reused.model_dump() for reused in run.conditions.reused]
    if run.provenance:
        _refuse_mixing(run, provenance, allow_mixed)
    elif not allow_mixed:
        _refuse_other_makers(run.conditions, provenance)
    fitting, done_to_inputs = fitted(plan)
    if done_to_inputs is not None:
        provenance["inputs"] = done_to_inputs
    worker = _work_of(fitting, device, path / layout.STATES)
    worker.check()
    with RunWriter(path, total=len(plan.units)) as writer:
        begun = open_run(path).provenance
        keys = dict.fromkeys(("started", *_MIXABLE, "commit", *MACHINE))
        here = {key: provenance[key] for key in keys}
        sessions = [*begun.get("sessions", []), here]
        writer.write_provenance({**(begun or provenance), "sessions": sessions})
        worker.say = lambda phase: writer.update(phase=phase)
        if isinstance(worker, SequenceWork):
            worker.teller.tell = writer.live
            work_on_chains(worker, writer)
        else:
            states = {} if allow_mixed else run.conditions.states
            _work_on_trials(worker, writer, TakenOver(run), states)
        known = open_run(path).provenance
        values = {**known.get("trained_values", {}), **worker.trained_values}
        writer.finish({**known, "trained_values": values, "cost": _cost(open_run(path))})


def _work_of(plan: AnyPlan, device: Device, states: Path) -> ParaphraseWork | SequenceWork:
    if isinstance(plan, SequencePlan):
        return SequenceWork(plan, device, states)
    return ParaphraseWork(plan, device, states)


def _work_on_trials(
    work: ParaphraseWork, writer: RunWriter, taken_over: TakenOver, states: StateLosses
) -> None:
    """Carry out what is not saved yet; `states` are losses that states have to come out with."""
    plan = work.plan
    finished = writer.finished_groups()
    # Another engine or chunk groups trials otherwise, so they are looked up one by one.
    known = set(open_run(writer.path).table("trials")["trial_id"]) if finished else set()
    done = sum(trial.trial_id in known | taken_over.trial_ids for trial in plan.trials)
    writer.update(done=done)
    for order, group in enumerate(plan.groups):
        left = group.without(known) if group.kind == "trials" else group
        if left is None or left.group_id in finished:
            continue
        writer.begin_group()
        if group.kind == "trials":
            rest = left.without(taken_over.trial_ids)
            made: Rows = work.run(rest) if rest is not None else {"costs": []}
            rows = in_planned_order(left, made, taken_over.rows(left))
            done += len(rest.trials) if rest is not None else 0
        else:
            rows = work.run(left)
            check_states(rows, states)
        writer.save_group(order, left.group_id, rows)
        writer.update(done=done)


def _provenance(plan: AnyPlan, device: Device) -> dict[str, Any]:
    return {
        **environment(),
        "algorithm_version": ALGORITHM_VERSION,
        "engine": plan.engine,
        "chunk": plan.chunk,
        "device": device.name,
        "hardware": device.hardware,
        "dtype": plan.study.dtype,
        "threads": torch.get_num_threads(),
        "model": _model(plan.model),
        "data": {n: data_fingerprint(t, plan.originals[n]) for n, t in plan.tasks.items()},
        **_own_methods(plan),
        "seeds": list(plan.study.seeds),
        "noise_seeds": [] if isinstance(plan, SequencePlan) else list(plan.study.noise_seeds),
        "started": layout.now(),
    }


def _own_methods(plan: AnyPlan) -> dict[str, Any]:
    """The marks of the user's own methods, where the study has some."""
    names = [method.name for method in methods_of(plan.study)]
    marks = {name: mark for name in names if (mark := own_mark(name)) is not None}
    return {"own_methods": marks} if marks else {}


def _model(files: ModelFiles) -> dict[str, Any]:
    """What a run says of its model; of its origin and its code only where there is something."""
    found: dict[str, Any] = {
        "name": files.label,
        "weights": files.weights,
        "fingerprint": files.fingerprint,
        "n_parameters": files.n_parameters,
    }
    if files.revision is not None:
        found["revision"] = files.revision
    if files.remote_code:
        found["trust_remote_code"] = True
    return found


_MIXABLE = ("device", "engine", "chunk")
"""What one run may mix if its user says so; each trial's row says what it was made with."""


def _refuse_mixing(run: Run, now: dict[str, Any], allow_mixed: bool) -> None:
    """Another model, other data or another algorithm is never mixed: parts would contradict."""
    keys = ("algorithm_version", "dtype", "model", "data", *(() if allow_mixed else _MIXABLE))
    differing = [line for key in keys for line in _differences(key, run.provenance[key], now[key])]
    if differing:
        listed = "; ".join(differing)
        raise InputError(
            f"Run {run.run_id} was begun under other conditions ({listed})."
            " Its numbers would not be comparable. Continue it where it was begun, or run its"
            " spec.json again; --allow-mixed allows another device, engine or chunk."
        )


def _differences(key: str, was: Any, now: Any) -> list[str]:
    """What differs, of a group of values (a model's, each task's data) one by one."""
    if isinstance(was, dict) and isinstance(now, dict):
        names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        return [f"{key} {name}: was {was.get(name)!r}, is {now.get(name)!r}" for name in names]
    return [] if was == now else [f"{key}: was {was!r}, is {now!r}"]


def _refuse_other_makers(conditions: Conditions, now: dict[str, Any]) -> None:
    """Trials taken over come from one engine and one device, as the new ones will."""
    made_by = {"engine": conditions.engine, "device": conditions.device}
    differing = [key for key, was in made_by.items() if was is not None and was != now[key]]
    if differing:
        listed = "; ".join(f"{key}: {made_by[key]!r}, here {now[key]!r}" for key in differing)
        raise InputError(
            f"The trials to be taken over were made otherwise ({listed}), and rounding differs."
            " Work as they were made, leave them out, or mix them all the same with --allow-mixed."
        )


def _cost(run: Run) -> dict[str, Any]:
    costs = run.table("costs")
    by_phase = costs.groupby("phase")[["seconds", "tokens", "model_flops"]].sum()
    return {
        "seconds": float(costs["seconds"].sum()),
        "peak_bytes": int(costs["peak_bytes"].max()),
        "phases": {
            phase: {k: float(v) for k, v in row.items()} for phase, row in by_phase.iterrows()
        },
    }
