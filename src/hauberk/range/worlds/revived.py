"""A registry with a retired version in it, an old client, and automations that mean well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hauberk.core.artifact import RegistryEntry
from hauberk.errors import HauberkError, InternalError
from hauberk.range.worlds.registered import World, ready
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.documents import Manifest
from hauberk.trust.registry.names import parse_reference

RETIRED = "1"
GOOD = "2"


@dataclass(slots=True, kw_only=True)
class Revived:
    """Two versions were in production; the first was retired afterwards.

    Attributes:
        guarded: Whether the client verifies; without it, the name is followed wherever it leads.
        memory: What the client has seen.
        asked: What the client asks for.
    """

    world: World
    guarded: bool
    memory: VolatileMemory = field(default_factory=VolatileMemory)
    asked: str = "loans@production"
    _bad: Manifest | None = None
    _served: str = GOOD

    def restore(self) -> None:
        """Serve the state from before: production pointed at the version then."""
        name = "metadata/timestamp.json"
        before = self.world.files.get(name)
        self.world.files.swap(name, self.world.earlier[name], expect=before.tag if before else None)
        self._served = RETIRED

    def restore_role(self, role: str) -> None:
        """Serve one role's metadata from before."""
        snapshot = self.world.view().trusted.snapshot
        today = f"metadata/{snapshot.meta[f'{role}.json'].version}.{role}.json"
        before = self.world.files.get(today)
        self.world.files.swap(
            today,
            self.world.earlier[f"metadata/1.{role}.json"],
            expect=before.tag if before else None,
        )
        self.asked, self._served = f"loans@{RETIRED}", RETIRED

    def wait(self, days: float) -> None:
        """Let time pass."""
        self.world.clock.turn(days)

    def rollback(self) -> None:
        """After a crash, go back to the version before: two persons' keys in an automation."""
        self._served = RETIRED
        if self.guarded:
            self._try(lambda: self.world.roll_back(RETIRED))

    def republish(self) -> None:
        """The same bytes under a new version."""
        self.asked, self._served = "loans@staging", RETIRED
        manifest = self.world.view().manifest("loans", RETIRED)[0]
        if self.guarded:
            self._try(lambda: self.world.publish(replace(manifest, version="9", sequence=9)))

    def forget(self) -> None:
        """Meet a new client, who asks for the version by its number."""
        self.memory = VolatileMemory()
        if self._served != RETIRED:
            self.asked, self._served = f"loans@{RETIRED}", RETIRED

    def serve(self) -> bool:
        """Whether a client is served the retired bytes."""
        if not self.guarded:
            return self._served == RETIRED
        try:
            found = self.world.view(self.memory).resolve(parse_reference(self.asked))
        except InternalError:
            raise
        except HauberkError:
            return False
        return self._bad is not None and found.manifest.files == self._bad.files

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except InternalError:
            raise
        except HauberkError:
            return  # the automation is refused and leaves things as they are


def revived(seed: int, *, guarded: bool) -> Revived:
    """The state that an attacker finds."""
    world, _ = ready(seed, versions=2, promoted=1)
    bad = world.view().manifest("loans", RETIRED)[0]
    world.keep()  # production pointed at the version that is retired now
    world.promote(GOOD)
    world.retire(RETIRED)
    memory = VolatileMemory()
    world.view(memory).resolve(parse_reference("loans@production"))
    return Revived(world=world, guarded=guarded, memory=memory, _bad=bad)


def honest(seed: int) -> RegistryEntry:
    """What an honest client asks for after a retirement."""
    world, _ = ready(seed, versions=2, promoted=1)
    world.promote(GOOD)
    world.retire(RETIRED)
    return world.entry()
