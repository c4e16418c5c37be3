"""Releases in a project's store: what is staged, and everything that it rests on.

A release is a signed statement. The pointer ``releases/<project>/<channel>`` names it by
digest together with the envelopes it rests on; all of them are blobs. The pointer proves
nothing: whoever reads it verifies the chain against the pinned root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.lifecycle import release_records
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import parse_digest
from hauberk.trust.fields import Fields

if TYPE_CHECKING:
    from hauberk.trust.store import Store

STAGING = "staging"
MAX_POINTER_BYTES = 4 << 20
MAX_ENVELOPE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What a channel's pointer names.

    Attributes:
        release: Digest of the release's envelope.
        statements: Digests of the envelopes of all steps and tests.
        sequence: Number of the release.
        tag: What a swap of the pointer must present.
    """

    release: Digest
    statements: tuple[Digest, ...]
    sequence: int
    tag: str


def staged(store: Store, project: str, channel: str = STAGING) -> Staged | None:
    """What the channel of the project points at, unverified; ``None`` where nothing is.

    Raises:
        TrustError: The pointer is malformed.
    """
    pointer = store.pointers.get(_name(project, channel))
    if pointer is None:
        return None
    try:
        fields = Fields.of(parse_json(pointer.value, max_bytes=MAX_POINTER_BYTES), "pointer")
        fields.only("release", "sequence", "statements")
        return Staged(
            release=fields.digest("release"),
            statements=tuple(parse_digest(item) for item in fields.texts("statements")),
            sequence=fields.count("sequence"),
            tag=pointer.tag,
        )
    except ArtifactError as error:
        raise TrustError(
            "the pointer of a channel is malformed",
            subject=_name(project, channel),
            rule="a pointer is canonical JSON, as a run writes it",
            expected="a release, its statements and its number",
            found=f"{error.expected} was expected, {error.found} found"[:200],
            hint="publish again with hauberk run; find out who wrote it",
        ) from error


def publish(
    store: Store, project: str, release: Digest, statements: Sequence[Digest], sequence: int
) -> None:
    """Point the staging channel at a release.

    Raises:
        TrustError: Somebody else moved the pointer meanwhile.
    """
    before = staged(store, project)
    value = {"release": release, "statements": list(statements), "sequence": sequence}
    store.pointers.swap(
        _name(project, STAGING), canonical_json(value), expect=before.tag if before else None
    )


def envelopes(store: Store, found: Staged) -> tuple[bytes, tuple[bytes, ...]]:
    """The release's envelope and those it rests on, read from the store by digest.

    Raises:
        TrustError: A blob is not what its name says, or is gone.
    """
    return _blob(store, found.release), tuple(_blob(store, item) for item in found.statements)


def required(store: Store, project: str) -> Staged:
    """What is staged.

    Raises:
        TrustError: Nothing is, and the log tells of a release that was done.
        UsageError: Nothing is.
    """
    found = staged(store, project)
    if found is None:
        told = release_records.told(store, project, STAGING)
        release_records.refuse_forgotten(told, project, STAGING, None)
        required_nothing(project, release_records.unfinished(told))
    return found


def refuse_older(store: Store, project: str, found: Staged, number: int) -> release_records.Told:
    """Refuse what is staged where its number is not its own, or the log tells of a later one.

    Args:
        number: The release's own, as it is signed; the pointer's is nobody's word.

    Raises:
        TrustError: It does.
    """
    if found.sequence != number:
        raise TrustError(
            "the pointer of a channel gives a release another number",
            subject=_name(project, STAGING),
            rule="a pointer says of a release what the release says of itself",
            expected=f"number {number}",
            found=f"number {found.sequence}",
            hint="find out who changed .hauberk/pointers.sqlite; restore it from a backup",
        )
    told = release_records.told(store, project, STAGING)
    channel = release_records.channel_of(project, STAGING)
    release = release_records.Release(channel=channel, digest=found.release, number=number)
    release_records.refuse_forgotten(told, project, STAGING, release)
    return told


def required_nothing(project: str, unfinished: str = "") -> NoReturn:
    """Say that there is no release, and which one was cut short.

    Raises:
        UsageError: Always.
    """
    raise UsageError(
        "nothing has been released yet",
        subject=project,
        expected=f"a release in channel {STAGING}",
        found=unfinished or "none",
        hint="hauberk run releases to staging when every gate allows it and keys are there",
    )


def _blob(store: Store, digest: Digest) -> bytes:
    if not store.blobs.has(digest):
        raise TrustError(
            "a statement of the release is gone",
            subject=digest,
            rule="a release lies in the store with every statement that it rests on",
            expected="its bytes",
            found="nothing of that name, or no file",
            hint="find out who removed it; restore the store from a backup, or run again",
        )
    if store.blobs.size(digest) > MAX_ENVELOPE_BYTES:
        raise TrustError(
            "an envelope is too large",
            subject=digest,
            expected=f"at most {MAX_ENVELOPE_BYTES} bytes",
            found=f"{store.blobs.size(digest)} bytes",
        )
    return b"".join(store.blobs.open(digest))


def _name(project: str, channel: str) -> str:
    return f"releases/{project}/{channel}"
