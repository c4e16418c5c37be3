"""A file of signed heads: the log's own, or a witness's in a second place.

Notes follow each other with a blank line between, so the file reads as text. What a crash
left of the last one is passed over in reading and cut off before the next is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hauberk.errors import ArtifactError
from hauberk.trust.checkpoint import MAX_NOTE_BYTES, Note, parse_note
from hauberk.trust.durable import FILE_MODE, Before, explained, open_regular, proceed, sync_folder

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_GAP = b"\n\n"
_DASH = "\N{EM DASH} ".encode()
_TAIL_BYTES: Final = 2 * MAX_NOTE_BYTES


class HeadsFile:
    """Signed heads in one file, oldest first.

    Args:
        path: The file; made by the first `add`.
        before: Hook asked before each step.
    """

    def __init__(self, path: Path, *, before: Before = proceed) -> None:
        self._path = path
        self._before = before

    def __iter__(self) -> Iterator[bytes]:
        """All whole notes as they were written, oldest first.

        Raises:
            ArtifactError: A piece is larger than a note can be.
        """
        return _notes(self._chunks())

    def newest(self) -> Note | None:
        """The last whole note; only the end of the file is read.

        Raises:
            ArtifactError: It is malformed.
        """
        with explained(self._path):
            try:
                descriptor = open_regular(self._path)
            except FileNotFoundError:
                return None
            try:
                last, _ = _last(descriptor)
            finally:
                os.close(descriptor)
        return None if last is None else parse_note(last)

    def add(self, note: bytes) -> None:
        """Append ``note``; durable when it returns. The caller sees to it that it is alone."""
        parse_note(note)
        with explained(self._path):
            new = not os.path.lexists(self._path)
            self._before("head-write")
            descriptor = os.open(self._path, _FLAGS, FILE_MODE)
            try:
                _, end = _last(descriptor)
                os.ftruncate(descriptor, end)
                os.pwrite(descriptor, note + b"\n", end)
                self._before("head-sync")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if new:
                sync_folder(self._path.parent, self._before)

    def _chunks(self) -> Iterator[bytes]:
        with explained(self._path):
            try:
                descriptor = open_regular(self._path)
            except FileNotFoundError:
                return
            with os.fdopen(descriptor, "rb") as file:
                while chunk := file.read(MAX_NOTE_BYTES):
                    yield chunk


def _notes(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole notes: a text and signature lines, each ended by a blank line."""
    rest = b""
    for chunk in chunks:
        pieces = (rest + chunk).split(_GAP)
        whole = (len(pieces) - 1) // 2 * 2
        for text, lines in zip(pieces[:whole:2], pieces[1:whole:2], strict=True):
            if not lines.startswith(_DASH):
                raise _malformed("a text without signatures")
            yield text + _GAP + lines + b"\n"
        rest = _GAP.join(pieces[whole:])
        if len(rest) > _TAIL_BYTES:
            raise _malformed(f"{len(rest)} bytes without an end")


def _last(descriptor: int) -> tuple[bytes | None, int]:
    """The last whole note and the offset of its end, from the end of the file."""
    size = os.fstat(descriptor).st_size
    start = max(size - _TAIL_BYTES, 0)
    pieces = os.pread(descriptor, _TAIL_BYTES, start).split(_GAP)
    while pieces := pieces[:-1]:
        if pieces[-1].startswith(_DASH) and len(pieces) > 1:
            end = start + len(_GAP.join(pieces)) + len(_GAP)
            return _GAP.join(pieces[-2:]) + b"\n", end
    if start:
        raise _malformed(f"no note in the last {_TAIL_BYTES} bytes")
    return None, 0


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "not a file of signed heads",
        expected=f"notes of at most {MAX_NOTE_BYTES} bytes with a blank line after each",
        found=found,
        hint="move the file aside and fetch the heads from the witness",
    )
