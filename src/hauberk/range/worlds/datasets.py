"""Data sets in memory as the version store keeps them, for attackers to work on.

Versions, statements, log and pointer are the real documents; blobs lie in a dictionary that
an attacker may write to. The client either verifies all of it or follows the names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hauberk import __version__
from hauberk.controls.registry.unverified_version import UnverifiedVersion
from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.policy import Isolation, Policy
from hauberk.errors import UnavailableError
from hauberk.range.outcomes import denied
from hauberk.trust import dsse
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import KeyPair, Label, Role, generate
from hauberk.trust.policy import sealed
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import Root
from hauberk.trust.statement import PAYLOAD_TYPE
from hauberk.trust.versions.commit import keep_files
from hauberk.trust.versions.intake import take
from hauberk.trust.versions.lineage import KIND, Link
from hauberk.trust.versions.versions import Version, root_of

CONTROL = UnverifiedVersion()


@dataclass(slots=True, kw_only=True)
class Warehouse:
    """Where data sets of one project lie, with the keys of their owners.

    Attributes:
        keys: Two owners; a version needs both.
        blobs: Everything by digest; an attacker writes to it as it likes.
        log: Records of all data sets in order.
        pointers: Name to the link that it points at.
        copy: The files that lie where a training would read them.
        releasers: Keys that may release models and sign no data; the owners' by default.
        guests: Further keys with an end, each of which may sign a version alone until then;
            so may each owner where there are guests.
        now: When clients look, in seconds since the epoch.
    """

    keys: tuple[KeyPair, ...] = field(default_factory=lambda: (generate(), generate()))
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    pointers: dict[str, dict[str, Any]] = field(default_factory=dict)
    copy: dict[str, bytes] = field(default_factory=dict)
    seen: Link | None = None
    releasers: tuple[KeyPair, ...] = ()
    guests: tuple[TrustedKey, ...] = ()
    now: float = 0.0

    def root(self) -> Root:
        """What clients pinned: both owners have to sign, or one of them where there are guests."""
        owners = _role(self.keys)
        if self.guests:
            owners = replace(owners, threshold=1, keys=(*owners.keys, *self.guests)).at(self.now)
        return Root(
            project="warehouse",
            roles={
                Role.LIFECYCLE: owners,
                Role.RELEASE: _role(self.releasers or self.keys),
            },
            policy=sealed(Policy(min_isolation=Isolation.LANDLOCK)),
            tool_floor=__version__,
        )

    def publish(self, name: str, files: Mapping[str, bytes], **words: Any) -> Version:
        """Keep, sign, log and name the next version of a data set."""
        store = MemoryBlobs()
        with tempfile.TemporaryDirectory() as folder:
            for path, data in files.items():
                (Path(folder) / path).write_bytes(data)
            taken, keeper = take(Path(folder), store, indexed=False)
        listed = keep_files(taken.files, keeper, None)
        link = self.newest(name)
        version = Version(
            name=name,
            number=1 if link is None else link.number + 1,
            parent=None if link is None else link.version,
            root=root_of(taken.files),
            files=listed,
            n_files=len(taken.files),
            size=sum(map(len, files.values())),
            created=1,
            tool_version=__version__,
            **words,
        )
        self.blobs |= {digest: b"".join(store.open(digest)) for digest in store.list()}
        self.commit(version, self.keys)
        self.copy = dict(files)
        return version

    def commit(self, version: Version, keys: tuple[KeyPair, ...]) -> Link:
        """Log and name a version signed by ``keys``, whosever they are."""
        link = Link(
            number=version.number,
            version=self.put(version.to_bytes()),
            envelope=self.put(dsse.sign(version.statement(), PAYLOAD_TYPE, keys).to_bytes()),
        )
        self.log.append({"kind": KIND, "name": version.name, **link.document()})
        self.pointers[version.name] = link.document()
        return link

    def put(self, data: bytes) -> Digest:
        """Store bytes under their digest."""
        digest = digest_bytes(data)
        self.blobs[digest] = data
        return digest

    def newest(self, name: str) -> Link | None:
        """What a name points at."""
        found = self.pointers.get(name)
        return None if found is None else Link(**found)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The records of one data set, for changing."""
        return [event for event in self.log if event["name"] == name]

    # The client ------------------------------------------------------------------------

    def entry(self, name: str, wanted: str | None = None) -> RegistryEntry:
        """What the store serves to a client that pinned the root."""

        def read(path: str) -> bytes:
            served = self._served(name, path)
            if served is None:
                raise UnavailableError("there is no such file", subject=path)
            return served

        newest = self.newest(name)
        return RegistryEntry(
            name=name,
            version=wanted or str(newest.number if newest else 1),
            channel="data",
            read=read,
            trusted={"dataset_root": self.root(), "seen": self.seen},
        )

    def _served(self, name: str, path: str) -> bytes | None:
        room, _, rest = path.partition("/")
        if room == "blobs":
            return self.blobs.get(Digest(rest))
        if room == "files" and rest:
            return self.copy.get(rest)
        documents: dict[str, Any] = {
            "log": self.log,
            "pointer": self.pointers.get(name),
            "files": sorted(self.copy),
        }
        return canonical_json(documents[room]) if room in documents else None


def _role(pairs: tuple[KeyPair, ...]) -> RoleKeys:
    keys = tuple(
        TrustedKey(public=pair.public, label=Label(machine=f"m{n}", custodian=f"p{n}"))
        for n, pair in enumerate(pairs)
    )
    return RoleKeys(threshold=len(keys), keys=keys)


@dataclass(slots=True, kw_only=True)
class Trainee:
    """A training that is about to read a data set, with an attacker at its store.

    Attributes:
        guarded: Whether the version is verified first; else the names are followed.
        wanted: Version number or tag that the training asks for.
    """

    house: Warehouse
    name: str
    guarded: bool
    wanted: str | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """The files where the training reads them."""
        return self.house.copy

    def train(self) -> dict[str, bytes] | None:
        """What the training works with; ``None`` where it refused."""
        if self.guarded and denied(CONTROL, self.house.entry(self.name, self.wanted)):
            return None
        return dict(self.house.copy)


def believed(house: Warehouse, name: str, wanted: str | None) -> Version | None:
    """The version that a client finds who follows names and checks no signature."""
    from hauberk.trust.versions.versions import read_version

    documents = [house.blobs[Digest(event["version"])] for event in house.events(name)]
    versions = [read_version(document) for document in documents]
    if wanted is None:
        newest = house.newest(name)
        return None if newest is None else read_version(house.blobs[newest.version])
    fits = [v for v in versions if wanted in v.tags or str(v.number) == wanted]
    return fits[-1] if fits else None


def copy_of(house: Warehouse) -> Warehouse:
    """The same warehouse for another attack; keys are shared."""
    return replace(
        house,
        blobs=dict(house.blobs),
        log=[dict(event) for event in house.log],
        pointers={name: dict(link) for name, link in house.pointers.items()},
        copy=dict(house.copy),
    )
