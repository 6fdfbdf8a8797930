"""The weight files of a model folder: which ones count, whether all are there, what they hold."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_MOST_HEADER_BYTES = 100_000_000
"""What safetensors itself allows; a larger number is no header's length."""
FileState = tuple[str, int, int, int, int]
"""A file's place, number, size and times (ns): other content, other state."""


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that a model is loaded from, whether they are there or not.

    One file, or the parts that its index names; without either, every such file of the folder.
    """
    single, index = folder / SINGLE, folder / INDEX
    if not single.is_file() and index.is_file():
        parts = json_object(index).get("weight_map")
        names = set(parts.values()) if isinstance(parts, dict) else set()
        return [folder / str(name) for name in sorted(names, key=str)]
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def n_parameters(path: Path) -> int:
    """Number of weights in a safetensors file, read from its header."""
    return _header(path).n_parameters


def check_whole(path: Path) -> None:
    """Raise `InputError` where a safetensors file is cut off or is none at all."""
    promised, there = _header(path).n_bytes, path.stat().st_size
    if promised != there:
        raise InputError(
            f"{path.name} is damaged: its header promises {promised:,} bytes, and it has {there:,}."
        )


def json_object(path: Path) -> dict[str, Any]:
    """A JSON file's content; nothing where there is no such file or it holds no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@dataclass(frozen=True)
class _Header:
    n_parameters: int
    n_bytes: int
    """Size that the whole file has."""


def file_state(path: Path) -> FileState:
    """What a file is known by without reading it."""
    stat = path.stat()
    return (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _header(path: Path) -> _Header:
    return _header_of(file_state(path))


@lru_cache(maxsize=4096)
def _header_of(state: FileState) -> _Header:
    path = Path(state[0])
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MOST_HEADER_BYTES:
                raise ValueError("no header")
            tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        sizes = [_product(tensor["shape"]) for tensor in tensors.values()]
        end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise InputError(f"{path.name} is damaged: it has no safetensors header.") from None
    return _Header(sum(sizes), 8 + length + end)


def _product(shape: list[int]) -> int:
    size = 1
    for dimension in shape:
        size *= dimension
    return size
