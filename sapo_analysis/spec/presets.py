"""Studies that ship with the package: files, and a smoke study of each method made from two."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from sapo_analysis.methods import find_method
from sapo_analysis.spec.methods import METHODS, ONE_TASK_METHODS

PRESETS = Path(__file__).parent.parent / "data" / "presets"
_OF_ONE_METHOD = "smoke-"


def preset_names() -> list[str]:
    """Names of all presets: those that are files, then a smoke study for each method."""
    files = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    return [*files, *(f"{_OF_ONE_METHOD}{method}" for method in METHODS)]


def presets_in_words() -> str:
    """All presets, those of single methods by their pattern."""
    files = [name for name in preset_names() if not name.startswith(_OF_ONE_METHOD)]
    return f"{', '.join(files)}; {_OF_ONE_METHOD}METHOD with one of {', '.join(METHODS)}"


def read_preset(name: str) -> dict[str, Any]:
    """The plain settings of one of `preset_names`, its name among them."""
    method = name.removeprefix(_OF_ONE_METHOD)
    if name == method or method not in METHODS:
        return _of_file(name)
    if method in ONE_TASK_METHODS:
        data = _of_file("smoke") | {"method": method}
    else:
        both = ["original", f"original+{method}"]
        data = _of_file("sequence-smoke") | {"strategies": both}
    return data | copy.deepcopy(dict(find_method(method).smoke)) | {"name": name}


def _of_file(name: str) -> dict[str, Any]:
    import yaml

    text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
