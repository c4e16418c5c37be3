"""A V2 server for tests that behaves, or misbehaves in one way after another."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from hauberk.range.worlds.served import WEIGHTS

METADATA = {
    "name": "classifier",
    "versions": ["7"],
    "platform": "stub",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2], "parameters": {"a": 1}}],
    "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}],
}


def classified(body: dict) -> bytes:
    """The scores of a request, with fields that servers add."""
    rows = np.array(body["inputs"][0]["data"]).reshape(-1, 2) @ np.array(WEIGHTS)
    scores = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    tensor = {
        "name": "scores",
        "datatype": "FP32",
        "shape": list(scores.shape),
        "data": scores.ravel().tolist(),
        "parameters": {"content_type": "np"},
    }
    return json.dumps({"model_name": "classifier", "outputs": [tensor], "extra": 1}).encode()


def http(body: bytes, status: str = "200 OK", length: int | None = None, more: str = "") -> bytes:
    """An answer; its length may be a lie."""
    size = len(body) if length is None else length
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n{more}"
    )
    return head.encode() + b"\r\n" + body


@dataclass
class ModelServer:
    """A running server.

    Attributes:
        answer: Body of an inference to the raw bytes that go out.
        heard: Raw requests for inference, as they came.
    """

    url: str = ""
    answer: Callable[[dict], bytes] = lambda body: http(classified(body))
    metadata: bytes = json.dumps(METADATA).encode()
    pause_s: float = 0.0
    heard: list[bytes] = field(default_factory=list)

    def respond(self, raw: bytes) -> bytes:
        head, _, body = raw.partition(b"\r\n\r\n")
        if head.startswith(b"GET /v2/models/classifier"):
            return http(self.metadata)
        if head.startswith(b"GET /v2"):
            return http(b"{}")
        if not head.startswith(b"POST /v2/models/classifier"):
            return http(b"{}", "404 Not Found")
        self.heard.append(raw)
        time.sleep(self.pause_s)
        return self.answer(json.loads(body))


def _whole(connection: socket.socket) -> bytes:
    raw = b""
    while chunk := connection.recv(65536):
        raw += chunk
        head, found, body = raw.partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if b"content-length" in line]
        if found and len(body) >= int(lengths[0] if lengths else 0):
            break
    return raw


@contextlib.contextmanager
def model_server(place: str | None = None) -> Iterator[ModelServer]:
    """A server on a free port, or on a socket file at ``place``."""
    listener = socket.socket(socket.AF_UNIX if place else socket.AF_INET)
    listener.bind(place or ("127.0.0.1", 0))
    listener.listen(16)
    server = ModelServer()
    server.url = f"unix:{place}" if place else f"http://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(server.respond(_whole(connection)))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
