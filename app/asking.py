"""Questions to the engine that a page does not wait for: asked once, answered for all sessions.

A question takes seconds, for it loads torch. Here it is worked on beside the page, which says so
meanwhile and looks again every second (`look_again`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.errors import SapoError

_LOOK_SECONDS = 1.0
_MOST = 128
"""Questions whose answers are kept."""
_WAITED_FOR = "asking-waited-for"


@dataclass(frozen=True)
class Reply:
    """Where a question stands: an answer, why there is none, or neither while it is worked on."""

    answer: dict[str, Any] | None = None
    error: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether it is worked on."""
        return self.answer is None and not self.error


def ask(kind: str, payload: Mapping[str, Any], timeout: float) -> Reply:
    """Where a question of `jobs.probe` stands; asked when nobody has yet."""
    future = _asked(kind, _text(payload), timeout)
    if not future.done():
        st.session_state.setdefault(_WAITED_FOR, set()).add((kind, _text(payload)))
        return Reply()
    return _reply(future)


def answered(kind: str, payload: Mapping[str, Any]) -> bool:
    """Whether somebody has asked this before: then `ask` costs nothing."""
    return (kind, _text(payload)) in _questions()


def forget(kind: str, payload: Mapping[str, Any]) -> None:
    """Ask anew when asked next: what is free or failed may be otherwise by then."""
    _questions().pop((kind, _text(payload)), None)


def look_again() -> None:
    """Draw the page anew when a question it waits for was answered; call it last."""
    if waited_for := st.session_state.pop(_WAITED_FOR, None):
        _watch(waited_for)


@st.fragment(run_every=_LOOK_SECONDS)
def _watch(waited_for: set[tuple[str, str]]) -> None:
    known = _questions()
    if any(key not in known or known[key].done() for key in waited_for):
        st.rerun()


def _text(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def _asked(kind: str, payload: str, timeout: float) -> Future[dict[str, Any]]:
    known = _questions()
    if (kind, payload) not in known:
        while len(known) >= _MOST:
            known.pop(next(iter(known)), None)
        known[kind, payload] = _begun(kind, payload, timeout)
    return known[kind, payload]


def _begun(kind: str, payload: str, timeout: float) -> Future[dict[str, Any]]:
    future: Future[dict[str, Any]] = Future()
    turn = _turns()

    def work() -> None:
        try:
            with turn:
                future.set_result(jobs.probe(kind, json.loads(payload), timeout))
        except BaseException as error:
            future.set_exception(error)

    # A daemon: the server does not wait for it when it is stopped.
    threading.Thread(target=work, name=f"asking-{kind}", daemon=True).start()
    return future


def _reply(future: Future[dict[str, Any]]) -> Reply:
    try:
        return Reply(future.result())
    except SapoError as error:
        return Reply(error=str(error))


@st.cache_resource
def _questions() -> dict[tuple[str, str], Future[dict[str, Any]]]:
    """Questions asked of this server, and what became of them."""
    return {}


@st.cache_resource
def _turns() -> threading.Semaphore:
    """Two questions at a time: each loads torch, and studies need the cores more."""
    return threading.Semaphore(2)
