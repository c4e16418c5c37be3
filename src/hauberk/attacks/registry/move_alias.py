"""Point a channel's name at something that its owners never agreed to: see `MoveAlias`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.trust import dsse
from hauberk.trust.keys import KeyPair, generate

Answers = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveAlias(Transform[RegistryEntry]):
    """Serve another release under the channel's name, with at most one of two keys in hand.

    The store also holds other genuine releases, readable below ``others/``: an ``older`` one
    of the same project, one that is only ``staged``, and one of a ``foreign`` project.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        key: The one signing key that the attacker holds; a key of the attacker's own where
            none is given.

    References:
        MITRE ATLAS AML.T0010.003 and AML.T0074, "Masquerading".
    """

    title: ClassVar[str] = "Move a channel's name to another model"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RG-1"),)
    subject: ClassVar[type] = RegistryEntry

    way: str | None = None
    key: KeyPair | None = None

    def apply(self, subject: RegistryEntry, rng: Random) -> Attacked[RegistryEntry]:
        """The registry with the name moved.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        answers = WAYS[way](subject, self.key or generate())

        def read(path: str) -> bytes:
            return answers[path] if path in answers else subject.read(path)

        return Attacked(subject=replace(subject, read=read), truth={"way": way})


def _other(name: str) -> Callable[[RegistryEntry, KeyPair], Answers]:
    def forge(subject: RegistryEntry, key: KeyPair) -> Answers:
        del key
        return {path: subject.read(f"others/{name}/{path}") for path in ("release", "statements")}

    return forge


def _other_release_only(subject: RegistryEntry, key: KeyPair) -> Answers:
    del key
    return {"release": subject.read("others/older/release")}


def _other_statements_only(subject: RegistryEntry, key: KeyPair) -> Answers:
    del key
    return {"statements": subject.read("others/older/statements")}


def _one_signature(subject: RegistryEntry, key: KeyPair) -> Answers:
    return {"release": _resigned(subject.read("others/staged/release"), key, lambda said: said)}


def _edited(change: Callable[[Any], Any]) -> Callable[[RegistryEntry, KeyPair], Answers]:
    def forge(subject: RegistryEntry, key: KeyPair) -> Answers:
        return {"release": _resigned(subject.read("release"), key, change)}

    return forge


def _resigned(envelope: bytes, key: KeyPair, change: Callable[[Any], Any]) -> bytes:
    outer = json.loads(envelope)
    said = change(json.loads(base64.b64decode(outer["payload"])))
    payload = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return dsse.sign(payload, outer["payloadType"], [key]).to_bytes()


def _for_production(said: Any) -> Any:
    said["predicate"]["channel"] = "production"
    return said


def _newer(said: Any) -> Any:
    said["predicate"]["sequence"] = said["predicate"]["sequence"] + 1
    return said


def _without_tests(said: Any) -> Any:
    said["predicate"]["tests"] = []
    return said


def _twice_signed(subject: RegistryEntry, key: KeyPair) -> Answers:
    """One key's signature listed twice, to look like two persons."""
    outer = json.loads(_resigned(subject.read("others/staged/release"), key, _for_production))
    outer["signatures"] = outer["signatures"] * 2
    return {"release": json.dumps(outer).encode()}


def _dropped_statement(subject: RegistryEntry, key: KeyPair) -> Answers:
    del key
    return {"statements": json.dumps(json.loads(subject.read("statements"))[:-1]).encode()}


WAYS: Mapping[str, Callable[[RegistryEntry, KeyPair], Answers]] = {
    "older": _other("older"),
    "staged": _other("staged"),
    "foreign": _other("foreign"),
    "mixed-release": _other_release_only,
    "mixed-statements": _other_statements_only,
    "one-signature": _one_signature,
    "renamed-channel": _edited(_for_production),
    "raised-number": _edited(_newer),
    "dropped-tests": _edited(_without_tests),
    "signed-twice": _twice_signed,
    "dropped-statement": _dropped_statement,
}
"""Ways to move a name; each changes what a client gets under it."""
