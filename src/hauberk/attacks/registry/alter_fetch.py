"""Change a source on its way to whoever fetches it: see `AlterFetch`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Fetching(Protocol):
    """A client about to fetch, with the attacker on the path between it and its source."""

    @property
    def genuine(self) -> bytes:
        """What the publisher offers."""
        ...

    def serve(self, body: bytes, declared: int | None = None) -> None:
        """Let the next answer carry ``body``, with a length that may be a lie."""

    def redirect_to_plain(self, body: bytes) -> None:
        """Send the client to an address without TLS that offers ``body``."""

    def replace_after(self, body: bytes) -> None:
        """Put ``body`` in the place of the landed file once it has been hashed."""

    def fetch(self) -> bytes | None:
        """What the client then works with; ``None`` where it refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterFetch(Play[Fetching]):
    """Make the client work with other bytes than the publisher's.

    ``alter`` flips bytes in one of a thousand places, ``truncate`` cuts the body short,
    ``downgrade`` redirects to an address without TLS, ``swap`` replaces the landed file
    after it was hashed and before it is read.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        share: Share of bytes that ``alter`` flips, 0 to 1.

    References:
        CWE-494, "Download of code without integrity check". CWE-367, "Time-of-check
        time-of-use race condition".
    """

    title: ClassVar[str] = "Alter a source on its way"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-2"),)
    subject: ClassVar[type] = Fetching

    way: str | None = None
    share: float = 0.001

    def play(self, target: Fetching, rng: Random) -> Transcript:
        """Attack one fetch; it succeeds when the client works with the attacker's bytes.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        altered = _flipped(target.genuine, self.share, rng)
        WAYS[way](target, altered)
        taken = target.fetch()
        succeeded = taken is not None and taken != target.genuine
        return Transcript(succeeded=succeeded, queries=1, facts={"refused": taken is None})


def _flipped(body: bytes, share: float, rng: Random) -> bytes:
    data = bytearray(body)
    for _ in range(max(1, int(len(data) * share))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _alter(target: Fetching, altered: bytes) -> None:
    target.serve(altered)


def _truncate(target: Fetching, altered: bytes) -> None:
    target.serve(target.genuine[: len(altered) // 2], declared=len(target.genuine))


def _downgrade(target: Fetching, altered: bytes) -> None:
    target.redirect_to_plain(altered)


def _swap(target: Fetching, altered: bytes) -> None:
    target.replace_after(altered)


WAYS: Mapping[str, Callable[[Fetching, bytes], None]] = {
    "alter": _alter,
    "truncate": _truncate,
    "downgrade": _downgrade,
    "swap": _swap,
}
"""Ways to change what arrives; see the class."""
