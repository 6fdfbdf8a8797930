"""What pages import, imported while the server waits: else its first visitor waits longer."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from importlib import import_module

from streamlit import runtime

_MODULES = (
    *(f"sapo_analysis.app.components.{name}" for name in ("sidebar", "tabs", "beside", "empty")),
    *("pyarrow.parquet", "scipy.special", "PIL.Image"),
)
"""Of Explore, which is opened first, with what these import."""
_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_ready = threading.Event()
_ready.set()


def begin() -> None:
    """Start importing as soon as the server is up; once, before it is started."""
    _ready.clear()
    threading.Thread(target=_work, name="warm-up", daemon=True).start()


def wait() -> None:
    """Wait for what was begun: two threads that import the same modules may meet half-made ones."""
    _ready.wait(_PATIENCE_SECONDS)


def _work() -> None:
    try:
        while not runtime.exists():
            time.sleep(_LOOK_SECONDS)
        for name in _MODULES:
            with suppress(ImportError):  # the page that needs it says so
                import_module(name)
    finally:
        _ready.set()
