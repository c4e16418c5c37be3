"""Verify what a project has released: the chain, and the bytes that lie in the project now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UsageError
from hauberk.lifecycle import lock, releases
from hauberk.lifecycle.lifecycle_file import FILE
from hauberk.lifecycle.log_check import judged_log, refuse_broken, refuse_unlogged
from hauberk.lifecycle.plan import plan
from hauberk.lifecycle.release_records import unfinished
from hauberk.trust.chain import VerifiedChain, verify_chain
from hauberk.trust.digest import digest_bytes
from hauberk.trust.dsse import Envelope
from hauberk.trust.places import BlobPlace, FolderPlace
from hauberk.trust.policy import tighten
from hauberk.trust.root import Root, resolve
from hauberk.trust.store import Store

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.lifecycle.settings import Settings


def verify_project(
    settings: Settings, configuration: Path, *, root_file: Path | None = None
) -> VerifiedChain:
    """Verify the staged release of a project against the pinned root.

    The channel may not point behind a release that the log calls done.
    The project's policy may not be below the pinned floor. The log must hold against its
    signed heads, the index of metadata against the log, and every step of the release must
    be in the log: one that was deleted whole has no heads to contradict. The chain is
    verified from the release back to the sources, and every file of the project that the
    chain names is hashed again where it lies.

    Raises:
        TrustError: Something is not what was signed; the error names it.
        UsageError: Nothing has been released.
        UnavailableError: There is no store or no root.
    """
    from hauberk.lifecycle.production.model_registry import required_names

    store = Store.open(settings.root, create=False, read_only=True)
    name = settings.project.name
    if not store.holds_anything():
        releases.required_nothing(name)
    root = resolve(name, configuration, file=root_file)
    own = settings.policy_over(root.policy)
    tighten(root.policy, own, project_waivers=root.project_waivers)
    refuse_broken(judged_log(store, root))
    found = releases.required(store, name)
    release, statements = releases.envelopes(store, found)
    chain = verify_release(
        release,
        statements,
        root=root,
        project=settings.root,
        store=store,
        required=required_names(plan(settings)),
    )
    told = releases.refuse_older(store, name, found, chain.release.sequence)
    refuse_unlogged(told.steps, tuple(_steps(chain, found, statements)))
    kept = tuple(one for one in chain.not_held if one not in (FILE, lock.FILE))
    return replace(chain, not_held=kept, unfinished=unfinished(told))


def _steps(
    chain: VerifiedChain, found: releases.Staged, statements: Sequence[bytes]
) -> Iterator[Digest]:
    """Envelopes of the chain's steps, in whatever order the pointer names them."""
    payloads = {link.digest for link in chain.links}
    for digest, envelope in zip(found.statements, statements, strict=True):
        if digest_bytes(Envelope.from_bytes(envelope).payload) in payloads:
            yield digest


def changed_since(settings: Settings, chain: VerifiedChain) -> tuple[str, ...]:
    """Of the lifecycle file and the lock file, those that are not the ones of the release.

    Other ones break no promise about the released bytes. But what another lifecycle file
    demands was not applied, and another lock file pins what was not taken. A release that does
    not say what they were is not held against them.
    """
    said = {source.name: source.digest for source in chain.release.sources}
    now = {lock.FILE: lock.digest_of(settings.root)}
    if settings.source.name == FILE:
        now[FILE] = settings.digest
    return tuple(sorted(name for name in now if name in said and said[name] != now[name]))


def verify_release(
    release: bytes,
    statements: Sequence[bytes],
    *,
    root: Root | None,
    project: Path,
    store: Store,
    required: Sequence[str],
) -> VerifiedChain:
    """Verify a release with its statements; bytes are looked for in project and store."""
    if root is None:
        raise UsageError("an unsigned run has nothing to verify")
    return verify_chain(
        release=release,
        statements=statements,
        places=(FolderPlace(root=project), BlobPlace(blobs=store.blobs)),
        root=root,
        required=required,
    )
