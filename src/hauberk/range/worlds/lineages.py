"""A data set of three versions beside another one, for forgers of lineages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from hauberk.core.artifact import Digest
from hauberk.range.outcomes import denied
from hauberk.range.worlds.datasets import CONTROL, Warehouse, believed
from hauberk.trust.versions.versions import Version, read_version

NAME = "loans"
TAG = "gold"


def warehouse(rng: Random) -> Warehouse:
    """Three versions of a data set, the second one tagged, and one of another set."""
    house = Warehouse()
    house.publish("scraped", {"rows.csv": rng.randbytes(200)}, origin="https://example.org")
    for number in (1, 2, 3):
        tags = (TAG,) if number == 2 else ()  # noqa: PLR2004 - the tagged one
        words = {"origin": "s3://bank/loans", "tags": tags}
        house.publish(NAME, {"rows.csv": rng.randbytes(200 + number)}, **words)
    return house


@dataclass(slots=True, kw_only=True)
class Client:
    """Asks for the provenance of the tagged or the newest version.

    Without a guard it believes documents as they lie there, and walks back by number.

    Attributes:
        expected: What it should believe.
    """

    house: Warehouse
    guarded: bool
    wanted: str | None = None
    expected: object = None

    def honest(self) -> object:
        """What it should believe: every document of the lineage, and the one it asked for."""
        return self.expected

    def provenance(self) -> object | None:
        """The lineage as the client finds it."""
        refused = self.guarded and denied(CONTROL, self.house.entry(NAME, self.wanted))
        return None if refused else self.lineage()

    def lineage(self) -> object:
        """Wanted version and every document with its statement, in the order of the log."""
        events = self.house.events(NAME)
        documents = [self.house.blobs.get(Digest(event["version"])) for event in events]
        statements = [self.house.blobs.get(Digest(event["envelope"])) for event in events]
        return believed(self.house, NAME, self.wanted), documents, statements

    # What a forger does ----------------------------------------------------------------

    def move_tag(self) -> None:
        """The tagged document loses its tag, the poisoned newest one gets it."""
        self._rewrite(2, lambda version: replace(version, tags=()))
        self._rewrite(3, lambda version: replace(version, tags=(TAG,)))

    def edit_origin(self) -> None:
        """The newest document gets another origin."""
        self._rewrite(3, lambda version: replace(version, origin="https://trusted.example.org"))

    def attach_foreign(self) -> None:
        """The statement about another data set stands in the newest one's place."""
        self._envelope(3, str(self.house.events("scraped")[0]["envelope"]))

    def attach_older(self) -> None:
        """The statement about the first version stands in the newest one's place."""
        self._envelope(3, str(self._events()[0]["envelope"]))

    def drop_link(self) -> None:
        """The second version vanishes; the third is numbered in its place."""
        events = self._events()
        self.house.log.remove(events[1])
        events[2]["number"] = 2
        self._point()

    def forge_parent(self) -> None:
        """The newest version names the first as its parent, signed with one key."""
        first = self._version(1).digest
        version = replace(self._version(3), parent=first)
        self.house.log.remove(self._events()[2])
        self.house.commit(version, (self.house.keys[0],))

    def sign_alone(self) -> None:
        """A fourth version, genuine in form, signed with one key of two."""
        newest = self._version(3)
        version = replace(newest, number=4, parent=newest.digest, origin="poisoned")
        self.house.commit(version, (self.house.keys[0],))

    def reorder(self) -> None:
        """The first two versions change places."""
        one, other, _ = self._events()
        for key in ("version", "envelope"):
            one[key], other[key] = other[key], one[key]

    def _rewrite(self, number: int, change: Callable[[Version], Version]) -> None:
        document = change(self._version(number)).to_bytes()
        self._events()[number - 1]["version"] = self.house.put(document)
        self._point()

    def _envelope(self, number: int, digest: str) -> None:
        self._events()[number - 1]["envelope"] = digest
        self._point()

    def _point(self) -> None:
        last = self._events()[-1]
        self.house.pointers[NAME] = {key: last[key] for key in ("number", "version", "envelope")}

    def _events(self) -> list[dict[str, object]]:
        return self.house.events(NAME)

    def _version(self, number: int) -> Version:
        document = self.house.blobs[Digest(str(self._events()[number - 1]["version"]))]
        return read_version(document)
