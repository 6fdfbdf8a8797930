"""One attempt at one call of `/chat/completions`: what goes out, and what may come back.

Nothing of the server's is trusted: its reply is read up to a size and a moment, redirects are not
followed, and a reply or message that repeats the key is not let through.
"""

from __future__ import annotations

import email.utils
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr

from sapo_analysis.prompts.endpoints.endpoint import Endpoint

MAX_REPLY_BYTES = 4_000_000
_CHUNK_BYTES = 4096
_CONNECT_SECONDS = 4.0
_SHOWN = 200
"""Characters of a server's own message that are repeated."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Call:
    """What one call asks. `index` tells apart calls that are otherwise the same."""

    model: str
    text: str
    temperature: float
    seed: int | None
    max_tokens: int | None
    index: int

    def body(self) -> dict[str, Any]:
        """The call as the protocol has it; what is None is left to the server."""
        optional = {"max_tokens": self.max_tokens, "seed": self.seed}
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": self.text}],
            "temperature": self.temperature,
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True)
class Reply:
    """What a model wrote. `cut_off`: at its length limit. Tokens: as the server counts them."""

    text: str
    cut_off: bool
    tokens_in: int | None
    tokens_out: int | None


class CallError(Exception):
    """A call that brought nothing.

    `again`: the same call may work later, not before `wait` seconds where that is said. `for_all`:
    every other call of the same endpoint would fail alike. `unmet`: no connection was made.
    """

    def __init__(
        self,
        reason: str,
        again: bool = False,
        for_all: bool = False,
        wait: float | None = None,
        unmet: bool = False,
    ):
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.for_all = for_all
        self.wait = wait
        self.unmet = unmet


def attempt(endpoint: Endpoint, key: SecretStr | None, call: Call) -> Reply:
    """Make a call once.

    Raises:
        CallError: nothing that can be used came back within the endpoint's `timeout`.
    """
    late = CallError(f"no whole reply within {endpoint.timeout:g} s", again=True)
    try:
        # A server that sends a byte now and then keeps every read alive: the whole is timed too.
        return _within(endpoint.timeout, lambda: _exchange(endpoint, key, call))
    except requests.ConnectTimeout:
        reason = f"{endpoint.where} cannot be reached: it takes no connection"
        raise CallError(reason, again=True, for_all=True, unmet=True) from None
    except (TimeoutError, requests.Timeout):
        raise late from None
    except requests.exceptions.SSLError:
        reason = f"{endpoint.where} has no certificate that this machine trusts"
        raise CallError(reason, for_all=True) from None
    except requests.exceptions.ChunkedEncodingError:
        raise CallError("the connection broke before the reply was whole", again=True) from None
    except requests.ConnectionError as error:
        if why := _unmet(error):
            reason = f"{endpoint.where} cannot be reached: {why}"
            raise CallError(reason, again=True, for_all=True, unmet=True) from None
        reason = f"{endpoint.where} hangs up without an answer"
        raise CallError(reason, again=True, for_all=True) from None
    except requests.RequestException as error:
        # By its kind alone: what it says may quote the call.
        reason = f"no valid answer from {endpoint.where} ({type(error).__name__})"
        raise CallError(reason) from None


def _unmet(error: requests.ConnectionError) -> str:
    """Why no connection was made at all; "" where there was one that broke."""
    # Of what breaks later, the error that requests wraps gives no reason.
    refused = getattr(error.args[0], "reason", None) if error.args else None
    if refused is None:
        return ""
    cause = refused.__cause__
    if isinstance(cause, socket.gaierror):
        return "no machine of that name is found"
    said = cause.strerror if isinstance(cause, OSError) else None
    return (said or "no connection can be made").lower()


class _Session(requests.Session):
    """Goes where it is sent, and nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        # Neither proxies nor .netrc logins nor other settings of the environment: they could send
        # the key elsewhere, or another one here.
        self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: even a redirect that is not followed would be read to its end, however long."""


def _exchange(endpoint: Endpoint, key: SecretStr | None, call: Call) -> Reply:
    deadline = time.monotonic() + endpoint.timeout
    headers = {**endpoint.headers, "Accept": "application/json", "Accept-Encoding": "identity"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    with _Session() as session:
        with session.post(
            f"{endpoint.base_url}/chat/completions",
            json=call.body(),
            headers=headers,
            timeout=(min(_CONNECT_SECONDS, endpoint.timeout), endpoint.timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            content = _content(response, deadline)
            said = _Said(content, key)
            if response.status_code != 200:
                raise _refusal(endpoint, response, said)
            return said.reply(call)


def _content(response: requests.Response, deadline: float) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise CallError("the reply is compressed, which was not asked for")
    content = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        content += chunk
        if len(content) > MAX_REPLY_BYTES:
            raise CallError(f"the reply has more than {MAX_REPLY_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(content)


class _Said:
    """A server's answer, read with the key kept out of whatever is taken from it."""

    def __init__(self, content: bytes, key: SecretStr | None):
        self._text = content.decode("utf-8", "replace")
        self._key = key.get_secret_value() if key is not None else None
        try:
            self._data: Any = json.loads(self._text)
        except (ValueError, RecursionError):
            self._data = None

    def message(self) -> str:
        """What the server says went wrong, in short."""
        said: Any = self._data
        if isinstance(said, dict):
            said = said.get("error", said.get("message", said.get("detail")))
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said.strip():
            return self.without_key(" ".join(said.split()))[:_SHOWN]
        if self._is_html():
            return "an HTML page"
        plain = " ".join(self._text.split())
        return self.without_key(plain)[:_SHOWN] if self._data is None and plain else "no message"

    def code(self) -> object:
        """The protocol's short name of an error."""
        error = self._data.get("error") if isinstance(self._data, dict) else None
        return error.get("code") if isinstance(error, dict) else None

    def reply(self, call: Call) -> Reply:
        """The model's text.

        Raises:
            CallError: there is none.
        """
        if self._is_html():
            raise CallError("an HTML page came in place of a reply: check base_url", False, True)
        if not isinstance(self._data, dict):
            start = self.without_key(" ".join(self._text.split()))[:40]
            raise CallError(f"the reply is not the JSON of a completion; it begins {start!r}")
        choices = self._data.get("choices")
        if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
            raise CallError(f"the reply holds no choice: {self.message()}")
        message = choices[0].get("message")
        if not isinstance(message, dict):
            raise CallError("the reply's choice holds no message")
        reason = choices[0].get("finish_reason")
        if isinstance(refusal := message.get("refusal"), str) and refusal:
            raise CallError(f"the model refused: {self.without_key(refusal)[:_SHOWN]}")
        if reason == "content_filter":
            raise CallError("the server's content filter stopped the reply")
        text = _as_text(message.get("content"))
        if not text.strip():
            if reason == "length":
                raise CallError(
                    f"nothing was written within {call.max_tokens or 'the server’s limit of'}"
                    " tokens: raise max_tokens of the endpoint"
                )
            raise CallError("the reply is empty")
        if self._key is not None and self._key in text:
            raise CallError("the reply repeats the endpoint's key, and was thrown away")
        usage = self._data.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        tokens_in, tokens_out = (
            value if type(value) is int and 0 <= value < 1 << 40 else None
            for value in (counts.get("prompt_tokens"), counts.get("completion_tokens"))
        )
        return Reply(text, reason == "length", tokens_in, tokens_out)

    def without_key(self, text: str) -> str:
        """Text of the server's with the key, should it be there, blotted out."""
        return text if self._key is None else text.replace(self._key, "[key]")

    def _is_html(self) -> bool:
        return self._text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))


def _as_text(content: object) -> str:
    """A message's content: text, or parts of which some are text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _refusal(endpoint: Endpoint, response: requests.Response, said: _Said) -> CallError:
    status = response.status_code
    if 300 <= status < 400:
        there = said.without_key(_host_of(response.headers.get("Location", "")))
        return CallError(
            f"{endpoint.where} redirects to {there or 'another place'} (status {status}). The key"
            " goes to no other place than base_url: correct it, if you trust where it points",
            for_all=True,
        )
    reason = f"{endpoint.where} answers {status}: {said.message()}"
    if status in (401, 403):
        taken = endpoint.key_env or endpoint.key_file
        hint = f"is the key in {taken} right?" if taken else "it wants a key: set key_env"
        return CallError(f"{reason} ({hint})", for_all=True)
    if status in (408, 429) or status >= 500:
        spent = said.code() == "insufficient_quota"
        wait = _seconds(response.headers.get("Retry-After"))
        return CallError(reason, again=not spent, for_all=spent, wait=wait)
    return CallError(reason, for_all=True)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _seconds(retry_after: str | None) -> float | None:
    """What `Retry-After` says, a number of seconds or a date; None where it says nothing."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after)) if float(retry_after) < float("inf") else None
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises, unless it takes longer.

    Its thread is then left to itself: a read that hangs cannot be interrupted from outside.

    Raises:
        TimeoutError: it took longer.
    """
    done: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((True, work()))
        except BaseException as error:
            done.put((False, error))

    threading.Thread(target=run, daemon=True, name="endpoint-call").start()
    try:
        worked, outcome = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if not worked:
        raise outcome
    result: _Result = outcome
    return result
