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
from functools import cache
from typing import Any, NamedTuple

MAX_BATCH_BYTES = 1 << 17
"""The pickler closes a batch after a thousand items, which take a fifth of this."""

_MAX_TEXT = 64
_PRINTABLE = rb"[\x20-\x7e\x80-\xff]"
"""Without control characters: nothing that a loader reads as a file begins like that."""


_ASCII = rb"[\x20-\x7e]"


def _texts(width: int, characters: bytes = _PRINTABLE) -> bytes:
    """A length of ``width`` bytes and as many characters, for every short length."""
    return b"|".join(
        re.escape(n.to_bytes(width, "little")) + characters + b"{%d}" % n
        for n in range(1, _MAX_TEXT)
    )


_NUMBER = rb"(?:K[\s\S]|M[\s\S]{2}|J[\s\S]{4}|G[\s\S]{8}|[N\x88\x89])"
_NUMBER_BYTES = {b"K": 2, b"M": 3, b"J": 5, b"G": 9, b"N": 1, b"\x88": 1, b"\x89": 1}
_FRAME = re.compile(rb"\x95([\s\S]{6}\0\0)")
_FRAME_BYTES = 9
_SHORT, _LONG = b"\x8c", b"X"

MANY = 1000
"""Elements that the pickler puts into one batch."""


class _Run(NamedTuple):
    """One kind of run: how it is found, and what in it is a text.

    Attributes:
        whole: As many of the elements as there are.
        element: One of them; its first group is a text with its length, the second a slot.
        many: Exactly `MANY` of them whose texts are ASCII, so that nothing is left to be
            looked at; ``None`` where the slots must be.
        values: Values in one element.
        width: Bytes of a text's length; 0 where there is no text.
    """

    whole: re.Pattern[bytes]
    element: re.Pattern[bytes]
    many: re.Pattern[bytes] | None
    values: int
    width: int = 0


@cache
def _run(mark: bytes, order: str) -> _Run:
    """A kind of run, compiled when it is met: that costs more than reading a small file.

    Args:
        mark: Opcode of its texts, which says how they are written; empty where it has none.
        order: ``t`` for each text in an element, ``n`` for each number.
    """
    width = {_SHORT: 1, _LONG: 4}.get(mark, 0)
    parts = {"n": _NUMBER}
    # Protocols 4 and 5: a short text, remembered in the next slot. Protocols 1 to 3: a text,
    # remembered in the slot that is written behind it.
    slot = rb"\x94" if mark == _SHORT else rb"r([\s\S]{4})"
    parts["t"] = re.escape(mark) + b"(" + _texts(width or 1) + b")" + slot
    element = b"".join(parts[letter] for letter in order)
    plain = re.sub(rb"\((?!\?)", b"(?:", element)  # groups are for the elements alone
    many = None
    if mark != _LONG:
        ascii_only = plain.replace(_PRINTABLE, _ASCII)
        many = re.compile(b"(?:" + ascii_only + b"){%d}+" % MANY)
    return _Run(re.compile(b"(?:" + plain + b")++"), re.compile(element), many, len(order), width)


def _kinds(buffer: bytes, at: int) -> Iterator[_Run]:
    """Kinds of runs that may begin at a place, the likeliest first."""
    first = buffer[at : at + 1]
    if first in {_SHORT, _LONG}:
        yield _run(first, "tn")
        yield _run(first, "t")
    elif first in _NUMBER_BYTES:
        behind = at + _NUMBER_BYTES[first]
        following = buffer[behind : behind + 1]
        if following in {_SHORT, _LONG}:
            yield _run(following, "nt")
        yield _run(b"", "n")


class Batch:
    """A batch of plain values that was passed over, up to the opcode that closes it.

    Attributes:
        frame_end: Where the last frame ends, counted like the offsets in the buffer.
        slots: Memo slots as they are written; none where they are counted.
    """

    __slots__ = ("end", "frame_end", "slots", "texts", "values")

    def __init__(self, end: int, frame_end: int) -> None:
        self.end = end
        self.frame_end = frame_end
        self.values = 0
        self.texts = 0
        self.slots: array[int] = array("I")


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
    for run in _kinds(buffer, start):
        many = run.many.match(buffer, start, start + MAX_BATCH_BYTES) if run.many else None
        match = many or run.whole.match(buffer, start, start + MAX_BATCH_BYTES)
        if match is None:
            continue
        if start < batch.frame_end < match.end():
            return False
        return (
            _pass_many(batch, run, many.end()) if many else _take(batch, run, buffer, match.end())
        )
    frame = _FRAME.match(buffer, start)
    if frame is None or start < batch.frame_end:
        return False
    batch.end = frame.end()
    batch.frame_end = batch.end + int.from_bytes(frame[1], "little")
    return True


def _pass_many(batch: Batch, run: _Run, end: int) -> bool:
    batch.values += MANY * run.values
    batch.texts += MANY if run.width else 0
    batch.end = end
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
    for run in _kinds(buffer, at):
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
