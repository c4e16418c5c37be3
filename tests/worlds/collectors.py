"""A collector of OpenTelemetry on loopback, which can be told to behave badly."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Collector:
    """What was posted, and how the next posts are answered.

    Attributes:
        status: Of every answer.
        answer: Its body.
        holds: Set: posts wait for it before they are answered.
        posts: Path and body of what was taken.
    """

    url: str
    status: int = 200
    answer: bytes = b"{}"
    holds: threading.Event | None = None
    posts: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def spans(self) -> list[dict[str, Any]]:
        """All spans that were posted."""
        return [
            span
            for path, body, _ in self.posts
            if path == "/v1/traces"
            for resource in json.loads(body)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """Every post of a metric."""
        return [
            metric
            for path, body, _ in self.posts
            if path == "/v1/metrics"
            for resource in json.loads(body)["resourceMetrics"]
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
            if metric["name"] == name
        ]


@contextlib.contextmanager
def collector() -> Iterator[Collector]:
    """One that takes everything, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if found.holds is not None:
                found.holds.wait(30)
            found.posts.append((self.path, body, dict(self.headers)))
            with contextlib.suppress(OSError):
                self.send_response(found.status)
                self.send_header("content-length", str(len(found.answer)))
                self.end_headers()
                self.wfile.write(found.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        if found.holds is not None:
            found.holds.set()
        server.shutdown()
        thread.join()
        server.server_close()
