"""Verify the model in an image, and unpack it verified: the signature first, then each file.

1. the layout's documents, by their digests;
2. the signature in ``models/model.sig``, before any other file counts;
3. each file of the image, in the one pass that also unpacks it: its name must be signed and
   come once, its bytes must be those that were signed;
4. at the end, nothing that was signed may be missing.

Files outside ``models/`` (a base with a shell) are neither unpacked nor covered.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.formats.tar_stream import Member
from hauberk.trust.durable import explained
from hauberk.trust.keys import KeyId, PublicKey
from hauberk.trust.manifest import check_path
from hauberk.trust.oci.layout import MODELS, Layout, files
from hauberk.trust.oms import bundle
from hauberk.trust.oms.contents import Method
from hauberk.trust.oms.statement import Signed, parse
from hauberk.trust.oms.verification import SIGNATURE_NAME, VerifiedModel

Sink = Callable[[str, bytes], None]


def verify_image(
    layout: Layout, keys: Mapping[KeyId, PublicKey], sink: Sink | None = None
) -> VerifiedModel:
    """Verify the model in an image against a signature by one of ``keys``.

    Args:
        layout: The image.
        keys: Those that are believed.
        sink: Takes each file's pieces by its name, before the whole is known to be good.

    Raises:
        TrustError: It is unsigned, signed by somebody else, or files differ.
        ArtifactError: Something is malformed.
    """
    raw = _signature(layout)
    opened = bundle.open_bundle(bundle.parse(raw, Path(SIGNATURE_NAME)), keys)
    signed = parse(opened.payload)
    here: dict[str, str] = {}
    seen: set[str] = set()
    total = 0
    wanted = {one.name: one.digest for one in signed.resources}
    names = {name.rsplit(":", 2)[0] if signed.method.shard_bytes else name for name in wanted}
    for member in files(layout):
        if member.name in seen:
            raise _refused(layout, signed, f"{member.name} twice")
        seen.add(member.name)
        if member.name == SIGNATURE_NAME:
            _pass_on(member, sink)
            continue
        if member.name not in names:
            raise _refused(layout, signed, f"unsigned {check_path(member.name)}")
        total += member.size
        for name, digest in _resources(member, signed.method, sink):
            here[name] = digest
            if wanted.get(name) != digest:
                raise _refused(layout, signed, f"changed {member.name}")
    if missing := sorted(wanted.keys() - here.keys()):
        raise _refused(layout, signed, f"missing {missing[0]} of {len(missing)}")
    return VerifiedModel(
        signed=signed,
        signers=tuple(opened.key_ids),
        n_files=len(seen) - 1,
        n_bytes=total,
    )


def unpack_image(
    layout: Layout,
    keys: Mapping[KeyId, PublicKey],
    target: Path,
    admit: Callable[[Path], object] | None = None,
) -> VerifiedModel:
    """Put the model of an image into ``target`` once every byte of it was verified.

    Args:
        target: Must be missing or an empty folder.
        admit: Called with the whole folder before it gets its place; raises to refuse it.

    Raises:
        As `verify_image`.
        UsageError: ``target`` holds something.
        UnavailableError: It cannot be written.
    """
    with _drafted(target) as draft:
        verified = verify_image(layout, keys, _Writer(draft))
        if admit is not None:
            admit(draft)
    return verified


class _Writer:
    """Writes pieces of files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, piece: bytes) -> None:
        path = self._folder / check_path(name)
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(piece)


class _drafted:  # noqa: N801 - reads as a function in a ``with``
    """A folder whose content moves into ``target`` at the end, or goes."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._made = False

    def __enter__(self) -> Path:
        with explained(self._target):
            if os.path.lexists(self._target) and (
                self._target.is_symlink()
                or not self._target.is_dir()
                or any(self._target.iterdir())
            ):
                raise UsageError(
                    "the target holds something already",
                    subject=str(self._target),
                    expected="an empty folder, or none",
                    found="something else",
                    hint="choose another, or move it away",
                )
            self._made = not self._target.exists()
            self._draft = self._target / f".hauberk-{secrets.token_hex(8)}"
            self._draft.mkdir(parents=True)
        return self._draft

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                with explained(self._target):
                    for path in sorted(self._draft.iterdir()):
                        path.rename(self._target / path.name)
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)
            if kind is not None and self._made:
                shutil.rmtree(self._target, ignore_errors=True)


def drafted(target: Path) -> Any:
    """A folder for a ``with`` block whose content moves into ``target`` if nothing fails."""
    return _drafted(target)


def _signature(layout: Layout) -> bytes:
    for member in files(layout):
        if member.name != SIGNATURE_NAME:
            continue
        if member.size > bundle.MAX_BUNDLE_BYTES:
            raise UnavailableError("the signature is too large", subject=str(layout.root))
        return b"".join(member.chunks)
    raise TrustError(
        "the image is not signed",
        subject=f"{layout.root}: {layout.digest}",
        rule="a model in an image is believed for its signature only",
        expected=f"{MODELS}/{SIGNATURE_NAME}",
        found="none",
        hint="make the image with hauberk registry export",
    )


def _pass_on(member: Member, sink: Sink | None) -> None:
    for piece in member.chunks:
        if sink is not None:
            sink(member.name, piece)


def _resources(member: Member, method: Method, sink: Sink | None) -> Iterator[tuple[str, str]]:
    """Name and digest of each signed item that a file makes."""
    if sink is not None:
        sink(member.name, b"")
    shard = method.shard_bytes or member.size or 1
    start, left, state = 0, min(shard, member.size), hashlib.new(method.algorithm)
    for piece in member.chunks:
        if sink is not None:
            sink(member.name, piece)
        view = memoryview(piece)
        while view:
            part, view = view[:left], view[left:]
            state.update(part)
            left -= len(part)
            if not left:
                end = min(start + shard, member.size)
                yield _item(member.name, start, end, method), state.hexdigest()
                start, state = end, hashlib.new(method.algorithm)
                left = min(shard, member.size - end)
    if not member.size:
        yield _item(member.name, 0, 0, method), state.hexdigest()


def _item(name: str, start: int, end: int, method: Method) -> str:
    return name if method.shard_bytes is None else f"{name}:{start}:{end}"


def _refused(layout: Layout, signed: Signed, found: str) -> TrustError:
    return TrustError(
        f"the image is not what was signed: {found}",
        subject=f"{layout.root}: {layout.digest}",
        rule="a model holds exactly the files that were signed, byte for byte",
        expected=f"the {len(signed.resources)} resources of {ascii(signed.model)[1:-1]}, "
        f"sha256:{signed.root}",
        found=found,
        hint="get the genuine image again; sign anew only what you made",
    )
