"""Scripts in processes of their own, to be killed: forks of one that has imported the engine.

A new interpreter takes five seconds of imports, a fork none. The process that is forked has done
nothing but import, so it holds no threads or locks that a fork would lose.
"""

from __future__ import annotations

import multiprocessing
import textwrap
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["sapo_analysis.studies.runner", "pytest"])
_PATIENCE = 120


def run(script: str) -> tuple[int | None, str]:
    """Exit status of a script, minus the signal where one ended it, and its traceback or ""."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_execute, args=(textwrap.dedent(script), there))
    process.start()
    there.close()
    process.join(_PATIENCE)
    try:
        said = here.recv() if here.poll() else ""
    except EOFError:
        said = ""
    if process.exitcode is None:
        process.kill()
    return process.exitcode, said


def start_worker(*arguments: str) -> BaseProcess:
    """A process that does what `python -m sapo_analysis.worker` does with these arguments."""
    process = FORKS.Process(target=_work, args=(arguments,))
    process.start()
    return process


def _execute(script: str, said: Connection) -> None:
    try:
        exec(script, {"__name__": "script"})
    except BaseException:
        said.send(traceback.format_exc())
        raise SystemExit(1) from None


def _work(arguments: Sequence[str]) -> None:
    from sapo_analysis.worker import main

    raise SystemExit(main(list(arguments)))
