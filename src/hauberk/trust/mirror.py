"""Blobs that everybody shares in an object store, with copies at hand in a folder.

What is put lies in both before it is acknowledged; what is read comes from the folder where
it is there, else from the shared store. A process that needs a path gets one in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hauberk.core.artifact import Digest
from hauberk.trust.blobs import DirectoryBlobs, FileBatch
from hauberk.trust.objects import ObjectBlobs


class MirroredBlobs:
    """Blobs in a shared store, with a folder of copies.

    Args:
        near: The folder of copies.
        far: The shared store.
        read_only: Whether what is read is left out of the folder.
    """

    def __init__(self, near: DirectoryBlobs, far: ObjectBlobs, *, read_only: bool = False) -> None:
        self._near = near
        self._far = far
        self._read_only = read_only

    def put(self, chunks: Iterable[bytes]) -> Digest:
        """Store bytes in both; whole in both when it returns.

        Raises:
            UnavailableError: One of them cannot be written; the shared one shows no part.
        """
        digest = self._near.put(chunks)
        self.send(digest)
        return digest

    def put_all(self, items: Iterable[Iterable[bytes]]) -> tuple[Digest, ...]:
        """Store many blobs in both; their digests in order."""
        digests = self._near.put_all(items)
        for digest in digests:
            self.send(digest)
        return digests

    def batch(self) -> MirroredBatch:
        """Takes bytes that the caller hashed already; as `DirectoryBlobs.batch`."""
        return MirroredBatch(self._near.batch(), self.send)

    def send(self, digest: Digest) -> None:
        """Send what the shared store does not hold in that length; readers check the bytes."""
        if not (self._far.has(digest) and self._far.size(digest) == self._near.size(digest)):
            self._far.put(self._near.open(digest))

    def has(self, digest: Digest) -> bool:
        """Whether the bytes are in the folder or in the shared store."""
        return self._near.has(digest) or self._far.has(digest)

    def open(self, digest: Digest, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream bytes; a whole read is compared with the digest."""
        place = self._near if self._near.has(digest) else self._far
        return place.open(digest, start, end)

    def path(self, digest: Digest) -> Path:
        """A file with the bytes, for a process that hashes them itself before it believes them.

        Raises:
            TrustError: The shared store holds other bytes.
            UnavailableError: There are no such bytes.
        """
        if not self._near.has(digest) and not self._read_only:
            self._near.put(self._far.open(digest))
        return self._near.path(digest)

    def check(self, digest: Digest) -> None:
        """Read the bytes through where they are read from, and compare them with the digest."""
        (self._near if self._near.has(digest) else self._far).check(digest)

    def size(self, digest: Digest) -> int:
        """Length in bytes."""
        return (self._near if self._near.has(digest) else self._far).size(digest)

    def list(self) -> Iterator[Digest]:
        """All digests of the shared store, in order."""
        return self._far.list()

    def delete(self, digest: Digest) -> None:
        """Forget bytes in both."""
        self._near.delete(digest)
        self._far.delete(digest)


class MirroredBatch:
    """Blobs that become visible together in the folder, then one by one in the shared store.

    Args:
        near: The batch of the folder.
        send: Sends what the folder holds.
    """

    def __init__(self, near: FileBatch, send: Callable[[Digest], None]) -> None:
        self._near = near
        self._send = send
        self._digests: list[Digest] = []

    def put(self, digest: Digest, data: bytes | memoryview) -> None:
        """Write bytes aside; the caller may change them afterwards."""
        self._near.put(digest, data)
        self._digests.append(digest)

    def flush(self) -> None:
        """Make all of them visible in both; whole in both when it returns.

        Raises:
            UnavailableError: One of them cannot be written.
        """
        digests, self._digests = self._digests, []
        self._near.flush()
        for digest in digests:
            self._send(digest)

    def discard(self) -> None:
        """Forget what is not visible yet."""
        self._digests = []
        self._near.discard()
