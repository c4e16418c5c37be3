"""Ranges of bytes that are read piece by piece, wherever they lie.

A `Span` is a file, a part of one, or bytes in memory. Readers of foreign formats take
spans, so that a member of an archive is read exactly as a file of its own would be, and
so that large parts are skipped by their offsets and never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hauberk.errors import UnavailableError

CHUNK_BYTES = 1 << 20
"""One read of a long stream."""

SPOOL_BYTES = 8 << 20
"""Unpacked bytes kept in memory; what is longer goes to a nameless temporary file."""


class Span(NamedTuple):
    """A range of bytes.

    Attributes:
        size: Length in bytes.
        pread: Reads ``(start, length)``; called only with ranges that lie inside.
    """

    size: int
    pread: Callable[[int, int], bytes]

    def read(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start``; fewer where the span ends."""
        if start >= self.size or length <= 0:
            return b""
        return self.pread(start, min(length, self.size - start))

    def part(self, start: int, size: int | None = None) -> Span:
        """The range from ``start``, at most to the end of this one."""
        start = min(max(start, 0), self.size)
        room = self.size - start
        length = room if size is None else min(max(size, 0), room)
        return Span(length, lambda at, n: self.pread(start + at, n))

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in order."""
        at = 0
        while data := self.read(at, CHUNK_BYTES):
            yield data
            at += len(data)


def span_of(data: bytes) -> Span:
    """The span of bytes in memory."""
    return Span(len(data), lambda start, length: data[start : start + length])


@contextmanager
def open_span(path: Path, *, steady: bool = False) -> Iterator[Span]:
    """The bytes of a regular file, for as long as the context lasts.

    Args:
        steady: Whether the file must be the same when the context is left.

    Raises:
        UnavailableError: There is no such file, it is not a regular one, or it may not be read;
            it changed meanwhile.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    try:
        before = os.fstat(descriptor)
        yield _span_of_descriptor(descriptor, path)
        if steady and _state(before) != _state(os.fstat(descriptor)):
            raise _unreadable(path, "it changed while it was read")
    finally:
        os.close(descriptor)


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _span_of_descriptor(descriptor: int, path: Path) -> Span:
    import stat

    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "it is not a regular file")

    def pread(start: int, length: int) -> bytes:
        try:
            return os.pread(descriptor, length, start)
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error

    return Span(status.st_size, pread)


def _unreadable(path: Path, reason: str) -> UnavailableError:
    return UnavailableError(
        f"the file cannot be read: {reason}",
        subject=str(path),
        hint="give read permission, or name a regular file",
    )


@contextmanager
def spooled(chunks: Iterable[bytes]) -> Iterator[Span]:
    """A span over bytes that come as a stream, for as long as the context lasts.

    Short streams stay in memory, long ones go to a nameless temporary file.
    """
    import tempfile  # with the modules that it brings, for what is unpacked only

    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        size = 0
        for chunk in chunks:
            spool.write(chunk)
            size += len(chunk)

        def pread(start: int, length: int) -> bytes:
            spool.seek(start)
            return spool.read(length)

        yield Span(size, pread)
