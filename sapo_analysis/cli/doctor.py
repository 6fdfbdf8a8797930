"""`sapo doctor`: what works on this machine, what does not, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console

from sapo_analysis import jobs, model_files
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
        _hub(),
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
    rows += [
        ("gpu", False, f"{gpu}: torch is a CPU build. {answer['mend']}")
        for gpu in answer["unused_gpus"][:1]
    ]
    return rows


def _hub() -> Finding:
    """What is here of the hub. Whether it can be reached is not asked: that may take seconds."""
    cached = [model for model in model_files.survey() if model.source == "hub cache"]
    broken = sum(model.files is None for model in cached)
    unusable = f", {broken} not usable (see sapo models)" if broken else ""
    text = f"{len(cached) - broken} models in {model_files.cache_folder()}{unusable}"
    if os.environ.get("HF_HUB_OFFLINE", "0") != "0":
        return "hub", True, f"{text}; HF_HUB_OFFLINE is set, so sapo fetch is switched off"
    token = "is set" if os.environ.get("HF_TOKEN") else "is not set (gated models need one)"
    return "hub", True, f"{text}; HF_TOKEN {token}"


def _browser() -> Finding:
    for name in _BROWSERS:
        if found := shutil.which(name):
            return "chromium", True, f"{found} (optional; tests of the pages use it)"
    return "chromium", False, "not found; optional, tests of the pages use it"
