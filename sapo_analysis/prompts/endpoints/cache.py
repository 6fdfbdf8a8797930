"""Replies by what was asked: asking the same again costs nothing and gives the same.

A file per reply in the user's cache folder, named by the sha256 of base URL, model, text and
settings. It holds the reply and the token counts alone: no key, no URL.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sapo_analysis.prompts.endpoints.protocol import Call, Reply

_VERSION = 1
_REPLY = TypeAdapter(Reply)


def cache_folder() -> Path:
    """Where replies are kept; it may be deleted at any time."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sapo" / "replies"


def cached(base_url: str, call: Call) -> Reply | None:
    """The reply to this very call, if one came before."""
    try:
        return _REPLY.validate_json(_path(base_url, call).read_bytes())
    except (OSError, ValidationError):  # not there, or damaged: then it is asked for again
        return None


def keep(base_url: str, call: Call, reply: Reply) -> None:
    """Write a reply down, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    path = _path(base_url, call)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # For its owner alone: paraphrases may speak of data that is not public.
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(reply), file)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _path(base_url: str, call: Call) -> Path:
    asked = json.dumps([_VERSION, base_url, asdict(call)], sort_keys=True)
    return cache_folder() / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
