"""The digest of a file, taken from the very bytes that its readers are given.

Readers jump: over tensors, to the directory at the end of an archive. What they skip is hashed
when they come back behind it, so that a file is read once from its beginning to its end, and
what a reader looks at twice is all that is read twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from hauberk.formats.spans import CHUNK_BYTES, Span

_TAIL_BYTES = 1 << 17
"""A read this near to the end looks for the directory of an archive: nothing is skipped by it."""


class Hashing:
    """Takes the SHA-256 digest of one span while somebody else reads it."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()
        self._done = 0
        self.sha256 = ""
        """Hexadecimal digest of all bytes, once the context of `over` was left."""

    @contextmanager
    def over(self, span: Span) -> Iterator[Span]:
        """The same bytes, hashed as they are read; what nobody asked for is read at the end."""

        def pread(start: int, length: int) -> bytes:
            if start > self._done and start < span.size - _TAIL_BYTES:
                self._catch_up(span, start)
            data = span.pread(start, length)
            if start <= self._done < start + len(data):
                self._take(memoryview(data)[self._done - start :])
            return data

        yield Span(span.size, pread)
        self._catch_up(span, span.size)
        self.sha256 = self._state.hexdigest()

    def _catch_up(self, span: Span, end: int) -> None:
        while self._done < end:
            data = span.read(self._done, min(CHUNK_BYTES, end - self._done))
            if not data:
                return
            self._take(data)

    def _take(self, data: bytes | memoryview) -> None:
        self._state.update(data)
        self._done += len(data)
