"""Content-defined chunks: equal stretches of two files become equal pieces, wherever they lie.

A piece ends where the 32 bytes before its end hash to zero, so a border depends on what
stands there and not on how much stands before it. Two things keep this far faster than the
digest of the pieces: no border is looked for in the first fifteen sixteenths of a piece, and
only bytes of one class out of thirty-two are looked at as ends (FastCDC skips to the least
size as well; the class is ours). Pieces are large, because what changes inside one is kept
as a patch (`patches`), not as a new piece.

References:
    Xia et al. (2016), FastCDC: a fast and efficient content-defined chunking approach for
    data deduplication, sections 3.3 and 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

MIN_BYTES: Final = 1_920 << 10
MAX_BYTES: Final = 4 << 20
_BITS: Final = 12  # one end in 4,096 of those looked at: 128 KiB behind the least size
_FINE_BITS: Final = 4
_CLASS_MASK: Final = 31
_CLASS: Final = 10  # a newline is of this class, so rows of text end where pieces may
_WINDOW: Final = 32  # four numbers of a column: fewer are too often alike
_FACTOR: Final = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio (Knuth, TAOCP 3, 6.4)
_STEP: Final = 32 << 10
_READ: Final = 256 << 10


class Buffer:
    """Memory that streams are cut in, one after the other; small enough for caches."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def pieces(self, stream: IO[bytes]) -> Iterator[memoryview]:
        """The pieces of a stream in order; each view holds until the next one is asked for."""
        head = _filled(stream, MIN_BYTES + 1)
        if len(head) <= MIN_BYTES:  # most files: no buffer, no search
            if head:
                yield memoryview(head)
            return
        self._bytes = self._bytes or bytearray(MAX_BYTES)
        view = memoryview(self._bytes)
        view[: len(head)] = head
        held = len(head)
        while True:
            length, held = _cut(stream, view, held)
            if not length:
                return
            yield view[:length]
            held -= length
            view[:held] = view[length : length + held]


def _cut(stream: IO[bytes], view: memoryview, held: int) -> tuple[int, int]:
    """Length of the next piece in ``view``, and how much of the stream is held there then."""
    import numpy as np

    held += _fill(stream, view[held : MIN_BYTES + _READ])
    data = np.frombuffer(view, np.uint8)
    for at in range(MIN_BYTES, MAX_BYTES, _STEP):
        if held < at + _STEP:
            held += _fill(stream, view[held : at + _READ])
        if held <= at:
            break
        ends = _ends(data[:held], at, min(at + _STEP, held), _BITS)
        if len(ends):
            return int(ends[0]), held
    return held, held


def pieces(stream: IO[bytes]) -> Iterator[memoryview]:
    """The pieces of a stream in order; each view holds until the next one is asked for."""
    return Buffer().pieces(stream)


def _filled(stream: IO[bytes], size: int) -> bytes:
    """The next ``size`` bytes; fewer at the end only."""
    data = stream.read(size)
    while 0 < len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _fill(stream: Any, view: memoryview) -> int:
    filled = 0
    while filled < len(view) and (count := stream.readinto(view[filled:])):
        filled += count
    return filled


def fine_ends(data: bytes) -> list[int]:
    """Borders of pieces of about half a kibibyte, the last one the end of ``data``."""
    import numpy as np

    array = np.frombuffer(data, np.uint8)
    ends = _ends(array, _WINDOW, len(array), _FINE_BITS).tolist() if len(array) > _WINDOW else []
    if not ends or ends[-1] != len(array):
        ends.append(len(array))
    return ends


def _ends(data: Any, start: int, stop: int, bits: int) -> Any:
    """Positions in ``[start, stop]`` right behind a window that hashes to zero."""
    import numpy as np

    start = max(start, _WINDOW)
    last = np.flatnonzero((data[start:stop] & _CLASS_MASK) == _CLASS)
    last += start
    windows: Any = np.ndarray((len(data) - _WINDOW + 1,), f"V{_WINDOW}", data.data, 0, (1,))
    words = windows[last + (1 - _WINDOW)].view("<u8").reshape(len(last), _WINDOW // 8)
    hashes = np.zeros(len(last), np.uint64)
    for back in range(words.shape[1]):
        hashes ^= words[:, -1 - back]
        hashes *= np.uint64(_FACTOR)
        hashes ^= hashes >> np.uint64(29)
    return last[hashes < np.uint64(1 << (64 - bits))] + 1
