"""A small model registry in memory: real metadata, real releases, and every key at hand.

Everything is as `hauberk registry` makes it, over memory instead of a folder: a project with
its lifecycle and release keys, two persons on two machines, the online keys, and a clock that
tests and attacks turn. Attackers get the store, and keys as their threat says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.ports import Pointer
from hauberk.errors import UnavailableError
from hauberk.range.worlds.registry import Project, Published
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.chain import open_signed
from hauberk.trust.keys import KeyPair, Label, Role, generate
from hauberk.trust.pointers import MemoryPointers
from hauberk.trust.predicates import read_release
from hauberk.trust.registry import deeds, evidence, founding, people
from hauberk.trust.registry.anchor import Anchor, Memory, VolatileMemory
from hauberk.trust.registry.client import Client
from hauberk.trust.registry.documents import Evidence, HeldFile, Manifest
from hauberk.trust.registry.founding import Holder, Office
from hauberk.trust.registry.registrar import DAY_S, Outcome, Registrar
from hauberk.trust.registry.shelf import Place
from hauberk.trust.registry.view import Trust, View
from hauberk.trust.root import Root

START = 1_800_000_000.0
MODEL = "loans"


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is turned."""

    now: float = START

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def turn(self, days: float) -> None:
        """Let time pass."""
        self.now += days * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Every key of the world, by whose it is."""

    ada: KeyPair = field(default_factory=generate)
    bob: KeyPair = field(default_factory=generate)
    trainer: KeyPair = field(default_factory=generate)
    snapshot: KeyPair = field(default_factory=generate)
    timestamp: KeyPair = field(default_factory=generate)

    @property
    def online(self) -> tuple[KeyPair, KeyPair]:
        """The keys of the job that keeps the registry fresh."""
        return self.snapshot, self.timestamp


def _nowhere() -> Anchor:
    return Anchor(name="acme", version=0, root=Digest(""))


@dataclass(slots=True, kw_only=True)
class World:
    """A registry with its people.

    Attributes:
        earlier: A copy of the files that somebody kept, which attackers may read.
    """

    keys: Keys = field(default_factory=Keys)
    project: Project = field(default_factory=lambda: Project(name=MODEL))
    clock: Clock = field(default_factory=Clock)
    files: MemoryPointers = field(default_factory=MemoryPointers)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    anchor: Anchor = field(default_factory=_nowhere)
    earlier: dict[str, bytes] = field(default_factory=dict)

    def found(self, bits: int = 0) -> None:
        """Found it with one person."""
        ada = Label(machine="m-ada", custodian="ada")
        holders = [
            Holder(public=self.keys.ada.public, label=ada, office=Office.PERSON),
            Holder(public=self.keys.trainer.public, label=ada, office=Office.TRAINER),
            Holder(public=self.keys.snapshot.public, label=ada, office=Office.SNAPSHOT),
            Holder(public=self.keys.timestamp.public, label=ada, office=Office.TIMESTAMP),
        ]
        hands = [self.keys.ada, self.keys.trainer, *self.keys.online]
        self.anchor = founding.found(
            self.place, "acme", holders, hands=hands, clock=self.clock, bits=bits
        )

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(location="memory", files=self.files, blobs=self.blobs)

    @property
    def trust(self) -> Trust:
        """What clients pinned."""
        return Trust(anchor=self.anchor)

    @property
    def root(self) -> Root:
        """The root of trust of the project, which names the registry."""
        return replace(self.project.root(), registry=self.anchor)

    def writer(self, *hands: KeyPair) -> Registrar:
        """Somebody at the registry's state with these keys."""
        return Registrar.open(
            self.place, self.trust, VolatileMemory(), hands=hands, clock=self.clock
        )

    def grant_bob(self) -> None:
        """Let a second person in, by the word of both."""
        bob = Label(machine="m-bob", custodian="bob")
        holder = Holder(public=self.keys.bob.public, label=bob, office=Office.PERSON)
        people.grant(self.writer(self.keys.ada), holder)
        second = self.writer(self.keys.bob)
        people.sign_drafts(second, people.drafts(second))

    def release(self, rng: Random, sequence: int) -> Manifest:
        """A genuine, attested version; its bytes are in the registry."""
        made = self.project.publish(rng, sequence, channel="staging")
        return self.manifest(made)

    def manifest(self, made: Published) -> Manifest:
        """The manifest of a release that the project's owners signed."""
        for data in made.blobs.values():
            self.blobs.put(iter([data]))
        released = read_release(open_signed(made.release, self.project.root(), Role.RELEASE)[0])
        return Manifest(
            model=self.project.name,
            version=str(made.sequence),
            sequence=made.sequence,
            files={
                path: HeldFile(digest=digest, size=self.blobs.size(digest))
                for path, digest in released.files.items()
            },
            entry=released.model,
            created=self.clock(),
            evidence=Evidence.ATTESTED,
            release=self.blobs.put(iter([made.release])),
            statements=tuple(self.blobs.put(iter([one])) for one in made.statements),
        )

    def publish(self, manifest: Manifest) -> Outcome:
        """Publish to staging as the trainer does."""
        return deeds.publish(self.writer(self.keys.trainer, *self.keys.online), manifest)

    def promote(self, version: str, *by: KeyPair) -> Outcome:
        """Promote as these persons do, one after another; both by default."""
        outcome = Outcome()
        for person in by or (self.keys.ada, self.keys.bob):
            outcome = deeds.promote(self.writer(person), self.project.name, version, gate=self.gate)
        return outcome

    def gate(self, manifest: Manifest) -> None:
        """What a promotion asks of the evidence, but its age: releases here are of 1970."""
        evidence.check_evidence(manifest, self.place, self.root)

    def roll_back(self, version: str, days: float = 7.0) -> Outcome:
        """Roll back as both persons do."""
        outcome = Outcome()
        for person in (self.keys.ada, self.keys.bob):
            outcome = deeds.roll_back(
                self.writer(person),
                self.project.name,
                version,
                reason="a defect in the newer one",
                days=days,
                gate=self.gate,
            )
        return outcome

    def retire(self, version: str) -> Outcome:
        """Retire a version as one person does."""
        writer = self.writer(self.keys.ada)
        return deeds.retire(writer, self.project.name, version, reason="backdoor found")

    def revoke(self, pair: KeyPair) -> None:
        """Revoke a key by the word of both persons."""
        people.revoke(self.writer(self.keys.ada), pair.public.key_id, "stolen")
        second = self.writer(self.keys.bob)
        people.sign_drafts(second, people.drafts(second))

    def view(self, memory: Memory | None = None) -> View:
        """A client's view; of a fresh client unless a memory is given."""
        return Client(
            place=self.place,
            trust=self.trust,
            memory=memory or VolatileMemory(),
            clock=self.clock,
        ).refresh()

    def keep(self) -> None:
        """Keep a copy of the files as they are now."""
        self.earlier = self.copy()

    def clone(self) -> World:
        """The same world, to be changed without changing this one."""
        other = replace(
            self, clock=Clock(self.clock.now), files=MemoryPointers(), blobs=MemoryBlobs()
        )
        for name, data in self.copy().items():
            other.files.swap(name, data, expect=None)
        for digest in self.blobs.list():
            other.blobs.put(self.blobs.open(digest))
        return other

    def copy(self) -> dict[str, bytes]:
        """Every file by name, as somebody who reads the store keeps them."""
        return {name: _value(self.files.get(name)) for name in self.files.list()}

    def entry(
        self,
        *,
        channel: str = "production",
        memory: Memory | None = None,
        read: Callable[[str], bytes] | None = None,
    ) -> RegistryEntry:
        """What a client of the project asks for, as the subject of controls and attacks."""
        return RegistryEntry(
            name=self.project.name,
            version=channel,
            channel=channel,
            read=read or self.reader(self.copy()),
            trusted={
                "registry": self.trust,
                "root": self.root,
                "seen": (memory or VolatileMemory()).load(),
                "now": self.clock(),
            },
        )

    def reader(self, files: dict[str, bytes]) -> Callable[[str], bytes]:
        """Opens files by name, blobs by ``blobs/<digest>``, kept files by ``earlier/<name>``."""
        blobs = {digest: b"".join(self.blobs.open(digest)) for digest in self.blobs.list()}

        def read(path: str) -> bytes:
            kind, _, digest = path.partition("/")
            if kind == "earlier":
                found = self.earlier.get(digest)
            else:
                found = blobs.get(Digest(digest)) if kind == "blobs" else files.get(path)
            if found is None:
                raise UnavailableError("the registry has no such file", subject=path)
            return found

        return read


def _value(pointer: Pointer | None) -> bytes:
    return b"" if pointer is None else pointer.value


N_WORLDS = 8


def ready(seed: int, *, versions: int = 2, promoted: int = 1) -> tuple[World, Random]:
    """A world with two persons, some versions, and the first of them in production.

    There are `N_WORLDS` of each kind, each with keys and models of its own; a trial gets a
    copy of one, and randomness of its own.
    """
    rng = Random(seed)
    return _made(seed % N_WORLDS, versions, promoted).clone(), rng


@lru_cache(maxsize=4 * N_WORLDS)
def _made(seed: int, versions: int, promoted: int) -> World:
    rng, world = Random(seed), World()
    world.found()
    world.grant_bob()
    for number in range(1, versions + 1):
        world.publish(world.release(rng, number))
    for number in range(1, promoted + 1):
        world.promote(str(number))
    return world


def single(bits: int = 0) -> World:
    """A world with one person."""
    world = World()
    world.found(bits)
    return world
