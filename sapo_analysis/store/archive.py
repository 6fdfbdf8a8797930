"""A run folder as one file, to be taken along and copied into another runs folder."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sapo_analysis.store import layout

_LEFT_OUT = (layout.STATES, layout.REUSED)
"""Weights that only a worker needs, and what is in the tables as soon as it went on."""
_PACKED_ALREADY = (".parquet", ".safetensors")


def packed_bytes(path: Path) -> int:
    """How large a run's archive is at most (bytes): the files in it as they are."""
    return sum(size for _, size in _files(path))


def pack(path: Path, into: IO[bytes]) -> None:
    """Write a run as a ZIP with one folder of the run's name; weights of its stages are left out.

    A run at work may finish a group meanwhile: a file that is gone by its turn is left out.
    """
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, _ in _files(path):
            how = zipfile.ZIP_STORED if file.suffix in _PACKED_ALREADY else zipfile.ZIP_DEFLATED
            try:
                content = file.open("rb")
            except FileNotFoundError:
                continue
            with content:
                # Written anew: times before 1980 and modes of this machine have no place in it.
                entry = zipfile.ZipInfo(f"{path.name}/{file.relative_to(path).as_posix()}")
                entry.compress_type = how
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                with archive.open(entry, "w", force_zip64=True) as target:
                    while block := content.read(1 << 20):
                        target.write(block)


def _files(path: Path) -> Iterator[tuple[Path, int]]:
    """Files of a run and their sizes; no links, which could lead out of it, no dot files.

    Folders that are links are not gone into by `rglob`.
    """
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if parts[0] in _LEFT_OUT or any(part.startswith(".") for part in parts):
            continue
        try:
            found = file.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(found.st_mode):
            yield file, found.st_size
