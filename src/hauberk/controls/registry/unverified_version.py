"""Data under a name and version that nobody signed: see `UnverifiedVersion`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, RowScores, Severity
from hauberk.core.ports import Pointer
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError, UsageError
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.canonical import parse_json
from hauberk.trust.root import Root
from hauberk.trust.versions.commit import files_of
from hauberk.trust.versions.lineage import (
    Link,
    at,
    check_pointer,
    check_seen,
    logged,
    verify_links,
)
from hauberk.trust.versions.recipes import Recipe
from hauberk.trust.versions.versions import Version, root_of

MAX_LISTED = 1_000_000
MAX_LOG_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedVersion(Check[RegistryEntry]):
    """A version of a data set with its lineage, and the files that lie there under its name.

    Everything is followed as a client would: the log names the versions, the pointer names
    the newest, every statement must be signed by the threshold of pinned keys and be about
    its document, every document must name the one before it, nothing may be older than what
    the client has seen, and the files must be those of the signed list, byte for byte, with
    no other beside them. Whoever republishes, edits, swaps, adds, drops or renames data
    under a locked name therefore changes a digest that is signed.

    Limits:
        The first version is believed for its signature: poison in a set that was signed
        with it is for the data controls. A client that has never seen a newer version is
        not told that one is withheld, because versions do not expire.

    References:
        Torres-Arias et al. (2019), in-toto: providing farm-to-table guarantees for bits and
        bytes, section 3. CWE-345, "Insufficient verification of data authenticity".
    """

    title: ClassVar[str] = "Data that are not the signed version"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("AQ-3"),
        ThreatId("PK-1"),
        ThreatId("PK-4"),
        ThreatId("VD-2"),
        ThreatId("VD-3"),
        ThreatId("VD-4"),
        ThreatId("VD-5"),
    )
    subject: ClassVar[type] = RegistryEntry

    def check(self, subject: RegistryEntry) -> Iterator[Finding | RowScores]:
        """Yield each file that differs from the version.

        Raises:
            TrustError: The lineage does not verify; the error names the version.
            ArtifactError: Something the store holds is malformed.
            NotApplicable: The client pinned no root for a data set.
        """
        root = subject.trusted.get("dataset_root")
        if not isinstance(root, Root):
            raise NotApplicable("the client pinned no root of trust for a data set")
        store = _Store(subject)
        try:
            version = _version(subject, store, root)
        except UsageError as error:  # nobody's mistake here: the store does not have it
            raise TrustError(error.message, subject=subject.name, found=error.found) from error
        files = files_of(version, store)
        if root_of(files) != version.root:
            yield _finding(version.title, "the list of files", version.root, root_of(files))
        yield from _compared(subject, version.title, {f.path: f.recipe for f in files})


def _version(subject: RegistryEntry, store: _Store, root: Root) -> Version:
    """The version that the client wants, once its whole lineage holds."""
    links = logged(store, subject.name)
    check_pointer(subject.name, links, store.pointer())
    found = verify_links(subject.name, links, blobs=store, root=root)
    seen = subject.trusted.get("seen")
    if isinstance(seen, Link):
        check_seen(found, seen)
    return at(found, subject.version)


def _compared(
    subject: RegistryEntry, title: str, wanted: Mapping[str, Recipe]
) -> Iterator[Finding]:
    listed: Any = parse_json(subject.read("files"), max_bytes=MAX_LOG_BYTES)
    if not isinstance(listed, list) or len(listed) > MAX_LISTED:
        raise ArtifactError(
            "the list of files is malformed",
            subject=subject.name,
            expected=f"at most {MAX_LISTED} names",
            found=json.dumps(listed)[:60],
        )
    for name in sorted(set(map(str, listed)) - wanted.keys()):
        yield _finding(title, name, "no such file", "an unsigned file")
    for name, recipe in wanted.items():
        if name not in listed:
            yield _finding(title, name, "a file", "none")
        elif not is_made_by(recipe, subject.read(f"files/{name}")):
            yield _finding(title, name, f"{recipe.size} bytes, as signed", "other bytes")


def is_made_by(recipe: Recipe, data: bytes) -> bool:
    """Whether ``data`` are the parts of ``recipe`` in order, and nothing more."""
    at_byte = 0
    for part in recipe.parts:
        piece = data[at_byte : at_byte + part.size]
        if f"sha256:{hashlib.sha256(piece).hexdigest()}" != part.digest:
            return False
        at_byte += part.size
    return at_byte == len(data)


def _finding(title: str, name: str, expected: str, found: str) -> Finding:
    return Finding(
        message=f"{name} is not that of {title}: expected {expected}, found {found}",
        path=title,
        severity=Severity.CRITICAL,
        location=Location(field=name),
        remedy="Do not train on it; check out the signed version, and find out who changed the "
        "place that served this one.",
        evidence=Evidence(
            statistic="SHA-256 of each part against the signed list",
            facts={"expected": expected, "found": found},
        ),
    )


class _Store(MemoryBlobs):
    """What a registry serves, as the ports that lineages are read through."""

    def __init__(self, entry: RegistryEntry) -> None:
        super().__init__()
        self._entry = entry

    def records(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The events that the served log holds."""
        events: Any = parse_json(self._entry.read("log"), max_bytes=MAX_LOG_BYTES)
        if not isinstance(events, list):
            raise ArtifactError("the served log is malformed", expected="a list of records")
        chosen: Sequence[Any] = events[start:end]
        return (json.dumps(event, separators=(",", ":")).encode() for event in chosen)

    def pointer(self) -> Pointer:
        """What the name points at."""
        return Pointer(self._entry.read("pointer"), "served")

    def _find(self, digest: Digest) -> bytes:
        try:
            return self._entry.read(f"blobs/{digest}")
        except HauberkError as error:
            raise UnavailableError("the bytes are not served", subject=f"blob {digest}") from error
