"""Short questions to the engine, answered by a process of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.jobs.engine_process import WORKER, error_in, require_engine


def probe(
    kind: str, payload: Mapping[str, Any], timeout: float | None = 600, echo: bool = False
) -> dict[str, Any]:
    """Ask the engine a question in a process of its own.

    `kind` is one of those that `sapo_analysis.worker` lists. With `echo` its progress lines go to
    this process's standard error as they come. Without a `timeout` (seconds) it may take any time.

    Raises:
        InputError: the engine refused the payload.
        WorkError: it failed or took longer than `timeout` seconds.
    """
    require_engine()
    command = [*WORKER, kind]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(payload),
            stdout=subprocess.PIPE,
            stderr=None if echo else subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise WorkError(
            f"The engine did not answer {kind!r} within {timeout:.0f} s."
            " Ask for less, or try again."
        ) from None
    if done.returncode == 2:
        raise InputError(error_in(done.stdout) or "The engine refused the question.")
    if done.returncode != 0:
        last = (done.stderr or "").strip().splitlines()[-1:] or ["no message"]
        raise WorkError(error_in(done.stdout) or f"The engine failed at {kind!r}: {last[0]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
