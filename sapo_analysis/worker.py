"""One process of work: `python -m sapo_analysis.worker KIND`, started by `sapo_analysis.jobs`.

`study RUN_FOLDER ENGINE [--allow-mixed] [--queued]` works on a run until it is done; from the queue
it asks for the device alone (exit status 75 where another run holds it) and writes a refusal into
the run's status, for nobody listens. Every other kind reads its payload as JSON from standard
input. The last line of standard output is the answer as JSON; a refusal is `{"error": ...}` with
exit status 2.

What a kind needs is imported by the kind: a short question is not to wait for another's libraries.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.stop_signal import unwind_on_termination

Payload = Mapping[str, Any]
Answer = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Do one job; the exit status is 0 done, 1 failed (traceback on standard error), 2 refused."""
    unwind_on_termination()  # through the run's writer, which marks the run as interrupted
    kind, *rest = arguments
    try:
        if kind == "study":
            answer = _study(rest)
        else:
            answer = _PROBES[kind](json.load(sys.stdin))
    except InputError as error:
        print(json.dumps({"error": str(error)}))
        return 2
    except WorkError as error:
        print(json.dumps({"error": str(error)}))
        return 1
    except KeyboardInterrupt:
        return _STOPPED
    print(json.dumps(answer))
    return 0


_STOPPED = 130
"""As a shell reports Ctrl-C; whoever waits for the answer was stopped by it too."""

_NICE = 10
"""A study takes every core for minutes; pages and terminals come first."""


def _quiet() -> None:
    from transformers.utils import logging

    disable: Callable[[], None] = logging.disable_progress_bar  # transformers leaves it untyped
    disable()


def _study(arguments: list[str]) -> Answer:
    from sapo_analysis.plan import as_engine
    from sapo_analysis.store import mark_failed
    from sapo_analysis.store.device_lock import BUSY_STATUS, DeviceBusy
    from sapo_analysis.studies.runner import run_to_end

    folder, engine, *flags = arguments
    path, queued = Path(folder), "--queued" in flags
    _quiet()
    os.nice(_NICE)
    try:
        run_to_end(path, as_engine(engine), "--allow-mixed" in flags, only_alone=queued)
    except DeviceBusy:
        if queued:
            sys.exit(BUSY_STATUS)
        raise
    except InputError as error:
        if queued:
            mark_failed(path, str(error))
        raise
    return {"run": folder}


def _devices(payload: Payload) -> Answer:
    from sapo_analysis.studies.devices import devices

    return devices()


def _asked(payload: Payload) -> tuple[Any, ...]:
    """What the questions about a task's prompts have in common."""
    names = ("model", "task", "prompts", "examples")
    return (*(payload[name] for name in names), payload.get("tasks_from", ()))


def _score(payload: Payload) -> Answer:
    from sapo_analysis.studies.probes import score

    _quiet()
    return score(*_asked(payload))


def _select(payload: Payload) -> Answer:
    from sapo_analysis.studies.probes import select

    _quiet()
    return select(*_asked(payload))


def _rank_labels(payload: Payload) -> Answer:
    from sapo_analysis.studies.probes import rank_labels

    _quiet()
    return rank_labels(*_asked(payload))


def _equivalence(payload: Payload) -> Answer:
    from sapo_analysis.studies.equivalence import equivalence

    _quiet()
    return equivalence(*_asked(payload))


def _tokens(payload: Payload) -> Answer:
    from sapo_analysis.studies.tokenised import tokens

    _quiet()
    return tokens(payload["model"], payload["texts"])


def _exact_prompt(payload: Payload) -> Answer:
    from sapo_analysis.studies.tokenised import exact_prompt

    _quiet()
    names = ("split", "row", "data_seed", "tasks_from", "inputs")
    wanted = {name: payload[name] for name in names if name in payload}
    return exact_prompt(payload["model"], payload["task"], payload["prompt"], **wanted)


def _paraphrase(payload: Payload) -> Answer:
    from sapo_analysis.studies.paraphrasing import paraphrase

    _quiet()
    return paraphrase(
        payload["model"],
        payload["task"],
        payload["n"],
        payload["temperature"],
        payload["seed"],
        payload.get("tasks_from", ()),
    )


def _calibrate(payload: Payload) -> Answer:
    from sapo_analysis.model_files import remote_code
    from sapo_analysis.plan import as_engine
    from sapo_analysis.spec import SequenceStudy, parse_study
    from sapo_analysis.studies.calibrate import calibrate
    from sapo_analysis.studies.sequence.calibrate import calibrate_sequence

    _quiet()
    study, engine = parse_study(payload["study"], "The study"), as_engine(payload["engine"])
    with remote_code(bool(payload.get("trust_remote_code"))):
        if isinstance(study, SequenceStudy):
            return calibrate_sequence(study, engine)
        return calibrate(study, engine, payload.get("taken_over", ()))


def _pretrain(payload: Payload) -> Answer:
    from sapo_analysis.pretraining import pretrain_from_payload

    _quiet()
    return pretrain_from_payload(payload)


def _card(payload: Payload) -> Answer:
    from sapo_analysis.pretraining.card import card_from_payload

    _quiet()
    return card_from_payload(payload)


def _hub_model(payload: Payload) -> Answer:
    from sapo_analysis.hub.models import offered

    return offered(payload)


def _fetch_model(payload: Payload) -> Answer:
    from sapo_analysis.hub.models import fetch

    return fetch(payload)


def _fetch_task(payload: Payload) -> Answer:
    # Rows need no torch, which `datasets` imports where it may: seconds.
    os.environ["USE_TORCH"] = "0"
    from sapo_analysis.hub.fetch_task import fetch_from_payload

    return fetch_from_payload(payload)


def _bench(payload: Payload) -> Answer:
    from sapo_analysis.bench.payload import bench_from_payload

    return bench_from_payload(payload)


_PROBES: dict[str, Callable[[Payload], Answer]] = {
    "devices": _devices,
    "score": _score,
    "select": _select,
    "rank_labels": _rank_labels,
    "equivalence": _equivalence,
    "tokens": _tokens,
    "exact_prompt": _exact_prompt,
    "paraphrase": _paraphrase,
    "calibrate": _calibrate,
    "pretrain": _pretrain,
    "card": _card,
    "bench": _bench,
    "hub_model": _hub_model,
    "fetch_model": _fetch_model,
    "fetch_task": _fetch_task,
}
_ONLINE = {"hub_model", "fetch_model", "fetch_task"}
"""Kinds that ask the Hugging Face hub. All others find what they need on this machine."""


def _set_network(kind: str) -> None:
    """Before any library of the hub is imported: it reads these once."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if kind not in _ONLINE:
        os.environ["HF_HUB_OFFLINE"] = "1"


if __name__ == "__main__":
    _set_network(sys.argv[1])
    sys.exit(main(sys.argv[1:]))
