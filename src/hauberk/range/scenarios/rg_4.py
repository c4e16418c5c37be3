"""RG-4: downloads exchanged, cut, endless and dripping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from hauberk.attacks.registry.divert_download import DivertDownload, Stream
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.core.threat import ThreatId
from hauberk.errors import HauberkError, InternalError
from hauberk.range.scenario import Scenario, Trial
from hauberk.trust.digest import digest_bytes
from hauberk.trust.registry.documents import HeldFile
from hauberk.trust.registry.transfer import Pace, received

WAYS = {
    "swapped bytes": "swap",
    "cut short": "cut",
    "endless data": "endless",
    "slow drip": "drip",
}
SIZE = 40_000


@dataclass(slots=True)
class Client:
    """A client that downloads one file, whose digest and length a manifest has named.

    Attributes:
        guarded: Whether it holds what comes against the manifest; else it takes what comes.
    """

    genuine: bytes
    guarded: bool
    now: float = 0.0
    taken: int = 0
    _stream: Stream | None = None

    def answer(self, stream: Stream, declared: int) -> None:
        """The next download."""
        del declared
        self._stream = stream

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def download(self) -> bytes | None:
        """What the client works with."""
        chunks = self._counted(self._stream() if self._stream else iter([self.genuine]))
        if not self.guarded:
            return b"".join(chunks)
        held = HeldFile(digest=digest_bytes(self.genuine), size=len(self.genuine))
        pace = Pace(clock=lambda: self.now)
        try:
            return b"".join(received(chunks, held, "model.onnx", pace))
        except InternalError:
            raise
        except HauberkError:
            return None

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.taken += len(chunk)
            yield chunk


def _attacked(way: str, seed: int) -> Trial:
    genuine, attack = Random(seed).randbytes(SIZE), DivertDownload(way=way)
    bare, guarded = Client(genuine, guarded=False), Client(genuine, guarded=True)
    naive = attack.play(bare, Random(seed))
    played = attack.play(guarded, Random(seed))
    stopped = guarded.taken <= SIZE + 4096
    return Trial(values={"refused": not played.succeeded and stopped}, potent=naive.succeeded)


def _clean(seed: int) -> Trial:
    rng = Random(seed)
    genuine = rng.randbytes(SIZE)
    client = Client(genuine, guarded=True)
    pieces = [genuine[place : place + 1000] for place in range(0, SIZE, 1000)]

    def stream() -> Iterator[bytes]:
        for piece in pieces:
            client.wait(rng.random() / 5)
            yield piece

    client.answer(stream, SIZE)
    refused = client.download() != genuine
    return Trial(values={"false_refusals": refused}, false_alarm=float(refused))


CONTROL = UnverifiedChannel()
SCENARIOS = (
    *(
        Scenario(
            threat=ThreatId("RG-4"),
            attack=DivertDownload(way=way),
            control=CONTROL,
            play=partial(_attacked, way),
            parts=(("refused", strength),),
            note="the stream that every reader of a registry uses, with a clock that the attacker "
            "turns; an endless download is stopped at the declared length, a drip below 4 kB/s",
        )
        for strength, way in WAYS.items()
    ),
    Scenario(
        threat=ThreatId("RG-4"),
        attack="nobody",
        control=CONTROL,
        play=_clean,
        parts=(("false_refusals", ""),),
        note="an honest download at 10 kB/s",
    ),
)
