"""Who asks: API keys, kept as digests only, and the name that decisions are booked under.

Keys are 256 random bits, so that a plain SHA-256 keeps them; nothing slow is needed per
request. A principal is the digest of the key's digest: logs and state cannot be turned into
a key. Client addresses are never believed.

A key file has one key per line, ``<name> sha256:<64 hex digits> [<role>]``; lines that begin
with # are comments. What a role is given stands in the serving policy. Rotate by adding the
new line, moving clients over, and removing the old one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from hauberk.errors import UsageError

LOCAL = "local"
"""The principal of everybody while no keys are configured and the door is on loopback."""

DEFAULT_ROLE = "default"
"""The role of whoever has no other."""

_LINE = re.compile(r"([A-Za-z0-9_.-]{1,64})\s+sha256:([0-9a-f]{64})(?:\s+([a-z0-9_.-]{1,64}))?")
_MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks.

    Attributes:
        principal: The name that decisions are booked under.
        role: What the policy knows it as.
    """

    principal: str
    role: str = DEFAULT_ROLE


NOBODY = Holder("unknown", "")
"""Whoever presented nothing that is known."""

_ANYBODY = Holder(LOCAL)


class Identity(Protocol):
    """Says who a request is from."""

    def who(self, credential: str | None) -> Holder | None:
        """Who presents this ``Authorization`` header; ``None`` for nobody known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The keys that open the door.

    Attributes:
        names: Hexadecimal digest of a key to the name of its holder.
        roles: Hexadecimal digest of a key to the role of its holder, where it has one.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.names)

    def who(self, credential: str | None) -> Holder | None:
        """Who presents this ``Authorization`` header; ``None`` for nobody known.

        Without keys everybody is `LOCAL`. Looking a digest up needs no constant time: what
        the time tells is a prefix of the digest of a guess.
        """
        if not self.names:
            return _ANYBODY
        scheme, _, key = (credential or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(key) <= _MAX_KEY or not key.isascii():
            return None
        digest = _digest(key)
        if digest not in self.names:
            return None
        return _holder(digest, self.roles.get(digest, DEFAULT_ROLE))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("ascii")).hexdigest()


@lru_cache(maxsize=10_000)
def _holder(digest: str, role: str) -> Holder:
    return Holder("key:" + hashlib.sha256(digest.encode("ascii")).hexdigest()[:16], role)


def new_key(name: str, role: str = "") -> tuple[str, str]:
    """A fresh key and the line that lets it in."""
    key = secrets.token_urlsafe(32)
    return key, f"{name} sha256:{_digest(key)} {role}".rstrip()


def keyring_of(text: str) -> Keyring:
    """The keys listed in a key file.

    Raises:
        UsageError: A line is not a key line, or a digest stands twice.
    """
    names: dict[str, str] = {}
    roles: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[2] in names:
            raise UsageError(
                "the key file cannot be used",
                subject=f"line {number}",
                rule="one key per line, none twice",
                expected="<name> sha256:<64 hex digits> [<role>]",
                found="a repeated key" if match else "something else",
                hint="make a line with `hauberk serve --new-key NAME`",
            )
        names[match[2]] = match[1]
        if match[3]:
            roles[match[2]] = match[3]
    return Keyring(names=names, roles=roles)
