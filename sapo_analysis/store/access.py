"""A shared server may only be read: whatever writes on a user's behalf asks here first.

`sapo app --read-only` sets the environment variable, so that every process it starts is held to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sapo_analysis.errors import InputError

READ_ONLY = "SAPO_READ_ONLY"
"""Environment variable; "1" means that nothing may be written."""


def is_read_only() -> bool:
    """Whether this process may only read."""
    return os.environ.get(READ_ONLY) == "1"


def refuse_if_read_only(doing: str) -> None:
    """Refuse to write on a read-only server.

    Args:
        doing: What the user asked for, as a clause: "no run can be made here".

    Raises:
        InputError: this process may only read.
    """
    if is_read_only():
        raise InputError(
            f"This server is read-only: {doing}. Download what you need and do it on your own"
            " machine, with `sapo app` or the command line."
        )


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Say in words that a folder cannot be written: it is somebody else's, or the disk is full.

    Raises:
        InputError: the block could not write, or read, a file.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write into {str(folder)!r}: {error.strerror}. Do it as the user whose folder"
            " that is, or free some space on its disk."
        ) from error
