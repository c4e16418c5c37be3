"""Commits of the log on disk: where the next one goes, and what a crash left behind.

A writer takes the lock for one commit at a time and first takes in what others committed
since. Bytes behind the last whole commit, met while holding the lock, are nobody's work
any more: they are set aside, unless a signed head covers them or whole commits follow.
"""

from __future__ import annotations

import os
import secrets
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hauberk.errors import TrustError
from hauberk.trust.checkpoint import Head
from hauberk.trust.durable import Before, explained, write_file
from hauberk.trust.heads import HeadsFile
from hauberk.trust.lock import turn
from hauberk.trust.merkle import Frontier, leaf_hash
from hauberk.trust.segments import (
    Commit,
    Segment,
    Unreadable,
    commits_after,
    create_segment,
    encode_commit,
    read_commits,
    read_header,
    segment_name,
    segment_paths,
)

_WRITE_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SYNC = getattr(os, "fdatasync", os.fsync)
"""Without the times of the file, where the system can leave them out."""

_MAX_KEPT_BYTES: Final = 128 << 20
_NOWHERE = Segment(Path(os.devnull), 0, b"", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """An unfinished commit that was set aside.

    Attributes:
        size: Records in the log, which are all that was acknowledged.
        n_bytes: Bytes that were set aside.
        reason: Why they are no commit.
        kept_at: File that holds them.
    """

    size: int
    n_bytes: int
    reason: str
    kept_at: Path


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the next commit goes. The frontier is never changed, only replaced."""

    segment: Segment
    offset: int
    frontier: Frontier

    @classmethod
    def start_of(cls, segment: Segment) -> Tail:
        """The tail of a segment without commits."""
        return cls(segment, segment.header_bytes, segment.frontier())

    @property
    def size(self) -> int:
        """Records before it."""
        return self.frontier.size


class Journal:
    """The segments of one log.

    Args:
        folder: Where they lie; it must be there.
        tmp: Where files lie while they are made.
        heads: Signed heads that the journal may never be shorter than.
        segment_bytes: A segment that has reached this size is closed.
        before: Hook asked before each step that writes.

    Attributes:
        tail: As last seen by this object.
        recovered: What this object set aside, oldest first.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tmp: Path,
        heads: HeadsFile,
        read_only: bool,
        segment_bytes: int,
        before: Before,
    ) -> None:
        self._folder = folder
        self._tmp = tmp
        self._heads = heads
        self.read_only = read_only
        self._segment_bytes = segment_bytes
        self._before = before
        self.tail = Tail.start_of(_NOWHERE)
        self.recovered: tuple[Recovery, ...] = ()

    def turn(self) -> AbstractContextManager[None]:
        """The right to write; for a reader, the right to see no half of a commit."""
        path = self._folder / "lock"
        if self.read_only and not os.path.lexists(path):
            return nullcontext()
        return turn(path, shared=self.read_only)

    def load(self) -> None:
        """Find the tail in the newest segment; the caller has the turn.

        Raises:
            TrustError: The log is damaged, or shorter than its newest head.
        """
        head = self._newest_head()
        paths = segment_paths(self._folder)
        if paths:
            self.tail = self._grown(Tail.start_of(read_header(paths[-1])), head)
        _check_covers(self._folder, head, self.tail.size)
        if not paths and not self.read_only:
            self.tail = Tail.start_of(self._create(Frontier()))

    def catch_up(self) -> None:
        """Take in what others committed; the caller has the turn.

        Raises:
            TrustError: The log is damaged, or became shorter.
        """
        if self.tail.segment is _NOWHERE:
            self.load()
        else:
            self.tail = self._grown(self.tail, None)
        while (segment := self._next_segment()) is not None:
            self.tail = self._grown(Tail.start_of(segment), None)

    def commit(self, records: Sequence[bytes], done: list[bytes]) -> None:
        """Append ``records``; durable when it returns. The caller has the turn and caught up.

        Args:
            records: Within the bounds of one commit.
            done: Takes the hashes of the subtrees that they complete.

        Raises:
            UnavailableError: They could not be written; the log is as before.
        """
        frontier = self.tail.frontier.copy()
        for record in records:
            frontier.add(leaf_hash(record), done)
        data = encode_commit(self.tail.segment, records, frontier)
        self._persist(data)
        self.tail = replace(self.tail, offset=self.tail.offset + len(data), frontier=frontier)

    def commits(self, start: int, end: int) -> Iterator[Commit]:
        """Commits that hold records ``start`` to ``end``.

        Raises:
            TrustError: A root does not follow from the records, or some are missing.
        """
        frontier: Frontier | None = None
        for path in self._paths_from(start):
            segment = read_header(path)
            frontier = frontier or segment.frontier()
            if not continues(segment, frontier):
                raise _broken(path, "it does not continue the segment before it")
            yield from _sound(segment, frontier, end)
            if frontier.size >= end:
                return
        raise _broken(self._folder, f"the records end before {end}")

    def _paths_from(self, start: int) -> tuple[Path, ...]:
        paths = segment_paths(self._folder)
        names = [path.name for path in paths]
        return paths[max(bisect_right(names, segment_name(start)) - 1, 0) :]

    def _newest_head(self) -> Head | None:
        note = self._heads.newest()
        return None if note is None else note.head

    def _create(self, frontier: Frontier) -> Segment:
        return create_segment(self._folder, frontier, tmp=self._tmp, before=self._before)

    def _next_segment(self) -> Segment | None:
        """The segment behind the tail's; made where the tail's is full."""
        tail = self.tail
        path = self._folder / segment_name(tail.size)
        if path != tail.segment.path and os.path.lexists(path):
            segment = read_header(path)
            if not continues(segment, tail.frontier):
                raise _broken(path, "it does not continue the segment before it")
            return segment
        full = tail.offset >= self._segment_bytes and tail.size > tail.segment.first
        return self._create(tail.frontier) if full and not self.read_only else None

    def _grown(self, tail: Tail, head: Head | None) -> Tail:
        """``tail`` moved over all whole commits; what lies behind them is set aside."""
        with explained(tail.segment.path):
            size = tail.segment.path.lstat().st_size
        if size < tail.offset:
            raise _broken(tail.segment.path, f"{size} bytes where there were {tail.offset}")
        if head is not None:
            _check_passes(tail.segment.path, head, tail.frontier, tail.frontier)
        try:
            for commit in read_commits(tail.segment, tail.offset):
                tail = _moved(tail, commit, head)
        except Unreadable as stop:
            self._set_aside(tail, stop)
        return tail

    def _set_aside(self, tail: Tail, stop: Unreadable) -> None:
        path = tail.segment.path
        if commits_after(tail.segment, stop.offset):
            raise _broken(path, f"{stop.reason} at byte {stop.offset}, with commits behind it")
        _check_covers(self._folder, self._newest_head(), tail.size)
        if not self.read_only:
            with explained(path):
                self.recovered += (self._cut(tail, stop),)

    def _cut(self, tail: Tail, stop: Unreadable) -> Recovery:
        """Keep the bytes behind ``tail`` elsewhere, then end the segment there."""
        descriptor = os.open(tail.segment.path, _WRITE_FLAGS)
        try:
            n_bytes = os.fstat(descriptor).st_size - tail.offset
            kept = self._folder / f"torn-{tail.size}-{secrets.token_hex(4)}"
            torn = os.pread(descriptor, min(n_bytes, _MAX_KEPT_BYTES), tail.offset)
            write_file(kept, torn, tmp=self._tmp, before=self._before)
            self._before("log-cut")
            os.ftruncate(descriptor, tail.offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return Recovery(size=tail.size, n_bytes=n_bytes, reason=stop.reason, kept_at=kept)

    def _persist(self, data: bytes) -> None:
        path, offset = self.tail.segment.path, self.tail.offset
        with explained(path):
            descriptor = os.open(path, _WRITE_FLAGS)
            try:
                self._before("log-write")
                _write_all(descriptor, data, offset)
                self._before("log-sync")
                _SYNC(descriptor)
            except OSError:
                with suppress(OSError):  # if this fails too, the next writer sets it aside
                    os.ftruncate(descriptor, offset)
                raise
            finally:
                os.close(descriptor)


def continues(segment: Segment, frontier: Frontier) -> bool:
    """Whether ``segment`` begins where ``frontier`` ends."""
    return segment.first == frontier.size and segment.peaks == tuple(frontier.peaks)


def _sound(segment: Segment, frontier: Frontier, end: int) -> Iterator[Commit]:
    """Commits whose roots hold; ``frontier`` grows with them."""
    try:
        for commit in read_commits(segment):
            if commit.first >= end:
                return
            if not commit.extend(frontier):
                raise _broken(segment.path, f"the root behind record {commit.first} is wrong")
            yield commit
    except Unreadable as stop:
        if frontier.size < end:
            raise _broken(segment.path, stop.reason) from stop


def _moved(tail: Tail, commit: Commit, head: Head | None) -> Tail:
    frontier = tail.frontier.copy()
    if not commit.extend(frontier):
        raise Unreadable(tail.offset, "a root that the records do not make")
    if head is not None:
        _check_passes(tail.segment.path, head, tail.frontier, frontier)
    return replace(tail, offset=commit.end, frontier=frontier)


def _check_passes(path: Path, head: Head, before: Frontier, after: Frontier) -> None:
    """Refuse a step over ``head`` that does not go through its root."""
    inside = before.size < head.size < after.size
    if inside or (head.size == after.size and head.root != after.root):
        raise TrustError(
            "the log is not the one that was signed",
            subject=str(path),
            rule="the log goes through every root that was signed",
            expected=f"the root of the signed head at {head.size} records",
            found="another root",
            hint="run `hauberk log verify` and restore the log from a backup",
        )


def _check_covers(folder: Path, head: Head | None, size: int) -> None:
    if head is not None and head.size > size:
        raise TrustError(
            "the log is shorter than its signed head",
            subject=str(folder),
            rule="a log only grows; a crash never removes what was acknowledged",
            expected=f"at least {head.size} records",
            found=f"{size} records",
            hint="records were removed: restore the log from a backup, do not delete the heads",
        )


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _broken(path: Path, found: str) -> TrustError:
    return TrustError(
        "the log is damaged",
        subject=str(path),
        rule="every commit ends with the root that all records so far make",
        found=found,
        hint="run `hauberk log verify` for the whole picture, then restore from a backup",
    )
