"""A JSON file of a user, with messages that name the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError

MAX_MB = 1000
"""Size of a file at most (millions of bytes): it is read whole."""


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: it cannot be read, is too large, or is no JSON in UTF-8; line and column are
            named.
    """
    try:
        if path.stat().st_size > MAX_MB * 1_000_000:
            raise InputError(f"{str(path)!r} is larger than {MAX_MB:,} MB. Give a part of it.")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno:,}, column {error.colno:,}"
        raise InputError(f"{str(path)!r} is not JSON: {place}: {error.msg}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{str(path)!r} is not UTF-8 text: line {line:,} has the byte"
            f" 0x{error.object[error.start]:02x}. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"Cannot read {str(path)!r}: {error}.") from error
