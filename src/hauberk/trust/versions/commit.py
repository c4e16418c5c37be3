"""Commit a version: parts, document, signature, log, pointer, in this order.

Whatever is interrupted leaves the versions before it as they were. The record in the log is
the commit: from then on the version exists, and `repair` moves a pointer that was left
behind after verifying the version that it moves to.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.core.artifact import Digest
from hauberk.trust.canonical import canonical_json
from hauberk.trust.keys import Role
from hauberk.trust.versions.lineage import (
    Link,
    Verified,
    logged,
    pointer_name,
    read_pointer,
    verify_links,
)
from hauberk.trust.versions.recipes import Keeper, Recipe, read
from hauberk.trust.versions.versions import File, Version, read_files, write_files

if TYPE_CHECKING:
    from hauberk.core.ports import Blobs
    from hauberk.trust.root import Root
    from hauberk.trust.signer import Signer
    from hauberk.trust.store import Store

Sign = Callable[[bytes, dict[str, Digest]], bytes]
"""Signs a statement about blobs: name to digest; gives the envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """What signs: statements and heads of the log."""

    statement: Sign
    head: Callable[[bytes], bytes]


def hand_of(signer: Signer, store: Store) -> Hand:
    """The lifecycle key of a signer; it hashes the document in the store itself."""

    def sign(payload: bytes, subjects: dict[str, Digest]) -> bytes:
        paths = {name: store.blobs.path(digest) for name, digest in subjects.items()}
        return signer.sign(Role.LIFECYCLE, payload, paths).to_bytes()

    return Hand(statement=sign, head=lambda text: signer.sign_head(Role.LIFECYCLE, text))


def keep_files(files: tuple[File, ...], keeper: Keeper, base: Recipe | None) -> Recipe:
    """Store the list of files; all of them are durable when it returns."""
    recipe = keeper.keep(io.BytesIO(write_files(files)), base)
    keeper.flush()
    return recipe


def files_of(version: Version, blobs: Blobs) -> tuple[File, ...]:
    """The files of a version.

    Raises:
        TrustError: The stored list has other bytes.
        ArtifactError: It is malformed.
    """
    return read_files(b"".join(read(version.files, blobs, subject=f"files of {version.title}")))


def commit(version: Version, store: Store, hand: Hand) -> Link:
    """Sign a version whose files are durable, log it, and name it.

    The caller holds the store's lock and has verified the parent.

    Raises:
        TrustError: Somebody else changed the pointer meanwhile.
        UnavailableError: The disk is full; nothing of this version is visible.
    """
    document = store.blobs.put((version.to_bytes(),))
    envelope = store.blobs.put((hand.statement(version.statement(), {version.title: document}),))
    link = Link(number=version.number, version=document, envelope=envelope)
    store.log.append([link.event(version.name)])
    store.log.checkpoint(hand.head)
    _name(version.name, link, store)
    return link


def _name(name: str, link: Link, store: Store) -> None:
    pointer = store.pointers.get(pointer_name(name))
    store.pointers.swap(
        pointer_name(name),
        canonical_json(link.document()),
        expect=None if pointer is None else pointer.tag,
    )


def repair(name: str, store: Store, root: Root, hand: Hand) -> Verified | None:
    """Finish a commit that was cut short after it was logged, if there is one.

    Raises:
        TrustError: The log names versions that do not verify, or fewer than the pointer.
    """
    links = logged(store.log, name)
    pointer = store.pointers.get(pointer_name(name))
    if not links:
        return None
    if pointer is not None and read_pointer(pointer) not in links:
        return None  # ahead of the log or forged; reading refuses it
    found = verify_links(name, links, blobs=store.blobs, root=root)
    if pointer is None or read_pointer(pointer) != links[-1]:
        store.log.checkpoint(hand.head)
        _name(name, links[-1], store)
    return found
