"""AQ-2: sources changed on their way in, over real TLS on loopback."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from hauberk.attacks.registry.alter_fetch import AlterFetch
from hauberk.controls.registry.altered_fetch import AlteredFetch
from hauberk.core.artifact import RegistryEntry
from hauberk.core.threat import ThreatId
from hauberk.errors import HauberkError, InternalError
from hauberk.lifecycle.downloads import download
from hauberk.range.outcomes import denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.sources import Answer, Publisher, publisher
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.digest import digest_bytes

AQ_2 = ThreatId("AQ-2")
CONTROL = AlteredFetch()
WAYS = {
    "altered rows": "alter",
    "truncated body": "truncate",
    "downgraded transport": "downgrade",
    "swapped after hashing": "swap",
}
SIZE = 20_000
PATH = "/rows.csv"


@dataclass(slots=True, kw_only=True)
class Client:
    """Fetches one source: by the acquisition's door, or as a plain script would.

    Attributes:
        guarded: Whether the door is used; without it whatever arrives is taken.
    """

    server: Publisher
    folder: Path
    genuine: bytes
    guarded: bool
    after: bytes | None = None
    _answers: dict[str, Answer] = field(default_factory=dict)

    def serve(self, body: bytes, declared: int | None = None) -> None:
        """The next answer."""
        self.server.answers[PATH] = Answer(body=body, declared=declared)

    def redirect_to_plain(self, body: bytes) -> None:
        """The next answer leads away from TLS."""
        self.server.answers[PATH] = Answer(redirect=self.server.plain + "/other")
        self.server.answers["/other"] = Answer(body=body)

    def replace_after(self, body: bytes) -> None:
        """Once landed, the file is another."""
        self.serve(self.genuine)
        self.after = body

    def fetch(self) -> bytes | None:
        """What the client works with."""
        return self._by_the_door() if self.guarded else self._plainly()

    def _by_the_door(self) -> bytes | None:
        blobs = DirectoryBlobs(self.folder / "blobs")
        expected = digest_bytes(self.genuine)
        try:
            landed = download(
                self.server.address + PATH,
                blobs,
                expected,
                "rows",
                context=self.server.context,
            )
            if self.after is not None:
                path = blobs.path(landed.digest)
                path.chmod(0o600)
                path.write_bytes(self.after)
            data = b"".join(blobs.open(landed.digest))
            entry = RegistryEntry(
                name="rows",
                version="1",
                channel="source",
                read=lambda _: data,
                trusted={"digest": expected},
            )
            return None if denied(CONTROL, entry) else data
        except InternalError:
            raise
        except HauberkError:
            return None

    def _plainly(self) -> bytes | None:
        """What a script gets that opens the address and keeps a file."""
        import http.client

        target = self.folder / "rows.csv"
        handler = urllib.request.HTTPSHandler(context=self.server.context)
        with urllib.request.build_opener(handler).open(self.server.address + PATH) as answer:
            try:
                body = answer.read()
            except http.client.IncompleteRead as cut:
                body = cut.partial
        target.write_bytes(body)
        if self.after is not None:
            target.write_bytes(self.after)
        return target.read_bytes()


@contextmanager
def clients(seed: int) -> Iterator[Callable[[bool], Client]]:
    """Clients of one publisher with rows of their own."""
    genuine = Random(seed).randbytes(SIZE)
    with tempfile.TemporaryDirectory() as name, publisher(Path(name)) as server:
        server.answers[PATH] = Answer(body=genuine)

        def client(guarded: bool) -> Client:  # noqa: FBT001 - the one difference
            folder = Path(tempfile.mkdtemp(dir=name))
            return Client(server=server, folder=folder, genuine=genuine, guarded=guarded)

        yield client


def _attacked(way: str, seed: int) -> Trial:
    attack = AlterFetch(way=way)
    with clients(seed) as client:
        bare = attack.play(client(False), Random(seed))
        guarded = attack.play(client(True), Random(seed))
    return Trial(values={"refused": not guarded.succeeded}, potent=bare.succeeded)


def _clean(seed: int) -> Trial:
    with clients(seed) as client:
        refused = client(True).fetch() is None
    return Trial(values={"false_refusals": refused}, false_alarm=float(refused))


SCENARIOS = (
    *(
        Scenario(
            threat=AQ_2,
            attack=AlterFetch(way=way),
            control=CONTROL,
            play=partial(_attacked, way),
            parts=(("refused", strength),),
            note="the acquisition's door with the control behind it, over real TLS on loopback; a "
            "plain script takes what arrives. Clean fetches have a row of their own",
        )
        for strength, way in WAYS.items()
    ),
    Scenario(
        threat=AQ_2,
        attack="nobody",
        control=CONTROL,
        play=_clean,
        parts=(("false_refusals", ""),),
        note="real TLS on loopback",
    ),
)
