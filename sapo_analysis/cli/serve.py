"""`sapo app`: the dashboard in a browser."""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sapo_analysis.cli.options import DEFAULT_RUNS, RunsFoldersOption
from sapo_analysis.cli.output import say
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.model_files import MODELS_DIR

DEFAULT_PORT = 8501
UPLOAD_MEGABYTES = 200
"""The largest file that a page takes; a larger one is refused before it is sent."""
_HOST = "127.0.0.1"  # never reachable from another machine; over SSH the port is forwarded


def app(
    runs: RunsFoldersOption = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port on this machine.")
    ] = DEFAULT_PORT,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Show everything, write nothing: for a shared server."),
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option(
            "--models-dir",
            metavar="DIR",
            help="Folder whose models can be chosen on the page, beside those known by name.",
        ),
    ] = None,
) -> None:
    """Open the dashboard over the shipped runs and your own."""
    if models is not None:
        if not models.is_dir():
            raise InputError(
                f"--models-dir {str(models)!r} is no folder. Give one that holds model folders."
            )
        os.environ[MODELS_DIR] = str(models.absolute())
    serve(runs or [DEFAULT_RUNS], port, read_only)


def check_port(port: int) -> None:
    """Raise `InputError` when another program listens on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            other = port + 1 if port < 65535 else DEFAULT_PORT
            raise InputError(
                f"Port {port} cannot be used: {error.strerror}. An earlier `sapo app`?"
                f" Give another, such as --port {other}."
            ) from error


def serve(runs: list[Path], port: int, read_only: bool) -> NoReturn:
    """Become the dashboard's server; returns only by an error.

    Raises:
        InputError: the port is taken.
        WorkError: the installation lacks the app.
    """
    check_port(port)
    main = _main_script()
    os.environ["SAPO_RUNS"] = os.pathsep.join(str(folder.absolute()) for folder in runs)
    os.environ["SAPO_READ_ONLY"] = "1" if read_only else "0"
    say(f"The dashboard: http://localhost:{port}  (Ctrl-C ends it)")
    if "SSH_CONNECTION" in os.environ:
        say(f"On your own machine: ssh -L {port}:localhost:{port} {_this_host()}")
        say("Then open the same address there.")
    command = [sys.executable, "-m", "sapo_analysis.app.server", str(main)]
    command += [f"--server.port={port}", f"--server.address={_HOST}", "--server.headless=true"]
    command += ["--browser.gatherUsageStats=false", "--logger.hideWelcomeMessage=true"]
    # Pages do not change while they are served; watching their files costs time at every start.
    command += ["--server.fileWatcherType=none", f"--server.maxUploadSize={UPLOAD_MEGABYTES}"]
    sys.stdout.flush()
    # The server takes this process's place, so that signals and the exit status are its own.
    os.execv(sys.executable, command)


def _main_script() -> Path:
    spec = find_spec("sapo_analysis.app")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        main = Path(folder) / "main.py"
        if main.is_file():
            return main
    raise WorkError(
        "This installation lacks the app. Install sapo-analysis again; in a clone: pip install -e ."
    )


def _this_host() -> str:
    address = os.environ["SSH_CONNECTION"].split()
    host = address[2] if len(address) > 2 else socket.gethostname()
    return f"{os.environ.get('USER', 'you')}@{host}"
