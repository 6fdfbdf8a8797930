"""What a run was made with: packages, commit, platform, processor.

Names no user, host or folder, as runs are published.
"""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "sapo-analysis",
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "safetensors",
    "numpy",
    "pyarrow",
)


MACHINE = (
    *("platform", "processor", "hardware", "device", "threads"),
    *("python", "packages", "engine"),
)
"""Keys of a run's provenance that decide every digit; each session of it records them too."""


def environment() -> dict[str, Any]:
    """Versions of the packages that decide numbers, the code's commit, platform and processor."""
    return {
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        **_commit(),
    }


def processor() -> str:
    """The processor's model: two of them can round the same sum differently."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """The commit of this package's clone and whether its files differ; null outside a clone."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        # Runs change no number: only a change to code or data makes the tree another program.
        dirty = bool(_git(root, "status", "--porcelain", "--", "sapo_analysis", "constraints.txt"))
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
