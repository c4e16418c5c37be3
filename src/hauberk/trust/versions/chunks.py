"""Content-defined chunks: equal stretches of two files become equal pieces, wherever they lie.

A piece ends where the 32 bytes before its end hash to zero, so a border depends on what
stands there and not on how much stands before it. Two things keep this far faster than the
digest of the pieces: no border is looked for in the first seven eighths of a piece, and
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

MIN_BYTES: Final = 896 << 10
MAX_BYTES: Final = 2 << 20
_BITS: Final = 12  # one end in 4,096 of those looked at: 128 KiB behind the least size
_FINE_BITS: Final = 4
_CLASS_MASK: Final = 31
_CLASS: Final = 10  # a newline is of this class, so rows of text end where pieces may
_WORD: Final = 8
_WINDOW: Final = 32  # four numbers of a column: fewer are too often alike
_FACTOR: Final = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio (Knuth, TAOCP 3, 6.4)
_STEP: Final = 64 << 10
_BUFFER: Final = 16 << 20


def pieces(stream: IO[bytes]) -> Iterator[memoryview]:
    """The pieces of a stream in order; each view holds until the next one is asked for."""
    head = _filled(stream, MIN_BYTES + 1)
    if len(head) <= MIN_BYTES:  # most files: no buffer, no search
        if head:
            yield memoryview(head)
        return
    buffer = bytearray(_BUFFER)
    buffer[: len(head)] = head
    view = memoryview(buffer)
    start, end, ended = 0, len(head), False
    while True:
        if end - start < MAX_BYTES and not ended:
            view[: end - start] = bytes(view[start:end])
            start, end = 0, end - start
            end += _fill(stream, view[end:])
            ended = end < _BUFFER
        if start == end:
            return
        length = _first_end(view[start : min(start + MAX_BYTES, end)])
        yield view[start : start + length]
        start += length


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


def _first_end(view: memoryview) -> int:
    """Length of the piece that ``view`` begins with."""
    import numpy as np

    data = np.frombuffer(view, np.uint8)
    for at in range(MIN_BYTES, len(view), _STEP):
        ends = _ends(data, at, min(at + _STEP, len(view)), _BITS)
        if len(ends):
            return int(ends[0])
    return len(view)


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
    last = np.flatnonzero((data[start:stop] & _CLASS_MASK) == _CLASS) + start
    words: Any = np.ndarray((len(data) - _WORD + 1,), "<u8", data.data, 0, (1,))
    hashes = np.zeros(len(last), np.uint64)
    for back in range(_WORD, _WINDOW + 1, _WORD):
        hashes = (hashes ^ words[last + 1 - back]) * np.uint64(_FACTOR)
        hashes ^= hashes >> np.uint64(29)
    return last[(hashes >> np.uint64(64 - bits)) == 0] + 1
