"""Endpoints that paraphrases may be asked from: a YAML file, each key bound to one base URL.

The file is the only place where a base URL is set. A page or a command picks an endpoint and one of
its models by name; no option and no other environment variable can send a key elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.explain import explain
from sapo_analysis.prompts.endpoints.endpoint import NO_KEYS, Endpoint

PATH_VARIABLE = "SAPO_ENDPOINTS"
"""Environment variable with the path of the file."""
EXAMPLE = """\
endpoints:
  local:                                  # a server on this machine, without a key
    base_url: http://127.0.0.1:8000/v1
    model: Qwen/Qwen3-8B
  hosted:
    base_url: https://api.example.com/v1
    model: [large-model, small-model]     # the first is used unless another is asked for
    key_env: EXAMPLE_API_KEY              # or key_file: ~/.config/sapo/example.key
    price_in: 0.5                         # per million tokens, for the budget
    price_out: 1.5
"""
MAX_BYTES = 100_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_KEY_FIELDS = {"key", "api_key", "apikey", "token", "password", "secret", "authorization"}


def endpoints_path() -> Path:
    """Where the endpoints are set up: the path in `SAPO_ENDPOINTS`, or the user's own folder."""
    if given := os.environ.get(PATH_VARIABLE):
        return Path(given).expanduser().absolute()
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "sapo" / "endpoints.yaml"


def read_endpoints() -> dict[str, Endpoint]:
    """The endpoints that are set up, by name; empty where there is no file, or nothing in it.

    Raises:
        InputError: the file cannot be read, with a line for each field that is wrong. No message
            shows what a secret may have been put into.
    """
    path = endpoints_path()
    data = _loaded(path)
    if data is None:
        return {}
    entries = data.get("endpoints") if isinstance(data, dict) and len(data) == 1 else None
    if not isinstance(entries, dict):
        raise InputError(
            f"{str(path)!r} must have one table, `endpoints`, of names and their settings. An"
            f" example:\n{EXAMPLE}"
        )
    found: dict[str, Endpoint] = {}
    wrong: list[str] = []
    for name, settings in entries.items():
        try:
            found[str(name)] = _endpoint(name, settings, path.parent)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise InputError(f"{str(path)!r} has settings that cannot be used.\n" + "\n".join(wrong))
    return found


def find_endpoint(name: str) -> Endpoint:
    """The endpoint of this name.

    Raises:
        InputError: there is none (the known ones, the file's path and an example are named), or
            the file cannot be read.
    """
    known = read_endpoints()
    path = str(endpoints_path())
    if not known:
        raise InputError(
            f"Unknown endpoint {name!r}: none is set up. They are read from {path!r}, or from the"
            f" file that {PATH_VARIABLE} names. An example:\n{EXAMPLE}"
        )
    if name not in known:
        raise unknown("endpoint", name, list(known), f"They are set up in {path!r}.")
    return known[name]


class _Loader(yaml.SafeLoader):
    """Refuses a name that is there twice: which of two base URLs a key belongs to must be plain."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                problem = "a name is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return super().construct_mapping(node, deep)


def _loaded(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{str(path)!r} has {path.stat().st_size:,} bytes; a file of endpoints has at most"
                f" {MAX_BYTES:,}. Is it the right file?"
            )
        text = path.read_text(encoding="utf-8-sig")
        return yaml.load(text, _Loader)  # a safe loader  # noqa: S506
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"Cannot read the endpoints in {str(path)!r}: {reason}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        # Without the lines that YAML quotes: a key may stand in them.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(
            f"{str(path)!r} is not YAML{place}: {getattr(error, 'problem', None) or 'unreadable'}."
            " Mend it at the place named."
        ) from None


def _endpoint(name: object, settings: object, folder: Path) -> Endpoint:
    """One entry of the file in `folder`.

    Raises:
        ValueError: what is wrong with it, a line per field.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            "  An endpoint has a name that cannot be used: letters, digits, '.', '_' and '-', at"
            " most 40, a letter or digit first."
        )
    if not isinstance(settings, Mapping):
        raise ValueError(f"  {name}: must be a table of settings.")
    if keys := [key for key in settings if str(key).lower().replace("-", "_") in _KEY_FIELDS]:
        raise ValueError(f"  {name}.{keys[0]}: {NO_KEYS}.")
    given = dict(settings)
    if isinstance(key_file := settings.get("key_file"), str):
        given["key_file"] = str(folder / Path(key_file).expanduser())
    try:
        return Endpoint.named(name, given)
    except ValidationError as error:
        lines = explain(error, Endpoint).split("\n")
        raise ValueError("\n".join(f"  {name}.{line.strip()}" for line in lines)) from None
