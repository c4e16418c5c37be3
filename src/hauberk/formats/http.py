"""HTTP calls and answers as values, and the door that takes the one and gives the other.

What talks to a served model - a smoke test, an attack, a benchmark - talks to a `Door`. An
in-process call of the application and a socket on loopback both implement it, so that the
same attack plays against a world in memory and against the real thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        path: Path as sent, with the query if there is one.
        headers: Pairs in order; names in any case, repeats allowed.
        chunks: The body in the pieces in which it is sent.
        pause_s: Waiting time before each piece; what a slow client does.
    """

    method: str = "POST"
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[bytes, ...] = ()
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: 0 where the connection ended without an answer.
        headers: Names in lower case; the last of repeated ones.
        seconds: From the first byte sent to the last byte read.
        processor_s: Processor time that the answer took, where the door can tell; else 0.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    processor_s: float = 0.0


@runtime_checkable
class Door(Protocol):
    """Something that answers calls."""

    def call(self, call: Call) -> Answer:
        """Send one request and wait for its answer, or for the connection to end."""
        ...

    def together(self, calls: Iterable[Call]) -> tuple[Answer, ...]:
        """Send several at the same time; answers in the order of the calls."""
        ...


def json_call(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Call:
    """A call that posts JSON."""
    named = {"content-type": "application/json", **(headers or {})}
    return Call(path=path, headers=tuple(named.items()), chunks=(body,))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model behind a door, as a client with a sample request knows it.

    Attributes:
        path: Of inference.
        sample: A JSON body that is answered.
    """

    door: Door
    path: str
    sample: bytes
