"""A hub of one's own: an HTTP server on this machine that answers as huggingface.co does.

It knows repositories of models at given commits, and can be told to fail as the real one can.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Failure:
    """How requests to a place are answered instead: a status, or `silent`, or `broken` off."""

    status: int = 200
    code: str | None = None
    """The header X-Error-Code: what tells a gated repository from a missing one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    silent: bool = False
    broken: bool = False


@dataclass
class Hub:
    """What the server holds (id → branch or commit → files), and what it was asked."""

    url: str
    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    failures: dict[str, Failure] = field(default_factory=dict)
    """By a piece of the path, as in `/api/models` or `/resolve/`."""
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, model_id: str, commit: str, files: Mapping[str, bytes], branch: str) -> None:
        """Put a commit on a branch."""
        self.repositories.setdefault(model_id, {})[commit] = dict(files)
        self.branches.setdefault(model_id, {})[branch] = commit

    def commit_of(self, model_id: str, revision: str) -> str | None:
        """The commit that a revision stands for."""
        if revision in self.repositories.get(model_id, {}):
            return revision
        return self.branches.get(model_id, {}).get(revision)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler] | None = None) -> Iterator[Hub]:
    """A hub that listens until it is left; `handler` answers where models are not all it has."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler or _Handler)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()


def files_in(folder: Path, *names: str) -> dict[str, bytes]:
    """Files of a folder as a repository holds them."""
    return {name: (folder / name).read_bytes() for name in names}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are kept, not printed."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if token := self.headers.get("authorization"):
            self.hub.tokens.append(token)
        failure = next((f for place, f in self.hub.failures.items() if place in path), None)
        if failure is not None and failure.silent:
            self.hub.released.wait(30)
            self.close_connection = True
        elif failure is not None and not failure.broken:
            code = {"X-Error-Code": failure.code} if failure.code else {}
            self._send(failure.status, failure.body, {**failure.headers, **code})
        elif path.startswith("/api/models/"):
            self._describe(path)
        else:
            self._file(path, broken=failure is not None)

    def _describe(self, path: str) -> None:
        model_id, _, revision = path.removeprefix("/api/models/").partition("/revision/")
        if model_id not in self.hub.repositories:
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        commit = self.hub.commit_of(model_id, revision)
        if commit is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = self.hub.repositories[model_id][commit]
        config = json.loads(files.get("config.json", b"{}"))
        answer = {
            "id": model_id,
            "sha": commit,
            "gated": "auto" if model_id in self.hub.gated else False,
            "config": {k: v for k, v in config.items() if k in ("architectures", "model_type")},
            "siblings": [_sibling(name, content) for name, content in files.items()],
        }
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, path: str, broken: bool) -> None:
        model_id, _, rest = path.removeprefix("/").partition("/resolve/")
        commit, _, name = rest.partition("/")
        content = self.hub.repositories.get(model_id, {}).get(commit, {}).get(name)
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if model_id in self.hub.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
            return
        etag = {"ETag": f'"{_blob(name, content)}"', "X-Repo-Commit": commit}
        if broken and self.command == "GET":
            self.send_response(200)
            for key, value in {**etag, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self._send(200, content, etag)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _blob(name: str, content: bytes) -> str:
    """Large files are known by their sha256, others by git's sha1."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": name, "size": len(content)}
    if name.endswith(".safetensors"):
        lfs = {"sha256": _blob(name, content), "size": len(content), "pointerSize": 130}
        return {**found, "blobId": "0" * 40, "lfs": lfs}
    return {**found, "blobId": _blob(name, content)}
