"""What a pinned root of trust says of a registry, and what a client has seen of it.

The anchor is the digest of one root metadata, from which the chain of rotations leads to the
one in force; a floor for fresh clients, who have seen nothing that could be rolled back; and
the least number of persons behind production. It stands in the root of trust, outside the
registry, so that replacing a registry with its keys and policy helps nobody.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, UsageError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.fields import Fields, misfit
from hauberk.trust.private_files import make_folder, write

PERSONS = 2  # who must agree on production
MAX_MEMORY_BYTES = 32 << 20
MAX_REMEMBERED = 20_000  # names; the oldest are forgotten, which only weakens staging
_FORMAT = "urn:hauberk:registry:memory:v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What is believed of a registry beforehand.

    Attributes:
        name: The registry's name, which its root metadata repeats.
        version: Version of the pinned root metadata.
        root: Digest of its bytes.
        floor: Lowest timestamp version that counts, for clients that have seen none.
        persons: Least number of persons behind production.
        location: Where the registry was when it was pinned; a hint, never a proof.
    """

    name: str
    version: int
    root: Digest
    floor: int = 0
    persons: int = PERSONS
    location: str = ""


def anchor_document(anchor: Anchor) -> dict[str, Any]:
    """The anchor as JSON."""
    return {
        "floor": anchor.floor,
        "location": anchor.location,
        "name": anchor.name,
        "persons": anchor.persons,
        "root": anchor.root,
        "version": anchor.version,
    }


def read_anchor(fields: Fields) -> Anchor:
    """The anchor that `anchor_document` wrote.

    Raises:
        ArtifactError: It is none.
    """
    fields.only("floor", "location", "name", "persons", "root", "version")
    persons = fields.count("persons")
    if persons < 1:
        raise misfit(f"{fields.where}.persons", "1 or more", persons)
    return Anchor(
        name=fields.text("name"),
        version=fields.count("version"),
        root=fields.digest("root"),
        floor=fields.count("floor"),
        persons=persons,
        location=str(fields.get("location", str, "text")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a client has verified of a registry before.

    Attributes:
        anchor: Digest of the root metadata that it began with.
        root: Newest root metadata.
        clock: Latest time at which it looked, seconds since the epoch.
        numbers: Channel's path to the highest number seen of it, and a list's of retired versions
            to its length.
        digests: Manifest's path to its digest: versions are written once.
    """

    anchor: Digest | None = None
    root: bytes = b""
    timestamp: bytes = b""
    snapshot: bytes = b""
    clock: float = 0.0
    numbers: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, Digest] = field(default_factory=dict)

    def with_number(self, path: str, number: int) -> Seen:
        """The same, having seen a channel's number."""
        return replace(self, numbers=_kept(self.numbers, path, number))

    def with_digest(self, path: str, digest: Digest) -> Seen:
        """The same, having seen a version's manifest."""
        return replace(self, digests=_kept(self.digests, path, digest))


def _kept(known: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    held = {key: known[key] for key in known if key != name}
    held[name] = value
    for oldest in list(held)[: max(0, len(held) - MAX_REMEMBERED)]:
        del held[oldest]
    return held


class Memory(Protocol):
    """Where a client keeps what it has seen."""

    def load(self) -> Seen:
        """What was seen; nothing at first."""
        ...

    def save(self, seen: Seen) -> None:
        """Keep it, replacing what was there."""
        ...


class VolatileMemory:
    """In memory: for tests, and for clients that begin anew each time."""

    def __init__(self, seen: Seen | None = None) -> None:
        self._seen = seen or Seen()

    def load(self) -> Seen:
        """What was seen."""
        return self._seen

    def save(self, seen: Seen) -> None:
        """Keep it."""
        self._seen = seen


class FileMemory:
    """In the user's configuration, one file for each registry.

    Args:
        config: The user's configuration folder.
        name: The registry's name, already checked.
    """

    def __init__(self, config: Path, name: str) -> None:
        self.path = config / "registries" / f"{name}.json"

    def load(self) -> Seen:
        """What was seen.

        Raises:
            ArtifactError: The file is damaged: forgetting it silently would forget rollbacks.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Seen()
        try:
            return _read(data)
        except ArtifactError as error:
            error.subject = str(self.path)
            error.hint = "restore it, or remove it after comparing the registry's state by hand"
            raise

    def save(self, seen: Seen) -> None:
        """Keep it."""
        make_folder(self.path.parent)
        write(self.path, _written(seen), 0o600)


def _written(seen: Seen) -> bytes:
    return canonical_json(
        {
            "anchor": seen.anchor,
            "clock": seen.clock,
            "digests": seen.digests,
            "format": _FORMAT,
            "numbers": seen.numbers,
            "root": base64.b64encode(seen.root).decode(),
            "snapshot": base64.b64encode(seen.snapshot).decode(),
            "timestamp": base64.b64encode(seen.timestamp).decode(),
        }
    )


def _read(data: bytes) -> Seen:
    fields = Fields.of(parse_json(data, max_bytes=MAX_MEMORY_BYTES), "memory").only(
        "anchor", "clock", "digests", "format", "numbers", "root", "snapshot", "timestamp"
    )
    if fields.values.get("format") != _FORMAT:
        raise misfit("memory.format", _FORMAT, fields.values.get("format"))
    numbers, digests = fields.object("numbers"), fields.object("digests")
    return Seen(
        anchor=fields.digest("anchor") if fields.values.get("anchor") else None,
        root=_bytes(fields, "root"),
        timestamp=_bytes(fields, "timestamp"),
        snapshot=_bytes(fields, "snapshot"),
        clock=float(fields.get("clock", (int, float), "a number")),
        numbers={path: numbers.count(path) for path in numbers.values},
        digests={path: digests.digest(path) for path in digests.values},
    )


def _bytes(fields: Fields, key: str) -> bytes:
    try:
        return base64.b64decode(str(fields.get(key, str, "base64")), validate=True)
    except ValueError as error:
        raise misfit(f"{fields.where}.{key}", "base64", "something else") from error


def check_registry_name(name: str) -> str:
    """``name`` itself, if it may name a registry.

    Raises:
        UsageError: It may not.
    """
    from hauberk.trust.registry.names import is_name

    if not is_name(name):
        raise UsageError(
            "this cannot name a registry",
            subject=ascii(name)[:100],
            expected="a plain lower-case name",
            found=ascii(name)[:100],
        )
    return name
