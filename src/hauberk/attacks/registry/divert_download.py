"""Stand between a client and the registry's blobs: see `DivertDownload`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

Stream = Callable[[], Iterator[bytes]]


class Downloading(Protocol):
    """A client about to download, with the attacker on the path."""

    @property
    def genuine(self) -> bytes:
        """What the registry would send."""
        ...

    def answer(self, stream: Stream, declared: int) -> None:
        """Let the next download carry this, under a length that may be a lie."""

    def wait(self, seconds: float) -> None:
        """Let time pass between two pieces."""

    def download(self) -> bytes | None:
        """What the client then works with; ``None`` where it refused."""
        ...

    @property
    def taken(self) -> int:
        """Bytes that the client read before it was done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DivertDownload(Play[Downloading]):
    """Make a client work with other bytes than the registry's, or never be done.

    ``swap`` sends as many other bytes, ``cut`` ends early, ``endless`` never ends, ``drip``
    sends a byte now and then.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        endless_bytes: How much an endless download sends before the attacker tires.
        pause_s: Between two pieces of a drip.

    References:
        TUF specification 1.0.34, section 1.5.2 (endless data, slow retrieval and extraneous
        content). CWE-494, CWE-400.
    """

    title: ClassVar[str] = "Divert a download"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RG-4"),)
    subject: ClassVar[type] = Downloading

    way: str | None = None
    endless_bytes: int = 4 << 20
    pause_s: float = 20.0

    def play(self, target: Downloading, rng: Random) -> Transcript:
        """Attack one download.

        It succeeds where the client works with other bytes, or reads on beyond what was signed.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        genuine = target.genuine
        stream, declared = WAYS[way](self, target, rng)
        target.answer(stream, declared)
        got = target.download()
        beyond = target.taken > 2 * len(genuine) + (1 << 20)
        succeeded = (got is not None and got != genuine) or beyond
        dripped = way == "drip" and got is not None
        return Transcript(
            succeeded=succeeded or dripped, queries=1, facts={"way": way, "read": target.taken}
        )


def _swap(attack: DivertDownload, target: Downloading, rng: Random) -> tuple[Stream, int]:
    del attack
    body = bytearray(target.genuine)
    for _ in range(rng.randrange(1, 20)):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    if bytes(body) == target.genuine:
        body[0] ^= 1
    return lambda: iter([bytes(body)]), len(body)


def _cut(attack: DivertDownload, target: Downloading, rng: Random) -> tuple[Stream, int]:
    del attack
    body = target.genuine
    end = rng.randrange(len(body))
    return lambda: iter([body[:end]]), len(body)


def _endless(attack: DivertDownload, target: Downloading, rng: Random) -> tuple[Stream, int]:
    piece, body = rng.randbytes(4096), target.genuine

    def stream() -> Iterator[bytes]:
        yield body
        for _ in range(attack.endless_bytes // len(piece)):
            yield piece

    return stream, len(body)


def _drip(attack: DivertDownload, target: Downloading, rng: Random) -> tuple[Stream, int]:
    body, pace = target.genuine, attack.pause_s * (1 + rng.random())

    def stream() -> Iterator[bytes]:
        for place in range(len(body)):
            target.wait(pace)
            yield body[place : place + 1]

    return stream, len(body)


WAYS: Mapping[str, Callable[[DivertDownload, Downloading, Random], tuple[Stream, int]]] = {
    "swap": _swap,
    "cut": _cut,
    "endless": _endless,
    "drip": _drip,
}
"""Ways to divert a download; see the class."""
