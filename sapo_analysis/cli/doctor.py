"""`sapo doctor`: what works on this machine, what does not, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from sapo_analysis import jobs
from sapo_analysis.cli.options import DEFAULT_RUNS, RunsOption
from sapo_analysis.cli.output import show_table
from sapo_analysis.errors import SapoError

Finding = tuple[str, bool, str]
_BROWSERS = ("chromium", "google-chrome")


def doctor(runs: RunsOption = DEFAULT_RUNS) -> None:
    """Check this installation: packages, the device that would be used and why, the runs folder."""
    rows = [
        (
            "python",
            sys.version_info >= (3, 11),
            f"{platform.python_version()} on {platform.platform(terse=True)}",
        ),
        _packages(),
        _writable(runs),
        *_engine(),
        _browser(),
    ]
    show_table("sapo doctor", ["check", "ok", "finding"], rows)


def _packages() -> Finding:
    try:
        version = importlib.metadata.version("sapo-analysis")
        wanted = importlib.metadata.requires("sapo-analysis") or []
    except importlib.metadata.PackageNotFoundError:
        return (
            "packages",
            False,
            "sapo-analysis itself is not installed. In a clone: pip install -e .",
        )
    names = [re.split(r"[^\w.-]", line)[0] for line in wanted if "extra ==" not in line]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return (
            "packages",
            False,
            f"missing: {', '.join(missing)}. Mend it with: pip install {' '.join(missing)}",
        )
    return "packages", True, f"sapo-analysis {version} and the {len(names)} packages it needs"


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _writable(folder: Path) -> Finding:
    # Judged at the nearest folder that exists: a check must not leave a folder behind.
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return "runs folder", True, f"{folder.absolute()} can be written"
    return "runs folder", False, f"{folder.absolute()} cannot be written. Give another with --runs."


def _engine() -> list[Finding]:
    if missing := jobs.missing_engine_packages():
        return [
            (
                "training",
                False,
                f"not installed: {', '.join(missing)}. Reading runs works."
                f" To train: {jobs.INSTALL_ENGINE}",
            )
        ]
    try:
        with Console(stderr=True).status("Asking torch for devices"):
            answer = jobs.probe("devices", {})
    except SapoError as error:
        return [("training", False, str(error))]
    rows = [
        ("training", True, f"torch {answer['torch']}, {answer['threads']} threads"),
        ("device", True, f"{answer['device']}: {answer['why']}"),
        *(("gpu", True, gpu) for gpu in answer["gpus"]),
    ]
    if not answer["cuda_build"] and (gpus := _gpus()):
        rows.append(("gpu", False, f"{gpus[0]}: torch is a CPU build. {_mend(answer['torch'])}"))
    return rows


def _gpus() -> list[str]:
    """GPUs that the driver lists, whatever torch was built for."""
    driver = shutil.which("nvidia-smi")
    if driver is None:
        return []
    try:
        listed = subprocess.run([driver, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]


def _mend(torch: str) -> str:
    version = torch.partition("+")[0]
    if sys.platform == "linux":
        return f"Mend it with: {sys.executable} -m pip install --force-reinstall torch=={version}"
    return f"Mend it with the command that pytorch.org names for torch {version} with CUDA."


def _browser() -> Finding:
    for name in _BROWSERS:
        if found := shutil.which(name):
            return "chromium", True, f"{found} (optional; tests of the pages use it)"
    return "chromium", False, "not found; optional, tests of the pages use it"
