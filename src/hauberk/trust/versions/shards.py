"""Shards verified while they are read: the bytes that a training gets are those that were hashed.

Each shard is read once into memory; its parts are hashed on another thread while the caller
works on the shard before, so that on two processors verifying adds little to decoding. What
the caller gets is the very buffer that was hashed: exchanging the file afterwards changes
nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from hauberk.errors import TrustError
from hauberk.trust.digest import open_regular
from hauberk.trust.versions.versions import File
from hauberk.trust.walking import places

_GROUP_BYTES = 1 << 20
"""Small against memory, and a fifth of the hand-overs that shards of 200 kB would need."""


def read_shards(files: tuple[File, ...], folder: Path, *, ahead: int = 1) -> Iterator[bytes]:
    """The shards of a version in their signed order, each after its digest held.

    Args:
        files: Of a version that was verified.
        folder: Where they were checked out.
        ahead: Groups of shards, of 1 MiB or a single one, that are read and hashed ahead; each is
            held in memory.

    Raises:
        TrustError: A shard is missing, changed, or there is one that nobody signed.
    """
    lying = {name for name, _ in places(folder)}
    signed = {file.path for file in files}
    if lying != signed:
        odd = sorted(lying - signed) or sorted(signed - lying)
        raise _refusal(odd[0], "an unsigned shard" if lying - signed else "no shard")
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[list[bytes]]] = []
        for group in _groups(files):
            waiting.append(pool.submit(_all_verified, group, folder))
            if len(waiting) > ahead:
                yield from waiting.pop(0).result()
        for future in waiting:
            yield from future.result()


def _groups(files: tuple[File, ...]) -> Iterator[list[File]]:
    """Files handed over together: every hand-over between threads waits for both of them."""
    group: list[File] = []
    for file in files:
        if group and sum(one.size for one in group) + file.size > _GROUP_BYTES:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def _all_verified(files: list[File], folder: Path) -> list[bytes]:
    return [_verified(file, folder / file.path) for file in files]


def _verified(file: File, place: Path) -> bytes:
    with open_regular(place) as descriptor:
        if os.fstat(descriptor).st_size != file.size:
            raise _refusal(file.path, f"{os.fstat(descriptor).st_size} bytes, not {file.size}")
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read()
    at, view = 0, memoryview(data)
    for part in file.recipe.parts:
        digest = hashlib.sha256(view[at : at + part.size]).hexdigest()
        if f"sha256:{digest}" != part.digest:
            raise _refusal(file.path, f"other bytes from {at} to {at + part.size}")
        at += part.size
    return data


def _refusal(path: str, found: str) -> TrustError:
    return TrustError(
        f"{path} is not the signed shard: {found}",
        subject=path,
        rule="a training reads the signed shards, all of them and no others, in their order",
        expected="the shard of the signed version",
        found=found,
        hint="check the version out again: hauberk data checkout",
    )
