"""Whether a trial of one run and the same trial of a plan are the same piece of work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sapo_analysis.methods import find_method
from sapo_analysis.plan import ALGORITHM_VERSION, AnyPlan, data_fingerprint
from sapo_analysis.spec import AnyStudy, by_dotted_name
from sapo_analysis.store import Run

_SHOWN = 12


def method_settings(methods: Iterable[str]) -> tuple[str, ...]:
    """Fields of a study that decide what some methods come to, each once."""
    return tuple(dict.fromkeys(name for m in methods for name in find_method(m).settings))


def settings_that_count(study: AnyStudy, names: Iterable[str]) -> dict[str, Any]:
    """Settings of a study that decide a trial's numbers, by dotted name.

    Args:
        study: The study.
        names: Its fields to look at. How many predictions are kept decides no number, and neither
            does where the weights are nor what is computed twice.
    """
    settings = study.model_dump(mode="json")
    settings["evaluation"].pop("n_predictions_kept", None)
    settings["memory"] = {"quantization": settings["memory"]["quantization"]}
    return by_dotted_name({name: settings[name] for name in names})


def other_conditions(plan: AnyPlan, run: Run) -> list[str]:
    """What differs between the conditions of a run and of a plan, each as `key: was …, is …`.

    Looked at are what no two runs whose trials are to be the same may differ in: the algorithm's
    version, the type of the weights, the model, and the data of every task that both know. A run
    that no worker has begun differs in nothing.
    """
    was = run.provenance
    if not was:
        return []
    model = was.get("model", {})
    pairs = {
        "algorithm_version": (was.get("algorithm_version"), ALGORITHM_VERSION),
        "dtype": (was.get("dtype"), plan.study.dtype),
    }
    found = [f"{key}: was {a!r}, is {b!r}" for key, (a, b) in pairs.items() if a != b]
    if model.get("fingerprint") != plan.model.fingerprint:
        found.append(
            f"model: was {_named(model.get('name'), model.get('fingerprint'))},"
            f" is {_named(plan.model.label, plan.model.fingerprint)}"
        )
    data = was.get("data") or {}
    for name, task in plan.tasks.items():
        mark = data_fingerprint(task, plan.originals[name])
        if name in data and data[name] != mark:
            found.append(f"data of {name}: was {data[name][:_SHOWN]}, is {mark[:_SHOWN]}")
    return found


def _named(name: object, fingerprint: object) -> str:
    return f"{name!r} ({str(fingerprint)[:_SHOWN]})"
