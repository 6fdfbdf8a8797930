"""The first question to the hub: answered within seconds, or refused with the reason."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from sapo_analysis.errors import InputError
from sapo_analysis.hub.refusals import explain, no_answer
from sapo_analysis.hub.subject import Subject

T = TypeVar("T")
SECONDS = 2.5
"""How long an answer may take. With the start of two processes a refusal is there within five."""
PATIENCE = "SAPO_HUB_SECONDS"
"""Environment variable with another number of seconds, for hubs that are far away."""


def ask(question: Callable[[float], T], subject: Subject) -> T:
    """The answer to a question, which is given the time (s) that each of its steps may take.

    Raises:
        InputError: the repository or revision is not there, or not for this user.
        WorkError: no network, no answer in time, or no sensible one.
    """
    seconds = patience()
    answers: list[T] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            answers.append(question(seconds))
        except Exception as error:
            failures.append(error)

    # Looking a name up has no time limit of its own, and a server can answer drop by drop: only
    # another thread can be left behind.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if answers:
        return answers[0]
    if failures:
        raise explain(failures[0], subject) from failures[0]
    raise no_answer(subject)


def patience() -> float:
    """How long an answer may take (seconds).

    Raises:
        InputError: the environment names no number above 0.
    """
    given = os.environ.get(PATIENCE)
    if given is None:
        return SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise InputError(f"{PATIENCE} is {given!r}. Give seconds above 0, or unset it.")
    return seconds
