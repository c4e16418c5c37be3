"""What the probe's worker tries: three ways out that an enforced level must close."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path


def _reads(path: str) -> None:
    Path(path).read_bytes()


def _connects(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def _sends(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("192.0.2.1", port))  # TEST-NET-1: needs a route, reaches nobody


def escape(payload: bytes) -> bytes:
    """Names of the ways that led out, as a JSON list."""
    order = json.loads(payload)
    ways: dict[str, Callable[[], None]] = {
        "read a file that was not granted": lambda: _reads(order["file"]),
        "reached the caller's loopback": lambda: _connects(order["port"]),
        "made a datagram socket with a route": lambda: _sends(order["port"]),
    }
    return json.dumps([name for name, way in ways.items() if _succeeds(way)]).encode()


def _succeeds(way: Callable[[], None]) -> bool:
    try:
        way()
    except OSError:
        return False
    return True
