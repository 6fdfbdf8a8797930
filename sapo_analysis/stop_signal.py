"""A termination signal that ends a process by unwinding it, and is heard whenever it comes.

Python drops an exception that a signal raises while a destructor or a callback runs ("Exception
ignored in …"): a worker would then train on as if nothing had been said.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

PATIENCE_SECONDS = 2.0
"""Until a stop is raised once more where nothing is unwinding."""


def unwind_on_termination() -> None:
    """From now on SIGTERM raises `SystemExit` in the main thread, again and again until it works.

    While the exception is on its way, context managers and all, it is not raised a second time. The
    process's alarm timer is taken for this. Call it in the main thread.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop_again)


def _stop(number: int, frame: object) -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS, PATIENCE_SECONDS)
    sys.exit(_status(number))


def _stop_again(number: int, frame: object) -> None:
    if not isinstance(sys.exception(), SystemExit):
        sys.exit(_status(signal.SIGTERM))


def _status(number: int) -> int:
    """As a shell reports a process that a signal ended."""
    return 128 + number
