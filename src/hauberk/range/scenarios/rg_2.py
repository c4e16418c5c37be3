"""RG-2: fourteen actions on a registry, tried with the keys of six roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from hauberk.attacks.registry.exceed_role import ACTIONS, ExceedRole
from hauberk.core.threat import ThreatId
from hauberk.errors import HauberkError, InternalError, UnavailableError
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.registered import Keys, World, ready
from hauberk.trust.keys import KeyPair, generate
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.names import parse_reference
from hauberk.trust.registry.view import View

ROLES: Mapping[str, Callable[[Keys], tuple[KeyPair, ...]]] = {
    "two persons": lambda keys: (keys.ada, keys.bob),
    "one person": lambda keys: (keys.ada,),
    "trainer": lambda keys: (keys.trainer, *keys.online),
    "job": lambda keys: keys.online,
    "clock": lambda keys: (keys.timestamp,),
    "stranger": lambda _: (generate(),),
}
GOVERN = {"grant", "revoke", "lower-threshold", "rotate-root"}
ALLOWED: Mapping[str, frozenset[str]] = {
    "two persons": frozenset({"promote", "roll-back", "retire", "snapshot", "timestamp", *GOVERN}),
    "one person": frozenset({"retire", "snapshot", "timestamp"}),
    "trainer": frozenset({"publish", "stage", "delete", "snapshot", "timestamp"}),
    "job": frozenset({"snapshot", "timestamp"}),
    "clock": frozenset({"timestamp"}),
    "stranger": frozenset(),
}
CELLS = tuple((role, action) for role in ROLES for action in ACTIONS)
FORBIDDEN = tuple(cell for cell in CELLS if cell[1] not in ALLOWED[cell[0]])
PERMITTED = tuple(cell for cell in CELLS if cell[1] in ALLOWED[cell[0]])


@dataclass(slots=True)
class Seat:
    """Somebody with the keys of a role before an open store, and a client who looks on.

    Attributes:
        guarded: Whether the client verifies; else it takes whatever the newest names say.
    """

    world: World
    hands: tuple[KeyPair, ...]
    guarded: bool
    memory: VolatileMemory
    model: str = "loans"
    _writes: int = 0

    def read(self, name: str) -> bytes:
        """A file."""
        found = self.world.files.get(name)
        if found is None:
            raise UnavailableError("there is no such file", subject=name)
        return found.value

    def write(self, name: str, data: bytes) -> None:
        """A file, whatever was there."""
        before = self.world.files.get(name)
        self.world.files.swap(name, data, expect=before.tag if before else None)
        self._writes += 1

    def changed(self, action: str) -> bool:
        """Whether the client sees the effect."""
        if not self.guarded:
            return self._writes > 0
        try:
            return EFFECTS[action](self.world.view(self.memory))
        except InternalError:
            raise
        except HauberkError:
            return False


def _manifest(view: View, version: str) -> Any:
    return view.manifest("loans", version)[0]


def _production(view: View) -> Any:
    return view.resolve(parse_reference("loans@production")).pointing


def _targets(view: View) -> Any:
    return view.role("targets", "root")


EFFECTS: Mapping[str, Callable[[View], bool]] = {
    "publish": lambda view: _manifest(view, "9").sequence > 0,
    "overwrite": lambda view: _manifest(view, "1").created < 1.1e9,  # noqa: PLR2004 - of 2001
    "delete": lambda view: view.document("models/loans/1.json") is None,
    "stage": lambda view: getattr(view.pointing("loans", "staging"), "version", "") == "1",
    "promote": lambda view: bool(_production(view).version == "2"),
    "roll-back": lambda view: bool(_production(view).move == "rollback"),
    "retire": lambda view: any(one.version == "2" for one in view.retired("loans").versions),
    "revive": lambda view: view.retired("loans").versions == (),
    "grant": lambda view: "mallory" in str(_targets(view).unrecognized_fields),
    "revoke": lambda view: len(_targets(view).delegations.roles["retired"].keyids) == 1,
    "lower-threshold": lambda view: _targets(view).delegations.roles["production"].threshold == 1,
    "rotate-root": lambda view: (
        view.trusted.root.unrecognized_fields["hauberk"]["persons_for_production"] == 1
    ),
    "snapshot": lambda view: view.trusted.snapshot.version > _LAST["snapshot"],
    "timestamp": lambda view: view.trusted.timestamp.version > _LAST["timestamp"],
}
_LAST: dict[str, int] = {}


def _seat(seed: int, role: str, *, guarded: bool) -> Seat:
    world, _ = ready(seed, versions=3, promoted=1)
    memory = VolatileMemory()
    for version in ("1", "2"):
        world.view(memory).resolve(parse_reference(f"loans@{version}"))
    world.retire("3")
    view = world.view(memory)
    view.resolve(parse_reference("loans@production"))
    _LAST.update(snapshot=view.trusted.snapshot.version, timestamp=view.trusted.timestamp.version)
    return Seat(world, ROLES[role](world.keys), guarded, memory)


def played(seed: int, cell: tuple[str, str], *, guarded: bool) -> bool:
    """Whether an action with the keys of a role works on a client."""
    role, action = cell
    seat = _seat(seed, role, guarded=guarded)
    return ExceedRole(action=action).play(seat, Random(seed)).succeeded


def _forbidden(seed: int) -> Trial:
    cell = FORBIDDEN[seed % len(FORBIDDEN)]
    return Trial(
        values={"refused": not played(seed, cell, guarded=True)},
        potent=played(seed, cell, guarded=False),
    )


def _allowed(seed: int) -> Trial:
    worked = played(seed, PERMITTED[seed % len(PERMITTED)], guarded=True)
    return Trial(values={"false_refusals": not worked}, false_alarm=float(not worked))


NOTE = (
    f"{len(ROLES)} roles by {len(ACTIONS)} actions, {len(FORBIDDEN)} cells forbidden and "
    f"{len(PERMITTED)} allowed, each by metadata written by hand past the registry's own "
    "commands; seen by a client that has looked before. There are no sessions: a signature "
    "stands for a token"
)
SCENARIOS = (
    Scenario(
        threat=ThreatId("RG-2"),
        attack=ExceedRole(),
        control="a reader of the registry",
        play=_forbidden,
        parts=(("refused", ""),),
        note=NOTE,
    ),
    Scenario(
        threat=ThreatId("RG-2"),
        attack=ExceedRole(),
        control="a reader of the registry",
        play=_allowed,
        parts=(("false_refusals", ""),),
        note=NOTE,
    ),
)
