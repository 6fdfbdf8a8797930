"""Folders that the released code of SAPO wrote: found, and their files read. Nothing is executed.

A file that is a link is refused, so that nothing outside the folder given is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError

ALL_RESULTS = "all_results.json"
"""Scores on every task after a stage, and what its training took."""
CANDIDATES = "prompts_train"
"""Folder of a stage that holds its candidates, their losses and the choice."""
CHOSEN = "instructions.json"
"""In `CANDIDATES`: the prompts that the stage trained and tested with."""
OUTPUTS_OF_MODEL = "predict_eval_predictions.jsonl"
"""What the model of a stage answered to every test row."""
EVALUATION = "results.json"
"""Beside the stages: what the released evaluation made of them."""
BASE_FOLDER = "original_performance"
"""Folder with a file per model: what the base model scored."""

MAX_JSON_MB = 20
"""Size of a JSON file at most (millions of bytes)."""
MAX_LINES_MB = 4000
"""Size of a file of outputs at most (millions of bytes); it is read line by line."""
MAX_LINE_MB = 10
"""Size of one of its lines at most (millions of bytes)."""
MAX_DEPTH = 8
"""Folders below the one given in which stages are looked for."""
MAX_FOLDERS = 20_000
"""Folders looked into at most."""
MAX_CANDIDATES = 1000
"""Candidate prompts of one stage at most."""

_MB = 1_000_000
_STAGE = re.compile(r"(\d{1,4})-(.+)")
_OF_STAGE = (ALL_RESULTS, "predict_results.json", "train_results.json", CANDIDATES)
_NUMBERED = re.compile(r"(instruction|predict_results)_(-1|\d{1,4})\.json")


@dataclass(frozen=True)
class StageFolder:
    """One stage: `1-task195` is number 1 of a task that the folder calls `task195`."""

    number: int
    task: str
    path: Path


@dataclass(frozen=True)
class OutputsFolder:
    """The stages of one strategy on one order, as they lie beside each other.

    Attributes:
        path: The folder that holds the stage folders.
        above: Names of the folders it lies in, the nearest last; `outputs` itself left out.
        stages: By number.
    """

    path: Path
    above: tuple[str, ...]
    stages: tuple[StageFolder, ...]


@dataclass
class ReleasedFiles:
    """Reads the files below some folders, and takes the sum of what it read.

    Attributes:
        roots: The folders given.
    """

    roots: tuple[Path, ...]
    _sums: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folders: list[Path]) -> ReleasedFiles:
        """The same of folders as a user names them.

        Raises:
            InputError: one is no folder.
        """
        for folder in folders:
            if not os.path.isdir(folder):
                raise InputError(
                    f"{str(folder)!r} is not a folder. Give one that holds stage folders"
                    f" (1-task195, 2-task1310, …), each with {ALL_RESULTS}."
                )
        return cls(tuple(dict.fromkeys(folder.resolve() for folder in folders)))

    @property
    def sha256(self) -> str:
        """Of the names and contents of all files read so far."""
        listed = "".join(f"{name}\0{self._sums[name]}\n" for name in sorted(self._sums))
        return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()

    def named(self, path: Path) -> str:
        """A file or folder as messages and records name it: from the folder given on.

        With several folders as much of what is above stands before it as tells them apart.
        """
        name = path.name
        for root in self.roots:
            if path.is_relative_to(root):
                name = "/".join((*root.parts[-self._depth :], *path.relative_to(root).parts))
                break
        return printable(name)

    @cached_property
    def _depth(self) -> int:
        """Of each folder given so many last names tell it from the others."""
        longest = max(len(root.parts) for root in self.roots)
        for depth in range(1, longest):
            if len({root.parts[-depth:] for root in self.roots}) == len(self.roots):
                return depth
        return longest

    def outputs(self) -> list[OutputsFolder]:
        """Every folder of stages at or below the folders given.

        Raises:
            InputError: there is none, there are too many folders, or a stage folder is a link.
        """
        found: dict[Path, OutputsFolder] = {}
        looked = 0
        for root in self.roots:
            for at, names, _ in os.walk(root, onerror=self._not_looked_into):
                path = Path(at)
                looked += 1
                if looked > MAX_FOLDERS:
                    raise InputError(
                        f"{self.named(root)} holds more than {MAX_FOLDERS:,} folders. Give the"
                        " folder of one order, such as saves/O-LoRA_SAPO/qwen3-8b/ni_seq_c1."
                    )
                if stages := self._stages(path, names):
                    found[path] = OutputsFolder(path, _above(path), stages)
                deep = len(path.relative_to(root).parts) >= MAX_DEPTH
                names[:] = [] if stages or deep else sorted(names)
        if not found:
            raise InputError(
                f"{' and '.join(self.named(root) for root in self.roots)} holds no released"
                " outputs: no folder with stage folders (1-task195, 2-task1310, …) of which one has"
                f" {' or '.join(_OF_STAGE)}."
            )
        return list(found.values())

    def _stages(self, path: Path, names: list[str]) -> tuple[StageFolder, ...]:
        stages = [
            StageFolder(int(match[1]), match[2], path / name)
            for name in names
            if (match := _STAGE.fullmatch(name))
        ]
        if not any((stage.path / name).exists() for stage in stages for name in _OF_STAGE):
            return ()
        for stage in stages:
            self._refuse_link(stage.path)
        return tuple(sorted(stages, key=lambda stage: (stage.number, stage.task)))

    def candidates(self, stage: StageFolder) -> dict[str, dict[int, Path]]:
        """The numbered files of a stage's candidates, by kind and number; -1 is the original.

        Kinds: `instruction` (the prompts), `predict_results` (their losses).

        Raises:
            InputError: the folder is a link or cannot be read, or there are too many.
        """
        folder = stage.path / CANDIDATES
        found: dict[str, dict[int, Path]] = {"instruction": {}, "predict_results": {}}
        if not folder.exists():
            return found
        self._refuse_link(folder)
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise self._unreadable(folder, error.strerror) from error
        for name in names:
            if match := _NUMBERED.fullmatch(name):
                found[match[1]][int(match[2])] = folder / name
        if max(map(len, found.values())) > MAX_CANDIDATES:
            raise InputError(
                f"{self.named(folder)} holds more than {MAX_CANDIDATES:,} candidates. Is it a"
                " folder that the released code wrote?"
            )
        return found

    def json(self, path: Path) -> dict[str, Any] | None:
        """A JSON object; None where there is no such file.

        Numbers that are NaN stay NaN.

        Raises:
            InputError: it is a link, too large, no JSON object in UTF-8, or a key is there twice.
        """
        if not os.path.lexists(path):
            return None
        self._check(path, MAX_JSON_MB)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise self._unreadable(path, error.strerror) from error
        self._sums[self.named(path)] = hashlib.sha256(content).hexdigest()
        return self._object(content, self.named(path))

    def lines(self, path: Path) -> Iterator[dict[str, Any]]:
        """The JSON objects of a file with one in each line; none where there is no such file.

        Raises:
            InputError: as `json`; the line is named.
        """
        if not os.path.lexists(path):
            return
        self._check(path, MAX_LINES_MB)
        total = hashlib.sha256()
        try:
            with path.open("rb") as file:
                number = 0
                while line := file.readline(MAX_LINE_MB * _MB + 1):
                    number += 1
                    where = f"{self.named(path)}, line {number}"
                    if len(line) > MAX_LINE_MB * _MB:
                        raise InputError(
                            f"{where} is longer than {MAX_LINE_MB} MB. Is it a file that the"
                            " released code wrote?"
                        )
                    total.update(line)
                    if line.strip():
                        yield self._object(line, where)
        except OSError as error:
            raise self._unreadable(path, error.strerror) from error
        self._sums[self.named(path)] = total.hexdigest()

    def _check(self, path: Path, max_mb: int) -> None:
        self._refuse_link(path)
        try:
            found = path.lstat()
        except OSError as error:
            raise self._unreadable(path, error.strerror) from error
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{self.named(path)} is not a file.")
        if found.st_size > max_mb * _MB:
            raise InputError(
                f"{self.named(path)} has {found.st_size / _MB:,.0f} MB; at most {max_mb:,} MB are"
                " read. Is it a file that the released code wrote?"
            )

    def _refuse_link(self, path: Path) -> None:
        below = [path, *path.parents]
        root = next((i for i, part in enumerate(below) if part in self.roots), 1)
        if link := next((part for part in below[:root] if part.is_symlink()), None):
            raise InputError(
                f"{self.named(link)} is a link, and links are not followed: what is imported lies"
                " in the folder given. Put a copy in its place."
            )

    def _not_looked_into(self, error: OSError) -> None:
        raise self._unreadable(Path(error.filename), error.strerror) from error

    def _unreadable(self, path: Path, reason: str | None) -> InputError:
        return InputError(f"Cannot read {self.named(path)}: {reason}.")

    def _object(self, content: bytes, where: str) -> dict[str, Any]:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where} is not encoded in UTF-8: byte {error.start} is"
                f" 0x{content[error.start]:02x}. Save it as UTF-8."
            ) from error
        try:
            found = json.loads(text, object_pairs_hook=_each_key_once)
        except _TwiceError as error:
            raise InputError(f"{where} has the key {str(error)!r} twice. Leave one out.") from error
        except (ValueError, RecursionError) as error:
            said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise InputError(
                f"{where} is not JSON, or was cut off: {said[:200]}. Copy it in again."
            ) from error
        if not isinstance(found, dict):
            raise InputError(f"{where} holds {type(found).__name__}, not a JSON object.")
        return found


def printable(name: str) -> str:
    """A name from elsewhere, of which nothing can steer a terminal or break a file's encoding."""
    return "".join(c if c.isprintable() else "?" for c in name)


class _TwiceError(ValueError):
    """A key that is in one JSON object twice: which of the two counts is not known."""


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1)[:100])
    return found


def _above(path: Path) -> tuple[str, ...]:
    parts = path.parts[1:]
    return parts[:-1] if parts and parts[-1] == "outputs" else parts
