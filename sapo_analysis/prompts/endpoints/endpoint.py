"""One endpoint: a key bound to one base URL, and what may be asked there."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from sapo_analysis.errors import InputError, unknown

_MAX_KEY_BYTES = 10_000
# No user, query or fragment, and no character that two readers of URLs may part at differently.
_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/[A-Za-z0-9._~%:-]+)*/?"
)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,60}")
_SECRET_WORDS = ("auth", "cookie", "credential", "key", "password", "secret", "token")
_OWN_HEADERS = {"host", "content-type", "content-length", "connection", "transfer-encoding"}
NO_KEYS = (
    "keys are not written into this file. Name an environment variable with key_env, or a file"
    " with key_file"
)


def _checked_url(url: str) -> str:
    if "@" in url:
        raise ValueError("may have no user name or password in it; a key goes to key_env")
    if "?" in url or "#" in url:
        raise ValueError("may have no ? or # part: keys do not belong into it")
    found = _BASE_URL.fullmatch(url)
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError(
            "must be a plain URL such as https://api.example.com/v1: http or https, a host, maybe"
            " a port and a path"
        )
    bare = url.rstrip("/")
    if bare.endswith(("/completions", "/chat")):
        raise ValueError("goes up to the part before /chat/completions, which is added by itself")
    return bare


def _checked_variable(name: str) -> str:
    # Told without the value: whoever mistakes the field writes a key here.
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,79}", name):
        raise ValueError(
            "must be the name of an environment variable in capitals, such as EXAMPLE_API_KEY; the"
            " key itself is never written here"
        )
    return name


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise ValueError("names may have letters, digits and - only")
        if any(word in name.lower() for word in _SECRET_WORDS):
            raise ValueError(f"{name} may not be set here: {NO_KEYS}")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"{name} is set by itself")
        if len(value) > 500 or not (value.isascii() and value.isprintable()):
            raise ValueError(f"{name} must be up to 500 plain characters (ASCII)")
    return headers


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Endpoint(BaseModel):
    """One server that speaks the OpenAI-compatible protocol, and what it may be asked.

    Fields that a secret may be put into by mistake are left out of `repr` and of messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    _name: str = PrivateAttr("")
    base_url: Annotated[str, AfterValidator(_checked_url)] = Field(repr=False)
    """Up to the part before /chat/completions."""
    model: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]],
        BeforeValidator(_as_list),
        Field(min_length=1),
    ]
    """The first is used unless another of them is asked for."""
    key_env: Annotated[str, AfterValidator(_checked_variable)] | None = Field(
        None, repr=False, description="name of an environment variable in capitals"
    )
    key_file: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        None, repr=False, description="path of a file that holds the key alone"
    )
    price_in: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Per million tokens sent; one price for all models of an endpoint."""
    price_out: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Per million tokens written."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = 4096
    """Most tokens of one reply, a model's thinking included; null: the server decides."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 4
    """Calls under way at once."""
    timeout: Annotated[PositiveFloat, Field(le=3600)] = 120.0
    """Seconds for one whole call, from connecting to the reply's last byte."""
    allow_http: bool = False
    """Whether plain http may leave this machine: prompts and key can then be read on the way."""
    headers: Annotated[dict[str, str], AfterValidator(_checked_headers)] = Field({}, repr=False)
    """Sent beside the key; never secrets."""

    @model_validator(mode="after")
    def _fits_together(self) -> Endpoint:
        if urlsplit(self.base_url).scheme == "http" and not (self.allow_http or self._is_loopback):
            raise ValueError(
                "base_url: plain http is for this machine (127.0.0.1, localhost). Use https, or"
                " say allow_http: true where the network in between is yours"
            )
        if self.key_env is not None and self.key_file is not None:
            raise ValueError("key_env and key_file are both given; leave one out")
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("price_in and price_out are given both or not at all")
        return self

    @classmethod
    def named(cls, name: str, settings: Mapping[str, object]) -> Endpoint:
        """The endpoint of an entry in the file.

        Raises:
            ValidationError: its settings cannot be used.
        """
        found = cls.model_validate(settings)
        found._name = name
        return found

    @property
    def name(self) -> str:
        """What a page or a command picks it by."""
        return self._name

    @property
    def models(self) -> tuple[str, ...]:
        """What may be asked there; the first unless another is picked."""
        return tuple(self.model)

    @property
    def where(self) -> str:
        """Host and port: what a user is told about where texts go."""
        return urlsplit(self.base_url).netloc

    @property
    def _is_loopback(self) -> bool:
        host = urlsplit(self.base_url).hostname or ""
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def pick(self, wanted: str | None) -> str:
        """The model to ask.

        Raises:
            InputError: it is none of this endpoint's.
        """
        if wanted is None:
            return self.model[0]
        if wanted not in self.model:
            hint = "Add more to its entry in the file of endpoints."
            raise unknown(f"model of endpoint {self.name!r}:", wanted, self.models, hint)
        return wanted

    def key(self) -> SecretStr | None:
        """The key; None for a server that wants none.

        Raises:
            InputError: the variable or the file has none, or what it has cannot be a key.
        """
        if self.key_env is not None:
            found, where = os.environ.get(self.key_env, ""), f"environment variable {self.key_env}"
            step = f"Set it, as in: export {self.key_env}=…"
        elif self.key_file is not None:
            found, where = _content(self._key_path, self.name), f"file {str(self._key_path)!r}"
            step = "Put the key into it, and nothing else."
        else:
            return None
        key = found.strip()
        if not key:
            raise InputError(
                f"Endpoint {self.name!r} takes its key from the {where}, which is not set or empty."
                f" {step}"
            )
        if not (key.isascii() and key.isprintable()) or " " in key or len(key) < 4:
            raise InputError(
                f"The key of endpoint {self.name!r}, from the {where}, has a space, a line break, a"
                f" character that no key has, or fewer than four. {step}"
            )
        if any(key in value for value in self.headers.values()):
            raise InputError(
                f"A header of endpoint {self.name!r} holds its key; {NO_KEYS}, and take it out of"
                " headers."
            )
        return SecretStr(key)

    def missing_key(self) -> str:
        """Why the endpoint cannot be asked yet; "" where it can."""
        try:
            self.key()
        except InputError as error:
            return str(error)
        return ""

    def warnings(self) -> list[str]:
        """What is to be said of the settings: who else can read them, what travels openly."""
        found = []
        if self.key_file is not None and _open_to_others(self._key_path):
            found.append(
                f"Other users of this machine can read the key file {str(self._key_path)!r}."
                f" Close it: chmod 600 {str(self._key_path)!r}"
            )
        if urlsplit(self.base_url).scheme == "http" and not self._is_loopback:
            found.append(f"Texts and key go to {self.where} unencrypted (allow_http).")
        return found

    @property
    def _key_path(self) -> Path:
        return Path(self.key_file or "")


def _content(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(
            f"Cannot read the key of endpoint {name!r} from {str(path)!r}: {reason}."
        ) from None


def _open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
