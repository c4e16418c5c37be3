"""Change what a store serves under a version's name: see `OverwriteVersion`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverwriteVersion(Transform[RegistryEntry]):
    """Write to the store behind a registry, without any key.

    ``tamper`` changes one byte of a blob, ``rollback`` serves an older genuine release to a
    client that has seen a newer one, ``freeze`` goes on serving it to a client that has not,
    ``mix`` combines the release of one version with the statements of another.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        Samuel, Mathewson, Cappos and Dingledine (2010), Survivable key compromise in software
        update systems, section 3 (the attacks by name).
    """

    title: ClassVar[str] = "Overwrite a stored version"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-2"),)
    subject: ClassVar[type] = RegistryEntry

    way: str | None = None

    def apply(self, subject: RegistryEntry, rng: Random) -> Attacked[RegistryEntry]:
        """The registry as its store now serves it.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        read, trusted = WAYS[way](subject, rng)
        return Attacked(
            subject=replace(subject, read=read, trusted={**subject.trusted, **trusted}),
            truth={"way": way},
        )


def _tampered(subject: RegistryEntry, rng: Random) -> tuple[Read, Mapping[str, int]]:
    victim = rng.choice(sorted(json.loads(subject.read("statements"))))

    def read(path: str) -> bytes:
        data = subject.read(path)
        if path != f"blobs/{victim}":
            return data
        place = rng.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return read, {}


def _older(subject: RegistryEntry) -> Read:
    answers = {path: subject.read(f"others/older/{path}") for path in ("release", "statements")}
    return lambda path: answers[path] if path in answers else subject.read(path)


def _rolled_back(subject: RegistryEntry, rng: Random) -> tuple[Read, Mapping[str, int]]:
    del rng
    return _older(subject), {}


def _frozen(subject: RegistryEntry, rng: Random) -> tuple[Read, Mapping[str, int]]:
    """The client has never heard of the newer release."""
    del rng
    return _older(subject), {"sequence": 0}


def _mixed(subject: RegistryEntry, rng: Random) -> tuple[Read, Mapping[str, int]]:
    path = rng.choice(("release", "statements"))
    other = subject.read(f"others/older/{path}")
    return (lambda wanted: other if wanted == path else subject.read(wanted)), {}


WAYS: Mapping[str, Callable[[RegistryEntry, Random], tuple[Read, Mapping[str, int]]]] = {
    "tamper": _tampered,
    "rollback": _rolled_back,
    "freeze": _frozen,
    "mix": _mixed,
}
"""Ways to change a store; see the class."""
