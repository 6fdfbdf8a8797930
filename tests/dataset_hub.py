"""The hub of `tests.hub_server`, with repositories of datasets, for `datasets` to stream."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_server import Hub, _blob, _Handler

PREFIX = "datasets/"
"""Where the hub keeps datasets: their repositories are called `datasets/OWNER/NAME` there."""


def add_dataset(hub: Hub, name: str, commit: str, files: dict[str, bytes]) -> None:
    """Put a dataset on the branch `main`."""
    hub.add(PREFIX + name, commit, files, "main")


class DatasetHandler(_Handler):
    """Answers of the hub about datasets; all others are those about models."""

    def do_POST(self) -> None:
        """The one question that is posted: what is known of some paths."""
        length = int(self.headers.get("Content-Length") or 0)
        asked = parse_qs(self.rfile.read(length).decode())
        self._paths = asked.get("paths", [])
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if not path.startswith("/api/datasets/"):
            super()._answer()
            return
        self.hub.requests.append(f"{self.command} {path}")
        owner, name, *rest = path.removeprefix("/api/datasets/").split("/")
        repository = f"{PREFIX}{owner}/{name}"
        if repository not in self.hub.repositories:
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        commit = self.hub.commit_of(repository, rest[1] if len(rest) > 1 else "main")
        if commit is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = self.hub.repositories[repository][commit]
        kind = rest[0] if rest else "revision"
        if kind == "tree":
            inside = "/".join(rest[2:])
            answer = [_entry(path, files) for path in files if path.startswith(inside)]
        elif kind == "paths-info":
            answer = [_entry(path, files) for path in self._paths if path in files]
        else:
            gated = "auto" if repository in self.hub.gated else False
            siblings = [{"rfilename": path} for path in files]
            answer = {"id": f"{owner}/{name}", "sha": commit, "gated": gated, "siblings": siblings}
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status, body, headers):
        asked = self.headers.get("Range", "")
        if status == 200 and asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            stop = min(int(last) + 1 if last else len(body), len(body))
            whole = f"bytes {first}-{stop - 1}/{len(body)}"
            status, body = 206, body[int(first) : stop]
            headers = {**headers, "Content-Range": whole}
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entry(path: str, files: dict[str, bytes]) -> dict[str, object]:
    return {"type": "file", "path": path, "size": len(files[path]), "oid": _blob(path, files[path])}
