"""The engine as a process: how it is started, whether it can be, and what it answers."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec

from sapo_analysis.errors import InputError

ENGINE_PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets")
INSTALL_ENGINE = (
    "pip install 'sapo-analysis[train]'"
    "  (in a clone: pip install -e '.[train]' --constraint constraints.txt)"
)
# -P: a folder of this package's name where a command is given is not this package.
PYTHON = (sys.executable, "-P", "-m")
WORKER = (*PYTHON, "sapo_analysis.worker")


def missing_engine_packages() -> list[str]:
    """Packages of the extra `train` that are not installed; found without importing any."""
    return [name for name in ENGINE_PACKAGES if find_spec(name) is None]


def require_engine() -> None:
    """Refuse work that needs the training half where that is not installed."""
    if missing := missing_engine_packages():
        raise InputError(
            f"This needs the training half, and {', '.join(missing)} cannot be found."
            f" Install it with: {INSTALL_ENGINE}"
        )


def error_in(output: str) -> str | None:
    """The message of a refusal, as a worker prints it; None where there is none."""
    try:
        message = json.loads(output.splitlines()[-1])["error"]
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    return str(message)
