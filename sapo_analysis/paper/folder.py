"""Files put into a folder: each whole or not at all, and what became of those that stood there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def check_folder(folder: Path) -> None:
    """Refuse what is no place for files.

    Raises:
        InputError: a file stands there or above, or it is the folder of a run.
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError(
                f"Cannot write into {str(folder)!r}: {str(place)!r} is a file. Choose another"
                " folder."
            )
    if (folder / layout.SPEC).exists():
        raise InputError(
            f"{str(folder)!r} is the folder of a run, which holds nothing but the run. Choose"
            " another folder."
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
            why = f"{str(folder)!r}: {error.strerror}"
            if not any(one.state != "unchanged" for one in written):
                raise InputError(
                    f"Cannot write into {why}. Choose a folder of your own with room on its disk."
                ) from error
            raise WorkError(
                f"Could not write {name} into {why}. {len(written)} of {len(contents)} files are"
                " there and whole. Make room and export again."
            ) from error
        written.append(Written(path, state, len(content)))
    return written


def _state(path: Path, content: bytes) -> State:
    if not path.exists():
        return "new"
    return "unchanged" if path.read_bytes() == content else "replaced"
