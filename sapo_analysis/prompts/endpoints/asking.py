"""Ask an endpoint for paraphrases of a task's prompt.

Several are asked for in one reply (`per_call`): the model then sees what it has written and is told
that no two should look alike, and the request, most of the text, is sent once for all of them.
`per_call=1` makes independent calls of one request, as the released SAPO code does with twenty.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sapo_analysis.errors import InputError
from sapo_analysis.prompts.endpoints.budget import Budget, Cost, counted, estimated
from sapo_analysis.prompts.endpoints.cache import cache_folder, cached, keep
from sapo_analysis.prompts.endpoints.endpoint import Endpoint
from sapo_analysis.prompts.endpoints.protocol import Call, CallError, Reply, attempt
from sapo_analysis.prompts.endpoints.retrying import Patience, patiently
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.prompts.replies import candidates_of
from sapo_analysis.prompts.request import MAX_WANTED, request_text
from sapo_analysis.prompts.wish import (
    PER_CALL,
    TEMPERATURE,
    check_number,
    check_seed,
    check_temperature,
)
from sapo_analysis.tasks import Task

PATIENCE = Patience()
Progress = Callable[[int, int], None]
"""Told how many calls are done, and how many there are."""


@dataclass(frozen=True)
class Failure:
    """What did not come, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Asked:
    """What came of asking. `source` and `note` say where the candidates are from."""

    candidates: list[Candidate]
    failures: list[Failure]
    cost: Cost
    source: str
    note: str


def budget_of(
    endpoint: Endpoint,
    task: Task,
    original: str,
    n: int,
    *,
    model: str | None = None,
    temperature: float = TEMPERATURE,
    seed: int | None = None,
    per_call: int = PER_CALL,
) -> Budget:
    """What `ask` with the same arguments would take; nothing is sent.

    Raises:
        InputError: as `ask`, a missing key apart.
    """
    calls = _calls(endpoint, task, original, n, model, temperature, seed, per_call)
    open_calls = [call for call in calls if cached(endpoint.base_url, call) is None]
    share = n * len(open_calls) / len(calls)
    return estimated(
        endpoint,
        open_calls,
        len(calls) - len(open_calls),
        math.ceil(share * len(original.encode())),
        calls[0].model,
    )


def ask(
    endpoint: Endpoint,
    task: Task,
    original: str,
    n: int,
    *,
    model: str | None = None,
    temperature: float = TEMPERATURE,
    seed: int | None = None,
    per_call: int = PER_CALL,
    progress: Progress | None = None,
    patience: Patience = PATIENCE,
) -> Asked:
    """Candidates for `n` paraphrases, unchecked; what failed beside what came.

    The task's title, two of its training examples and `original` are sent. Replies are kept by what
    was asked (`cache`), so that asking again, or after an interruption, asks for the rest alone.

    Args:
        endpoint: Where to ask; its key goes to its base URL and nowhere else.
        task: The task, with its label words.
        original: The prompt to paraphrase.
        n: How many.
        model: One of the endpoint's models; default: its first.
        temperature: Of sampling.
        seed: Sent along, plus the call's number, to servers that heed it; another seed asks anew.
        per_call: Paraphrases in one reply.
        progress: Called in this thread; what it raises ends the asking.
        patience: How often and how late a call is made again.

    Raises:
        InputError: a number out of range, an unknown model, or no key where one is needed.
    """
    calls = _calls(endpoint, task, original, n, model, temperature, seed, per_call)
    known = {call.index: cached(endpoint.base_url, call) for call in calls}
    found = {index: reply for index, reply in known.items() if reply is not None}
    to_make = [call for call in calls if call.index not in found]
    key = endpoint.key() if to_make else None
    new: list[Reply] = []
    reasons: dict[int, str] = {}
    unwritten: list[str] = []
    stop = threading.Event()

    def answer(call: Call) -> Reply:
        try:
            reply = patiently(partial(attempt, endpoint, key, call), patience, stop)
        except CallError as error:
            if error.for_all:
                stop.set()
            raise
        try:
            # At once, in this thread: what is paid for is kept even if the asking is ended now.
            keep(endpoint.base_url, call, reply)
        except OSError as error:
            unwritten.append(error.strerror or str(error))
        return reply

    for call, outcome in _answered(to_make, answer, endpoint.parallel, stop):
        if isinstance(outcome, CallError):
            reasons[call.index] = outcome.reason
        else:
            found[call.index] = outcome
            new.append(outcome)
        if progress is not None:
            progress(len(found) + len(reasons), len(calls))
    failures = [
        Failure(f"reply {i + 1}", reasons.get(i, "not asked for: it would have failed alike"))
        for i in range(len(calls))
        if i not in found
    ]
    if unwritten:
        failures.append(
            Failure("cache", f"{str(cache_folder())!r} takes no replies: {unwritten[0]}")
        )
    return Asked(
        candidates_of({f"reply {i + 1}": (found[i].text, found[i].cut_off) for i in sorted(found)}),
        failures,
        counted(endpoint, new, len(found) - len(new)),
        f"endpoint {endpoint.name}: {calls[0].model}",
        f"temperature {temperature:g}" + ("" if seed is None else f", seed {seed}"),
    )


def _calls(
    endpoint: Endpoint,
    task: Task,
    original: str,
    n: int,
    model: str | None,
    temperature: float,
    seed: int | None,
    per_call: int,
) -> list[Call]:
    """The calls that bring `n` paraphrases, as evenly filled as they can be."""
    check_number(n)
    if type(per_call) is not int or not 1 <= per_call <= MAX_WANTED:
        raise InputError(
            f"{per_call!r} paraphrases cannot come in one reply. Ask for 1 to {MAX_WANTED} of them."
        )
    n_calls = math.ceil(n / per_call)
    check_temperature(temperature, n_calls)
    if seed is not None:
        check_seed(seed)
    chosen = endpoint.pick(model)
    sizes = [n // n_calls + (i < n % n_calls) for i in range(n_calls)]
    texts = {size: request_text(task, original, size) for size in set(sizes)}
    return [
        Call(
            chosen,
            texts[size],
            float(temperature),
            None if seed is None else seed + i,
            endpoint.max_tokens,
            i,
        )
        for i, size in enumerate(sizes)
    ]


def _answered(
    calls: Sequence[Call], answer: Callable[[Call], Reply], n_threads: int, stop: threading.Event
) -> Iterator[tuple[Call, Reply | CallError]]:
    """Each call with what came of it, as they end, made by up to `n_threads` threads.

    Once `stop` is set no further call is begun; leaving early sets it. The threads end with the
    process: one that waits for a server keeps nobody from leaving.
    """
    waiting: queue.SimpleQueue[Call] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Call, Reply | BaseException] | None] = queue.SimpleQueue()
    for call in calls:
        waiting.put(call)

    def run() -> None:
        while not stop.is_set():
            try:
                call = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                done.put((call, answer(call)))
            except BaseException as error:
                done.put((call, error))
        done.put(None)

    n_running = min(n_threads, len(calls))
    for _ in range(n_running):
        threading.Thread(target=run, daemon=True, name="endpoint").start()
    try:
        while n_running:
            ended = done.get()
            if ended is None:
                n_running -= 1
                continue
            call, outcome = ended
            if isinstance(outcome, Reply | CallError):
                yield call, outcome
            else:
                raise outcome
    finally:
        stop.set()
