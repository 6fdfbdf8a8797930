"""A server on this machine that speaks the protocol, and misbehaves when told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Act = Callable[["Handler", "Server"], None]


class Server(ThreadingHTTPServer):
    """Answers each call by the next of `acts`; the last is repeated."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.acts: list[Act] = [say("unset")]
        self.calls: list[dict[str, Any]] = []
        """What came: path, headers, body, moment; only what speaks the protocol has a body."""
        self.under_way = 0
        self.most_under_way = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_: Any) -> None:
        """A caller that gives up is no error here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.calls)
            self.server.calls.append(
                {
                    "path": self.path,
                    "headers": dict(self.headers),
                    "body": body,
                    "moment": time.monotonic(),
                }
            )
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
        try:
            self.server.acts[min(number, len(self.server.acts) - 1)](self, self.server)
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def do_GET(self) -> None:
        self.server.calls.append({"path": self.path, "headers": dict(self.headers), "body": None})
        self.answer(200, b"{}")

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def completion(text: Any, finish: str = "stop", **message: Any) -> bytes:
    choice = {"message": {"content": text, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def say(text: Any, finish: str = "stop", **message: Any) -> Act:
    return lambda handler, _: handler.answer(200, completion(text, finish, **message))


def raw(content: bytes, status: int = 200, **headers: str) -> Act:
    return lambda handler, _: handler.answer(status, content, **headers)


def fail(status: int, message: str = "as told", code: str = "", **headers: str) -> Act:
    error = {"error": {"message": message, "code": code}}
    return raw(json.dumps(error).encode(), status, **headers)


def hang(handler: Handler, server: Server) -> None:
    server.closing.wait(10)


def drip(handler: Handler, server: Server) -> None:
    """A byte now and then: no single read is late."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(500):
        if server.closing.wait(0.02):
            return
        handler.wfile.write(b" ")
        handler.wfile.flush()


def drip_headers(handler: Handler, server: Server) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(500):
        if server.closing.wait(0.02):
            return
        handler.wfile.write(b"a")
        handler.wfile.flush()


def cut(handler: Handler, server: Server) -> None:
    """Fewer bytes than promised."""
    handler.answer(200, completion("Half")[:20], Content_Length="5000")


def drop(handler: Handler, server: Server) -> None:
    handler.connection.close()
