"""The same call again where that may help: later and later, and as the server asks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sapo_analysis.prompts.endpoints.protocol import CallError, Reply


@dataclass(frozen=True)
class Patience:
    """How often a call is made and how long is waited in between (seconds).

    The k-th wait is `first_wait` · 2^(k−1), times a random factor of 0.5 to 1.5 so that parallel
    calls do not come back together; no less than the server asks for. A server that asks for more
    than `longest_wait` is not waited for. Where no connection is made, most often because nobody
    listens or a name is wrong, the call is given up after `for_connection` seconds in all.
    """

    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 60.0
    for_connection: float = 3.0


def patiently(once: Callable[[], Reply], patience: Patience, stop: threading.Event) -> Reply:
    """Make a call until it works.

    Raises:
        CallError: it never did, or `stop` was set.
    """
    began = time.monotonic()
    for k in range(1, patience.attempts + 1):
        try:
            return once()
        except CallError as error:
            if not error.again:
                raise
            own = patience.first_wait * 2 ** (k - 1) * random.uniform(0.5, 1.5)
            ends = time.monotonic() - began + own
            if k == patience.attempts or (error.unmet and ends > patience.for_connection):
                reason = f"{error.reason}; tried {'once' if k == 1 else f'{k} times'}"
                raise CallError(reason, for_all=error.for_all) from None
            if (error.wait or 0) > patience.longest_wait:
                reason = f"{error.reason}; it asks to wait {error.wait:,.0f} s, which is too long"
                raise CallError(reason, for_all=True) from None
            pause = max(error.wait or 0.0, min(own, patience.longest_wait))
            reason = error.reason
        if stop.wait(pause):
            raise CallError(f"{reason}; not tried again")
    raise AssertionError("attempts is at least 1")
