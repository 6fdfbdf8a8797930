"""The jobs of `sapo_analysis.jobs` with real processes whose workers are forks of a ready one.

All is as ever but that a worker does not import its libraries anew, which takes five seconds: who
asks is a fork too (`tests.scripts`), and where it would start a worker it forks once more. That the
command lines start what they are to start is tested without this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from sapo_analysis.jobs import queue
from sapo_analysis.jobs.background import DISPATCHER_LOG
from sapo_analysis.jobs.engine_process import WORKER
from tests.scripts import FORKS

_dispatchers: dict[Path, list[BaseProcess]] = defaultdict(list)


def asked(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a function of the jobs answers, or raises, in a process of its own."""
    here, there = FORKS.Pipe(duplex=False)
    question = partial(function, *arguments, **options)
    process = FORKS.Process(target=_answer, args=(there, dict(os.environ), question))
    process.start()
    there.close()
    answer, error = here.recv()
    process.join()
    if error is not None:
        raise error
    return answer


def start_command(said: Path, *arguments: str) -> BaseProcess:
    """`sapo` with these arguments; what it prints goes to the file `said`."""
    process = FORKS.Process(target=_command, args=(said, dict(os.environ), arguments))
    process.start()
    return process


def start_dispatcher(runs_dir: Path) -> None:
    """In place of `background.start_dispatcher`; it waits for a queue as long as this process."""
    patience = queue._BUSY_SECONDS
    process = FORKS.Process(target=_dispatch, args=(runs_dir, dict(os.environ), patience))
    process.start()
    _dispatchers[runs_dir].append(process)


def dispatcher_of(runs_dir: Path) -> int | None:
    """The process that works a folder's queue off, if `start_dispatcher` started it."""
    return next((process.pid for process in _dispatchers[runs_dir] if process.is_alive()), None)


class _ForkingPopen(subprocess.Popen):
    """As ever, but a worker is a fork of this process."""

    def __init__(self, command: Sequence[Any], **options: Any):
        if tuple(command[: len(WORKER)]) == WORKER:
            begin = partial(_be_worker, command[len(WORKER) :], options.get("env"))
            options["preexec_fn"] = begin
        super().__init__(command, **options)


def _be_worker(arguments: Sequence[str], environment: Mapping[str, str] | None) -> NoReturn:
    """The rest of a forked worker's life; its standard streams are in place already."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # by one its parent waits for the command to begin
    _set_environment(os.environ if environment is None else environment)
    _open_streams()
    status: Any = 1
    try:
        from sapo_analysis.worker import main

        status = main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _answer(there: Connection, environment: Mapping[str, str], question: Callable[[], Any]) -> None:
    _set_environment(environment)
    subprocess.Popen = _ForkingPopen
    try:
        there.send((question(), None))
    except Exception as error:
        there.send((None, error))


def _command(said: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> None:
    _set_environment(environment)
    _redirect(said)
    subprocess.Popen = _ForkingPopen
    sys.argv = ["sapo", *arguments]
    from sapo_analysis.cli import main

    main()


def _dispatch(runs_dir: Path, environment: Mapping[str, str], patience: float) -> None:
    os.setsid()
    queue._BUSY_SECONDS = patience
    _set_environment(environment)
    _redirect(runs_dir / DISPATCHER_LOG)
    subprocess.Popen = _ForkingPopen
    from sapo_analysis.jobs import dispatcher

    dispatcher.main(runs_dir)


def _set_environment(environment: Mapping[str, str]) -> None:
    wanted = dict(environment)
    os.environ.clear()
    os.environ.update(wanted)


def _redirect(said: Path) -> None:
    with said.open("ab") as file, open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    _open_streams()


def _open_streams() -> None:
    """Streams of a fork, whose own ones may be those of a test's captured output."""
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)
