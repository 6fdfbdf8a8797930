"""Runs in any state without a worker: statuses, finished groups and what a sequence tells."""

import json

from sapo_analysis.plan import Plan, order_name, plan_of
from sapo_analysis.store import RunWriter, create_run, layout, open_run
from sapo_analysis.store.status import Status, running_here
from tests.synthetic import cost, trial_row


def begun(folder, study, *, groups=0, failed=()):
    """A run whose first `groups` groups are saved, interrupted; `failed` trials diverged.

    Of every group only what says that it is done is there, and of scoring groups the losses.
    """
    path, plan = create_run(folder, study), plan_of(study)
    done = plan.groups[:groups]
    try:
        with RunWriter(path, total=len(plan.units)) as writer:
            writer.write_provenance({"device": "cpu", "engine": "stacked"})
            for order, group in enumerate(done):
                rows = {"costs": [cost(group.group_id, "train")]}
                if isinstance(plan, Plan):
                    rows |= _of_paraphrase(plan, group, set(failed))
                writer.save_group(order, group.group_id, rows)
            writer.update(done=sum(len(group.units) for group in done), seconds=60.0)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return path


def _of_paraphrase(plan, group, failed):
    if group.kind == "base":
        return {
            "prompts": [
                {
                    "task": task,
                    "prompt_id": prompt.prompt_id,
                    "text": prompt.text,
                    "source": prompt.source,
                    "test_only": False,
                    "frequency": None,
                    "n_tokens": 5,
                }
                for task, prompts in plan.prompts.items()
                for prompt in prompts
            ]
        }
    if group.kind == "score":
        return {
            "indicators": [
                {
                    "state_id": group.state_id,
                    "task": group.task,
                    "prompt_id": prompt.prompt_id,
                    "name": "pre_update_loss",
                    "value": 2.0 - 0.1 * i,
                    "unit": "nats per target token",
                    "n_examples": 9,
                    "exact": True,
                }
                for i, prompt in enumerate(plan.prompts[group.task])
            ]
        }
    if group.kind != "trials":
        return {}
    trials, curves = [], []
    for t in group.trials:
        row = trial_row(t.trial_id, t.state_id, t.task, t.prompt.prompt_id, t.seed, t.purpose)
        trials.append({**row, "status": "diverged" if t.trial_id in failed else "done"})
        for step in range(130):
            at = {"trial_id": t.trial_id, "step": step, "series": "train_loss"}
            curves.append({**at, "value": 2 - step / 100})
    return {"trials": trials, "curves": curves}


def put(path, state, **values):
    """Give a run a state by hand; a running one is worked on by this process."""
    known = open_run(path).status
    kept = {"done": known.done, "total": known.total, "seconds": known.seconds}
    if state in ("running", "stalled"):
        status = running_here(**{**kept, **values})
        if state == "stalled":
            status = status.model_copy(update={"heartbeat": "2026-01-01T00:00:00+00:00"})
    else:
        status = Status.model_validate({**kept, "state": state, **values})
    layout.write_model(path / layout.STATUS, status)


def tell(path, *events):
    """Append events as a worker tells them."""
    with (path / layout.LIVE).open("a", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps({"time": layout.now(), **event}) + "\n")


def scored(task, prompt, loss, n, stopped=False, state="theta-0"):
    at = {"event": "scored", "state": state, "task": task, "prompt": prompt}
    return {**at, "loss": loss, "n": n, "stopped": stopped}


def chosen(study, strategy, task, prompt, loss, stage=1, seed=0):
    chain = {"order": order_name(study.orders[0]), "strategy": strategy, "seed": seed}
    at = {"event": "chosen", "chain": chain, "stage": stage, "state": "theta-0"}
    return {**at, "task": task, "prompt": prompt, "loss": loss}
