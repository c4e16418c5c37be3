"""Hashes of the complete subtrees of a log, in the order in which they became complete.

Derived and never synced: proofs made from them are checked against the committed root
before they are handed out, and the file is made anew where they do not hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from hauberk.trust.durable import FILE_MODE, Temporary, explained, open_regular
from hauberk.trust.merkle import HASH_BYTES, Frontier, leaf_hash, place_of

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK_HASHES = 8192


class NodeFile:
    """The file of subtree hashes, 32 bytes each.

    Args:
        path: The file; made by the first `write`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, place: int, hashes: Sequence[bytes]) -> None:
        """Put consecutive hashes at ``place``."""
        with explained(self._path):
            descriptor = os.open(self._path, _FLAGS, FILE_MODE)
            try:
                os.pwrite(descriptor, b"".join(hashes), place * HASH_BYTES)
            finally:
                os.close(descriptor)

    def read(self, place: int) -> bytes:
        """The hash at ``place``; fewer than 32 bytes where there is none."""
        try:
            descriptor = open_regular(self._path)
        except OSError:
            return b""
        try:
            return os.pread(descriptor, HASH_BYTES, place * HASH_BYTES)
        finally:
            os.close(descriptor)

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree, as `merkle.NodeAt`."""
        return self.read(place_of(level, index))

    def leaves(self, first: int, end: int) -> list[bytes]:
        """Hashes of leaves ``first`` to ``end``, as far as they are there; all in memory."""
        try:
            descriptor = open_regular(self._path)
        except OSError:
            return []
        start = place_of(0, first) * HASH_BYTES
        with os.fdopen(descriptor, "rb") as file:
            file.seek(start)
            data = file.read(place_of(0, end) * HASH_BYTES - start)
        starts = (place_of(0, index) * HASH_BYTES - start for index in range(first, end))
        return [data[at : at + HASH_BYTES] for at in starts if at < len(data)]

    def hold(self, records: Iterable[bytes]) -> bool:
        """Whether the file says what all ``records`` make; one that is not there says nothing."""
        if not os.path.lexists(self._path):
            return True
        with explained(self._path), os.fdopen(open_regular(self._path), "rb") as file:
            frontier, done = Frontier(), list[bytes]()
            for record in records:
                frontier.add(leaf_hash(record), done)
                if len(done) >= _CHUNK_HASHES:
                    if file.read(len(done) * HASH_BYTES) != b"".join(done):
                        return False
                    done.clear()
            return file.read(len(done) * HASH_BYTES) == b"".join(done)

    def replace(self, hashes: Iterable[bytes], *, tmp: Path) -> None:
        """Make the whole file anew."""
        with explained(self._path), Temporary(tmp) as temporary:
            temporary.fill(_joined(hashes))
            temporary.rename(self._path)


def _joined(hashes: Iterable[bytes]) -> Iterator[bytes]:
    pending = iter(hashes)
    while chunk := b"".join(islice(pending, _CHUNK_HASHES)):
        yield chunk
