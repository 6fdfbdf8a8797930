"""A served app and a real browser: what browser tests and the screenshots command share."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "/usr/bin/chromium"
ARGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.path.exists(CHROMIUM),
        reason="NO CHROMIUM: what the pages do in a browser is untested. apt-get install chromium",
    ),
]
PATIENCE = 180_000
"""Milliseconds: a busy machine is no reason to fail."""


@dataclass
class Server:
    """One running server; it can be killed and started again on its port."""

    folder: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "sapo_analysis.app.server", str(MAIN)]
        command += ["--server.headless=true"]
        command += [f"--server.port={self.port}", "--server.address=127.0.0.1"]
        command += ["--server.fileWatcherType=none", "--browser.gatherUsageStats=false"]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "SAPO_RUNS": str(self.folder), **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                with urlopen(f"{self.address}/_stcore/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("Streamlit did not start within two minutes")

    def kill(self) -> None:
        """End it at once, as a machine does that runs out of memory."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[Server]:
    """A server over a runs folder, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port, environment)
    server.start()
    try:
        yield server
    finally:
        assert server.process is not None
        server.process.terminate()
        server.process.wait(timeout=30)


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield found
        finally:
            found.close()


def page_of(opened: Any, width: int = 1280, height: int = 1500, dark: bool = False) -> Any:
    """A page in a context of its own: as another person's browser."""
    context = opened.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    return page


def settled(page: Any) -> None:
    """Wait until the script of a page has run to its end and its charts are drawn."""
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    page.wait_for_timeout(600)
