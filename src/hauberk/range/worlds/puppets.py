"""A language model that does what it is told, which is the worst that one can do.

It is a server of its own on loopback, so that a guard talks to it as to any other. The last
message tells it, in JSON, what to say, which tools to call, or how to break; anything else it
answers with a fixed sentence. Told to leak, it repeats what its operator said. Like a careless
product's model it also obeys orders that stand in documents and in results of tools.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Mind = Callable[[Mapping[str, Any]], str]
CHAT = "/v1/chat/completions"
GREETING = "I am glad to help with that."
_OBEYED = re.compile(
    r"(?:obey|ignore all previous instructions)[^{]{0,80}(\{.*\})", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Puppet:
    """A running model server.

    Attributes:
        heard: Bodies that it was sent, newest last.
    """

    port: int
    heard: list[dict[str, Any]]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def puppet(mind: Mind | None = None) -> Iterator[Puppet]:
    """The model on a free port of loopback, for as long as the block lasts.

    Args:
        mind: Says something to a request in place of doing what it tells.
    """
    heard: list[dict[str, Any]] = []

    class Handler(_Handler):
        """Remembers what it is sent."""

        bodies = heard
        speak = staticmethod(mind) if mind else None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="hauberk-puppet", daemon=True)
    thread.start()
    try:
        yield Puppet(port=server.server_address[1], heard=heard)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[dict[str, Any]]
    speak: Mind | None = None

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        """One chat request."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = json.loads(body)
        self.bodies.append(request)
        told = {"say": self.speak(request)} if self.speak is not None else _told(request)
        if "fault" in told:
            with contextlib.suppress(OSError):
                _FAULTS[told["fault"]](self)
            return
        answer = _answer(request, told)
        if request.get("stream"):
            self.give(_streamed(answer).encode(), "text/event-stream")
        else:
            self.give(json.dumps(answer).encode())

    def give(self, body: bytes, kind: str = "application/json", status: int = 200) -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def broken(self, raw: bytes) -> None:
        """Bytes that are no good HTTP, and the end."""
        self.wfile.write(raw)
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _told(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the last message tells it, or what any message orders it to obey."""
    texts = [_text(message) for message in request["messages"]]
    for text in reversed(texts):
        match = _OBEYED.search(text)
        pieces = [text, match[1]] if match else [text] if text is texts[-1] else []
        for piece in pieces:
            with contextlib.suppress(ValueError):
                value = json.loads(piece)
                if isinstance(value, dict):
                    return value
    return {"say": GREETING}


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _answer(request: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    said = str(told.get("say", ""))
    if "leak" in told:
        system = "\n".join(_text(m) for m in request["messages"] if m["role"] == "system")
        said = str(told["leak"]).replace("SYSTEM", system)
    message: dict[str, Any] = {"role": "assistant", "content": said}
    calls = told.get("calls", [])
    if calls:
        message["tool_calls"] = [
            {"id": f"call-{n}", "type": "function", "function": {"name": name, "arguments": text}}
            for n, (name, text) in enumerate(calls)
        ]
    finish = "tool_calls" if calls else "stop"
    choices = [
        {"index": n, "message": message, "finish_reason": finish}
        for n in range(request.get("n") or 1)
    ]
    usage = {"prompt_tokens": 10, "completion_tokens": len(said) // 4, "total_tokens": 10}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"],
        "choices": choices,
        "usage": usage,
        "system_fingerprint": "fp_1",
    }


def _streamed(answer: Mapping[str, Any]) -> str:
    """The same answer cut into single characters, and calls into halves."""
    head = {key: answer[key] for key in ("id", "created", "model")}
    lines = []
    for choice in answer["choices"]:
        index, message = choice["index"], choice["message"]
        deltas: list[dict[str, Any]] = [{"role": "assistant"}]
        deltas += [{"content": sign} for sign in message["content"]]
        for n, call in enumerate(message.get("tool_calls", [])):
            function = call["function"]
            half = len(function["arguments"]) // 2
            first = {"name": function["name"], "arguments": function["arguments"][:half]}
            deltas.append({"tool_calls": [{"index": n, "id": call["id"], "function": first}]})
            rest = {"arguments": function["arguments"][half:]}
            deltas.append({"tool_calls": [{"index": n, "function": rest}]})
        lines += [{"choices": [{"index": index, "delta": delta}]} for delta in deltas]
        end = {"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}
        lines.append({"choices": [end]})
    lines.append({"choices": [], "usage": answer["usage"]})
    events = [json.dumps(head | line) for line in lines]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])


def _say(handler: _Handler, body: bytes, kind: str = "application/json", status: int = 200) -> None:
    handler.give(body, kind, status)


def _compressed(handler: _Handler) -> None:
    body = gzip.compress(b"{}")
    handler.broken(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _silent(handler: _Handler) -> None:
    time.sleep(3)
    handler.broken(b"")


def _slow(handler: _Handler) -> None:
    """One byte now and then, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    for _ in range(60):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)
    handler.broken(b"")


_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
_FAULTS: Mapping[str, Callable[[_Handler], None]] = {
    "error": lambda h: _say(h, b'{"error":{"message":"SECRET stack trace"}}', status=500),
    "refusal": lambda h: _say(h, b'{"error":{"message":"SECRET context"}}', status=400),
    "busy": lambda h: _say(h, b'{"error":{"message":"SECRET queue"}}', status=429),
    "redirect": lambda h: h.broken(
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    ),
    "garbage": lambda h: h.broken(b"\x00\x01 SECRET garbage\r\n\r\n"),
    "no-json": lambda h: _say(h, b"SECRET <html>"),
    "no-choices": lambda h: _say(h, b'{"choices":[]}'),
    "doubled": lambda h: _say(
        h, b'{"choices":[{"index":0,"message":{"content":"a","content":"b"}}]}'
    ),
    "deep": lambda h: _say(h, b"[" * 50_000),
    "large": lambda h: _say(h, b'{"x":"' + b"a" * (6 << 20) + b'"}'),
    "short": lambda h: h.broken(_OK + b'content-length: 9999\r\n\r\n{"choices":['),
    "long": lambda h: h.broken(_OK + b"content-length: 2\r\n\r\n{}trailing"),
    "headers": lambda h: h.broken(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 30_000 + b"\r\n"),
    "closed": lambda h: h.broken(b""),
    "compressed": _compressed,
    "silent": _silent,
    "slow": _slow,
    "cut-stream": lambda h: _say(h, _PIECE, "text/event-stream"),
    "error-stream": lambda h: _say(
        h, _PIECE + b'data: {"error":{"message":"SECRET"}}\n\n', "text/event-stream"
    ),
    "many": lambda h: _say(
        h,
        json.dumps(
            {"choices": [{"index": n, "message": {"content": "x"}} for n in range(5)]}
        ).encode(),
    ),
}
FAULTS = tuple(_FAULTS)
"""Ways in which an upstream breaks."""
