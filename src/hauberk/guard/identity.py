"""Who asks: API keys, tokens and certificates, and the name that decisions are booked under.

Keys are 256 random bits, so that a plain SHA-256 keeps them; nothing slow is needed per
request. A principal is the digest of the key's digest: logs and state cannot be turned into
a key. Client addresses are never believed.

A key file has one key per line, ``<name> sha256:<64 hex digits> [<role>]``; lines that begin
with # are comments. What a role is given stands in the serving policy. Rotate by adding the
new line, moving clients over, and removing the old one.

A door may also believe tokens of an identity provider (`guard.tokens`) and certificates of
clients (`guard.transport`). Who presents a key or a token is who that says, whatever the
certificate; one that is not known is nobody, and the certificate does not stand in for it.
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
_TOKEN_DOTS = 2
_PEER = re.compile(
    r"([A-Za-z0-9_.-]{1,64})\s+((?:DNS|URI|email|CN):\S{1,255})(?:\s+([a-z0-9_.-]{1,64}))?"
)


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

    def who(self, credential: str | None, peer: tuple[str, ...] = ()) -> Holder | None:
        """Who presents this ``Authorization`` header; ``None`` for nobody known.

        Args:
            peer: Names in the certificate that the connection was opened with.
        """
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

    def who(self, credential: str | None, peer: tuple[str, ...] = ()) -> Holder | None:
        """Who presents this ``Authorization`` header; ``None`` for nobody known.

        Without keys everybody is `LOCAL`. Looking a digest up needs no constant time: what
        the time tells is a prefix of the digest of a guess.
        """
        del peer
        if not self.names:
            return _ANYBODY
        key = _bearer(credential)
        if not 0 < len(key) <= _MAX_KEY or not key.isascii():
            return None
        digest = _digest(key)
        if digest not in self.names:
            return None
        return _holder(digest, self.roles.get(digest, DEFAULT_ROLE))


class Believer(Protocol):
    """Says whose token it is."""

    def who(self, token: str) -> Holder | None:
        """Whose token it is; ``None`` for one that is not believed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The certificates that open the door, by a name in them.

    Attributes:
        names: ``DNS:``, ``URI:``, ``email:`` or ``CN:`` with a name, to who that is. Empty
            lets in everybody whose certificate the door's authority signed.
        roles: The same to a role, where there is one.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def holder(self, peer: tuple[str, ...]) -> Holder | None:
        """Whose certificate has these names; ``None`` for nobody known."""
        for name in peer:
            if name in self.names or not self.names:
                mark = hashlib.sha256(name.encode()).hexdigest()[:16]
                return Holder(f"certificate:{mark}", self.roles.get(name, DEFAULT_ROLE))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways of being known at one door: keys, tokens and certificates, each if it is there.

    Attributes:
        register: ``None`` where the door asks for no certificates.
    """

    keys: Keyring = field(default_factory=Keyring)
    tokens: Believer | None = None
    register: Register | None = None

    def __bool__(self) -> bool:
        return bool(self.keys) or self.tokens is not None or self.register is not None

    def who(self, credential: str | None, peer: tuple[str, ...] = ()) -> Holder | None:
        """Who presents this ``Authorization`` header on a connection of this certificate."""
        if credential is None and self.register is not None:
            return self.register.holder(peer)
        if self.tokens is not None and (token := _bearer(credential)).count(".") == _TOKEN_DOTS:
            return self.tokens.who(token)
        return self.keys.who(credential) if self.keys or not self else None


def _bearer(credential: str | None) -> str:
    scheme, _, found = (credential or "").partition(" ")
    return found if scheme.lower() == "bearer" else ""


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("ascii")).hexdigest()


@lru_cache(maxsize=10_000)
def _holder(digest: str, role: str) -> Holder:
    return Holder("key:" + hashlib.sha256(digest.encode("ascii")).hexdigest()[:16], role)


def new_key(name: str, role: str = "") -> tuple[str, str]:
    """A fresh key and the line that lets it in.

    Raises:
        UsageError: Name or role cannot stand in such a line.
    """
    key = secrets.token_urlsafe(32)
    line = f"{name} sha256:{_digest(key)} {role}".rstrip()
    if _LINE.fullmatch(line) is None:
        raise UsageError(
            "the new key cannot be named so",
            subject=f"--new-key {name!r}" + (f" --role {role!r}" if role else ""),
            rule="names and roles are plain words",
            expected="1 to 64 of a-z, 0-9, _, . and -; in names A-Z too",
            found="something else",
            hint="choose another name, as alice or batch.job-1",
        )
    return key, line


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


def register_of(text: str) -> Register:
    """The certificates listed in a file: ``<name> DNS:host|URI:...|email:...|CN:... [<role>]``.

    Raises:
        UsageError: A line is none of these, or there is none.
    """
    names: dict[str, str] = {}
    roles: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _PEER.fullmatch(line.strip())
        if match is None or match[2] in names:
            raise _no_register(f"line {number}", "a repeated name" if match else "something else")
        names[match[2]] = match[1]
        if match[3]:
            roles[match[2]] = match[3]
    if not names:
        raise _no_register("the file", "no line")
    return Register(names=names, roles=roles)


def _no_register(subject: str, found: str) -> UsageError:
    return UsageError(
        "the list of certificates cannot be used",
        subject=subject,
        rule="one name of a certificate per line, none twice",
        expected="<name> DNS:host, URI:..., email:... or CN:... [<role>]",
        found=found,
        hint="leave --clients out to let in every certificate of the authority",
    )
