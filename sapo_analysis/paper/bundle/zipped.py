"""Files as a zip that is the same byte by byte whenever and wherever it is made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)
"""The dates that a zip can hold."""
_READABLE = 0o100644  # a plain file that its owner may write and everybody read
_UNIX = 3


def zipped(files: Mapping[str, str | bytes], date: datetime | None) -> bytes:
    """A zip of files by name, in the order of their names, all of one date and one permission.

    Args:
        files: texts are written as UTF-8.
        date: of every file; None: the earliest that a zip can hold.
    """
    when = min(max(date or _EARLIEST, _EARLIEST), _LATEST).astimezone(UTC).timetuple()[:6]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _READABLE << 16
            archive.writestr(entry, files[name], compresslevel=6)
    return buffer.getvalue()
