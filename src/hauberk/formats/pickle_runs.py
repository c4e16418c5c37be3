"""Long runs of plain values inside a pickle, passed over in one step.

A vocabulary of a million words is a few thousand batches of ``MARK``, short texts and
numbers, ``SETITEMS`` or ``APPENDS``. Of a container only the first items are kept, so a
later batch that holds nothing but printable text, numbers and constants changes three
things: the count of the container, the memo, and the position. Regular expressions find
the end of such a batch and its texts; the memo remembers where they lie and reads them
again when one is asked for. Whatever does not fit exactly is stepped through as ever.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

MAX_BATCH_BYTES = 1 << 17
"""The pickler closes a batch after a thousand items, which take a fifth of this."""

_MAX_TEXT = 64
_PRINTABLE = rb"[\x20-\x7e\x80-\xff]"
"""Without control characters: nothing that a loader reads as a file begins like that."""


def _texts(width: int) -> bytes:
    """A length of ``width`` bytes and as many characters, for every short length."""
    return b"|".join(
        re.escape(n.to_bytes(width, "little")) + _PRINTABLE + b"{%d}" % n
        for n in range(1, _MAX_TEXT)
    )


_NUMBER = rb"(?:K[\s\S]|M[\s\S]{2}|J[\s\S]{4}|G[\s\S]{8}|[N\x88\x89])"
_FRAME = re.compile(rb"\x95([\s\S]{6}\0\0)")
_FRAME_BYTES = 9


@dataclass(frozen=True, slots=True)
class _Run:
    """One kind of run: how it is found, and what in it is a text.

    Attributes:
        whole: As many of the elements as there are.
        element: One of them; its first group is a text with its length, the second a slot.
        values: Values in one element.
        width: Bytes of a text's length; 0 where there is no text.
    """

    whole: re.Pattern[bytes]
    element: re.Pattern[bytes]
    values: int
    width: int = 0


def _run(width: int, *parts: bytes) -> _Run:
    element = b"".join(parts)
    whole = re.sub(rb"\((?!\?)", b"(?:", element)  # groups are for the elements alone
    return _Run(re.compile(b"(?:" + whole + b")++"), re.compile(element), len(parts), width)


def _runs(width: int, text: bytes) -> tuple[_Run, ...]:
    return _run(width, text, _NUMBER), _run(width, _NUMBER, text), _run(width, text)


@cache
def _kinds() -> tuple[_Run, ...]:
    """All kinds of runs; compiling them costs more than reading a small file."""
    return (
        # Protocols 4 and 5: a short text, remembered in the next slot.
        *_runs(1, rb"\x8c(" + _texts(1) + rb")\x94"),
        # Protocols 1 to 3: a text, remembered in the slot that is written behind it.
        *_runs(4, rb"X(" + _texts(4) + rb")r([\s\S]{4})"),
        _run(0, _NUMBER),
    )


@dataclass(slots=True)
class Batch:
    """A batch of plain values that was passed over, up to the opcode that closes it.

    Attributes:
        frame_end: Where the last frame ends, counted like the offsets in the buffer.
        slots: Memo slots as they are written; none where they are counted.
    """

    end: int
    frame_end: int
    values: int = 0
    texts: int = 0
    slots: array[int] = field(default_factory=lambda: array("I"))


def find_batch(buffer: bytes, at: int, closing: bytes, frame_end: int) -> Batch | None:
    """The batch of plain values between ``at`` and ``closing``, if there is nothing else.

    Args:
        frame_end: Where the present frame ends; at most ``at`` where there is none.
    """
    batch = Batch(at, frame_end)
    while _extend(batch, buffer):
        pass
    is_whole = buffer[batch.end : batch.end + 1] == closing and batch.end > at
    return batch if is_whole and batch.end != batch.frame_end else None


def _extend(batch: Batch, buffer: bytes) -> bool:
    """Take in the next run or frame; whether there was one that may be passed over."""
    start = batch.end
    for run in _kinds():
        if match := run.whole.match(buffer, start, start + MAX_BATCH_BYTES):
            is_crossing = start < batch.frame_end < match.end()
            return not is_crossing and _take(batch, run, buffer, match.end())
    frame = _FRAME.match(buffer, start)
    if frame is None or start < batch.frame_end:
        return False
    batch.end = frame.end()
    batch.frame_end = batch.end + int.from_bytes(frame[1], "little")
    return True


def _take(batch: Batch, run: _Run, buffer: bytes, end: int) -> bool:
    found = run.element.findall(buffer, batch.end, end)
    if run.width:
        try:
            b"".join(_texts_in(run, found)).decode("utf-8")
        except UnicodeDecodeError:
            return False
        if run.width > 1:
            batch.slots.frombytes(b"".join([slot for _, slot in found]))
        batch.texts += len(found)
    batch.values += len(found) * run.values
    batch.end = end
    return True


def _texts_in(run: _Run, found: list[Any]) -> list[bytes]:
    """The texts with their lengths; slots stand beside them where they are written."""
    return [text for text, _ in found] if run.width > 1 else found


def texts_of(buffer: bytes) -> Iterator[str]:
    """The texts of a batch that was passed over, in order."""
    at = 0
    while at < len(buffer):
        run, end = _run_at(buffer, at)
        if run is not None and run.width:
            for text in _texts_in(run, run.element.findall(buffer, at, end)):
                yield text[run.width :].decode("utf-8")
        at = end


def _run_at(buffer: bytes, at: int) -> tuple[_Run | None, int]:
    for run in _kinds():
        if match := run.whole.match(buffer, at):
            return run, match.end()
    return None, at + _FRAME_BYTES  # nothing else is passed over


class Memo:
    """What a pickle remembers: values by slot, and batches whose texts are read on demand."""

    __slots__ = ("_above", "_count", "_firsts", "_kept", "_read", "_runs")

    def __init__(self, read: Any) -> None:
        self._read = read
        self._kept: dict[int, Any] = {}
        self._count = 0
        self._above = 0
        self._firsts: list[int] = []
        self._runs: dict[int, tuple[int, int, int]] = {}

    def __contains__(self, key: int) -> bool:
        if key in self._kept:
            return True
        self._unfold(key)
        return key in self._kept

    def __getitem__(self, key: int) -> Any:
        return self._kept[key]

    def __setitem__(self, key: int, value: Any) -> None:
        if key >= self._above:
            self._above = key + 1
            self._count += 1
        elif key not in self:
            self._count += 1
        self._kept[key] = value

    def __len__(self) -> int:
        return self._count

    def admits(self, batch: Batch) -> bool:
        """Whether the slots of a batch are new and follow one another."""
        if not batch.slots:
            return self._count == self._above
        first = batch.slots[0]
        in_order = array("I", range(first, first + len(batch.slots)))
        return len(batch.slots) == batch.texts and first >= self._above and in_order == batch.slots

    def remember(self, batch: Batch, start: int, size: int) -> None:
        """Keep the place of a batch that `admits` let through, and the slots of its texts."""
        if not batch.texts:
            return
        first = batch.slots[0] if batch.slots else self._count
        self._firsts.append(first)
        self._runs[first] = (batch.texts, start, size)
        self._above = first + batch.texts
        self._count += batch.texts

    def _unfold(self, key: int) -> None:
        """Read the texts of the batch that holds a slot."""
        at = bisect_right(self._firsts, key) - 1
        if at < 0:
            return
        first = self._firsts[at]
        count, start, size = self._runs[first]
        if key < first + count:
            texts = texts_of(self._read(start, size))
            self._kept.update(zip(range(first, first + count), texts, strict=True))
