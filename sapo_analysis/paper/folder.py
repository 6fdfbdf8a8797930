"""Files put into a folder: each whole or not at all, and what became of those that stood there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.store import layout

State = Literal["new", "replaced", "unchanged"]


@dataclass(frozen=True)
class Written:
    """One file.

    Attributes:
        path: where it lies.
        state: of what stood there before: nothing, other content, or the same bytes.
        n_bytes: its size.
    """

    path: Path
    state: State
    n_bytes: int


def folder_of(given: Path | str) -> Path:
    """The folder that was named.

    Raises:
        InputError: an empty text, which an unset variable of a shell gives: not the current folder.
    """
    if not str(given).strip():
        raise InputError("The folder to write into has no name. Give one, or . for this folder.")
    return Path(given)


def check_folder(folder: Path) -> None:
    """Refuse what is no place for files.

    Raises:
        InputError: a file stands there or above, or it is the folder of a run.
    """
    for place in (folder, *folder.parents):
        # Of a name that can be none these say no, where those of `Path` raise.
        if os.path.exists(place) and not os.path.isdir(place):
            raise InputError(
                f"Cannot write into {str(folder)!r}: {str(place)!r} is a file. Choose another"
                " folder."
            )
    if os.path.exists(folder / layout.SPEC):
        raise InputError(
            f"{str(folder)!r} is the folder of a run, which holds nothing but the run. Choose"
            " another folder."
        )


@contextlib.contextmanager
def made_ready(folder: Path) -> Iterator[None]:
    """Make a folder and write a trial file, before there is work that would be lost.

    Folders that were made for it and are still empty go again where that work fails.

    Raises:
        InputError: as `check_folder`, or the system does not let one write there; its reason is
            told.
    """
    check_folder(folder)
    missing = [place for place in (folder, *folder.parents) if not os.path.exists(place)]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except (OSError, ValueError) as error:  # ValueError: a zero character in the name
            raise _not_writable(folder, error) from error
        yield
    except BaseException:
        for place in missing:
            with contextlib.suppress(OSError, ValueError):
                place.rmdir()
        raise


def _not_writable(folder: Path, error: OSError | ValueError) -> InputError:
    why = getattr(error, "strerror", None) or str(error)
    return InputError(
        f"Cannot write into {str(folder)!r}: {why}. Choose a folder of your own with room on its"
        " disk."
    )


def check_names(folder: Path, names: Iterable[str]) -> None:
    """Refuse to write where a folder has the name of a file.

    Raises:
        InputError: it has; the folder is named.
    """
    for name in names:
        if (folder / name).is_dir():
            raise InputError(
                f"Cannot write {str(folder / name)!r}: a folder of that name stands there. Move it"
                " away or choose another folder."
            )


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Written]:
    """Write files by name; a file that has the same bytes already is left alone.

    Raises:
        InputError: the folder cannot be made or written; nothing was written.
        WorkError: the disk filled up on the way, say; those that were written are whole.
    """
    check_folder(folder)
    check_names(folder, contents)
    written: list[Written] = []
    for name, content in contents.items():
        path = folder / name
        try:
            state: State = _state(path, content)
            if state != "unchanged":
                layout.write_atomically(path, content)
        except OSError as error:
            if not any(one.state != "unchanged" for one in written):
                raise _not_writable(folder, error) from error
            raise WorkError(
                f"Could not write {name} into {str(folder)!r}: {error.strerror}. {len(written)} of"
                f" {len(contents)} files are there and whole. Make room and export again."
            ) from error
        written.append(Written(path, state, len(content)))
    return written


def _state(path: Path, content: bytes) -> State:
    if not path.exists():
        return "new"
    return "unchanged" if path.read_bytes() == content else "replaced"
