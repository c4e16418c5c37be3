"""Serve other bytes or another state under a version's name: see `ReplaceVersion`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.trust.registry.anchor import Seen

DAY_S = 86_400.0
Twin = tuple[Mapping[str, bytes], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceVersion(Transform[RegistryEntry]):
    """Write to the store behind a registry with signed metadata, without any key.

    The attacker kept an earlier state, readable below ``earlier/``. ``swap`` exchanges the
    model's bytes, ``mix`` serves one role of the earlier state among today's to a client that
    has seen nothing, ``rollback`` serves the earlier state whole to a client that has seen
    today's, ``freeze`` goes on serving it, days later, to a client that has seen nothing.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        days: How long a freeze lasts.

    References:
        Samuel, Mathewson, Cappos and Dingledine (2010), Survivable key compromise in software
        update systems, section 3 (the attacks by name).
    """

    title: ClassVar[str] = "Replace what a registry serves"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-7"), ThreatId("VD-2"))
    subject: ClassVar[type] = RegistryEntry

    way: str | None = None
    days: float = 2.0

    def apply(self, subject: RegistryEntry, rng: Random) -> Attacked[RegistryEntry]:
        """The registry as its store now serves it.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        answers, trusted = WAYS[way](subject, rng, self.days)

        def read(path: str) -> bytes:
            return answers[path] if path in answers else subject.read(path)

        return Attacked(
            subject=replace(subject, read=read, trusted={**subject.trusted, **trusted}),
            truth={"way": way},
        )


def current(subject: RegistryEntry, role: str) -> str:
    """The name of a role's metadata in today's snapshot."""
    snapshot = _signed(subject, _snapshot_name(subject))
    return f"metadata/{snapshot['meta'][f'{role}.json']['version']}.{role}.json"


def document(subject: RegistryEntry, role: str, path: str) -> str:
    """The name of the document that a role names for a path."""
    target = _signed(subject, current(subject, role))["targets"][path]
    folder, _, name = path.rpartition("/")
    return f"targets/{folder}/{target['hashes']['sha256']}.{name}"


def _snapshot_name(subject: RegistryEntry) -> str:
    timestamp = _signed(subject, "metadata/timestamp.json")
    return f"metadata/{timestamp['meta']['snapshot.json']['version']}.snapshot.json"


def _signed(subject: RegistryEntry, name: str) -> Any:
    return json.loads(subject.read(name))["signed"]


def _swapped(subject: RegistryEntry, rng: Random, days: float) -> Twin:
    del days
    path = f"channels/{subject.name}/{subject.channel}.json"
    pointing = json.loads(subject.read(document(subject, str(subject.channel), path)))
    version = f"models/{subject.name}/{pointing['version']}.json"
    manifest = json.loads(subject.read(document(subject, "models", version)))
    held = manifest["files"][manifest["entry"]]
    return {f"blobs/{held['digest']}": rng.randbytes(held["bytes"])}, {}


def _mixed(subject: RegistryEntry, rng: Random, days: float) -> Twin:
    """An earlier version of a role under today's name, or an earlier statement."""
    del days
    role = rng.choice(("production", "models", "snapshot"))
    today = _snapshot_name(subject) if role == "snapshot" else current(subject, role)
    before = replace(subject, read=lambda path: subject.read(f"earlier/{path}"))
    earlier = _snapshot_name(before) if role == "snapshot" else current(before, role)
    return {today: subject.read(f"earlier/{earlier}")}, {"seen": Seen()}


def _earlier(subject: RegistryEntry) -> dict[str, bytes]:
    name = "metadata/timestamp.json"
    return {name: subject.read(f"earlier/{name}")}


def _rolled_back(subject: RegistryEntry, rng: Random, days: float) -> Twin:
    del rng, days
    return _earlier(subject), {}


def _frozen(subject: RegistryEntry, rng: Random, days: float) -> Twin:
    later = float(subject.trusted["now"]) + days * DAY_S * (1 + rng.random())
    return _earlier(subject), {"seen": Seen(), "now": later}


WAYS: Mapping[str, Callable[[RegistryEntry, Random, float], Twin]] = {
    "swap": _swapped,
    "mix": _mixed,
    "rollback": _rolled_back,
    "freeze": _frozen,
}
"""Ways to replace a version; see the class."""
