"""Decoders that the standard library lacks, with the interface of those that it has.

``decompress(data, limit)`` gives a piece, ``eof`` and ``unused_data`` tell the end,
``needs_input`` whether more is wanted. What is broken raises `OSError`, as in `bz2`.
LZ4 is decoded here, bounded in its input: the loops are Python's. Format of its frames:
"LZ4 Frame Format Description", version 1.6; of its blocks: "LZ4 Block Format".
"""

from __future__ import annotations

from typing import Any

from hauberk.errors import UnavailableError

_SLICE = 512
"""Bytes of a zstd stream taken at once; each may unpack to 32 KiB."""

MAX_LZ4_BYTES = 32 << 20
_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_WINDOW = 1 << 16


class ZstdDecoder:
    """A zstd frame, fed in small slices so that a bomb is seen before it is unpacked.

    Raises:
        UnavailableError: The package zstandard is not installed.
    """

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise UnavailableError(
                "what zstd packed needs the package zstandard: hauberk[zstd]",
                expected="the package zstandard",
                found="none",
                hint="pip install 'hauberk[zstd]'",
            ) from error

        self._error = zstandard.ZstdError
        decoder = zstandard.ZstdDecompressor(max_window_size=128 << 20)
        self._decoder: Any = decoder.decompressobj()
        self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return bool(self._decoder.eof)

    @property
    def unused_data(self) -> bytes:
        """What stands behind the frame."""
        return bytes(self._decoder.unused_data) + self.unconsumed_tail

    @property
    def needs_input(self) -> bool:
        """Whether everything given has been taken."""
        return not self.unconsumed_tail

    def decompress(self, data: bytes, limit: int) -> bytes:
        """The next piece; it may be longer than ``limit`` by what one slice unpacks to."""
        found, size, at = [], 0, 0
        while at < len(data) and size < limit and not self._decoder.eof:
            try:
                piece = self._decoder.decompress(data[at : at + _SLICE])
            except self._error as error:
                raise OSError(str(error)) from error
            found.append(piece)
            size += len(piece)
            at += _SLICE
        self.unconsumed_tail = data[at:]
        return b"".join(found)


class Lz4Decoder:
    """An LZ4 frame; blocks are decoded when they are whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._taken = 0
        self._begun = False
        self._checks_blocks = self._checks_end = False
        self._window = b""
        self.eof = False
        self.unused_data = b""
        self.needs_input = True

    def decompress(self, data: bytes, limit: int) -> bytes:
        """All blocks that are whole by now, up to ``limit`` bytes and one block."""
        self._taken += len(data)
        if self._taken > MAX_LZ4_BYTES:
            raise OSError(f"more than {MAX_LZ4_BYTES} bytes of LZ4 are not read")
        self._buffer += data
        out = bytearray()
        if not self._begun and not self._header():
            return b""
        while len(out) < limit and not self.eof:
            block = self._block()
            if block is None:
                self.needs_input = not self.eof
                return bytes(out)
            out += block
        self.needs_input = False
        return bytes(out)

    def _header(self) -> bool:
        if len(self._buffer) < 7:  # noqa: PLR2004 - the shortest header
            return False
        if self._buffer[:4] != _LZ4_MAGIC:
            raise OSError("it is no LZ4 frame")
        flags = self._buffer[4]
        size = 7 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)
        if len(self._buffer) < size:
            return False
        self._checks_blocks, self._checks_end = bool(flags & 16), bool(flags & 4)
        del self._buffer[:size]
        self._begun = True
        return True

    def _block(self) -> bytes | None:
        if len(self._buffer) < 4:  # noqa: PLR2004 - a size
            return None
        size = int.from_bytes(self._buffer[:4], "little")
        if size == 0:
            end = 4 + (4 if self._checks_end else 0)
            if len(self._buffer) >= end:
                self.unused_data, self.eof = bytes(self._buffer[end:]), True
            return None
        length = size & 0x7FFFFFFF
        if length > 4 << 20:
            raise OSError(f"a block claims {length} bytes")
        whole = 4 + length + (4 if self._checks_blocks else 0)
        if len(self._buffer) < whole:
            return None
        raw = bytes(self._buffer[4 : 4 + length])
        del self._buffer[:whole]
        block = raw if size >> 31 else _lz4_block(raw, self._window)
        self._window = (self._window + block)[-_WINDOW:]
        return block


class ZipLzmaDecoder:
    """LZMA as zip archives hold it: two bytes of version, the properties, raw data."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder: Any = None

    @property
    def eof(self) -> bool:
        """Whether an end mark was met."""
        return self._decoder is not None and bool(self._decoder.eof)

    @property
    def unused_data(self) -> bytes:
        """What stands behind the end mark."""
        return bytes(self._decoder.unused_data) if self._decoder else b""

    @property
    def needs_input(self) -> bool:
        """Whether everything given has been taken."""
        return self._decoder is None or bool(self._decoder.needs_input)

    def decompress(self, data: bytes, limit: int) -> bytes:
        """The next piece."""
        if self._decoder is None:
            self._head += data
            size = int.from_bytes(self._head[2:4], "little")
            if len(self._head) < 4 + size:
                return b""
            self._decoder = _raw_lzma(self._head[4 : 4 + size])
            data = self._head[4 + size :]
        return bytes(self._decoder.decompress(data, limit))


def _raw_lzma(properties: bytes) -> Any:
    import lzma

    if len(properties) < 5 or int.from_bytes(properties[1:5], "little") > 256 << 20:  # noqa: PLR2004
        raise OSError("its properties cannot be")
    lc, rest = properties[0] % 9, properties[0] // 9
    chosen = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": rest % 5, "pb": rest // 5}
    chosen["dict_size"] = max(int.from_bytes(properties[1:5], "little"), 4096)
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chosen])


_MAX_BLOCK = 4 << 20


def _lz4_block(data: bytes, window: bytes) -> bytes:
    """One block: runs of literals, each followed by a copy of what was unpacked before."""
    out = bytearray(window)
    at = 0
    while at < len(data):
        token = data[at]
        size, at = _length(data, at + 1, token >> 4)
        if at + size > len(data):
            raise OSError("literals reach beyond the block")
        out += data[at : at + size]
        at += size
        if at >= len(data):
            break
        offset = int.from_bytes(data[at : at + 2], "little")
        size, at = _length(data, at + 2, token & 15)
        _copy(out, offset, size + 4)
        if len(out) > _MAX_BLOCK + len(window):
            raise OSError("a block unpacks to more than it may")
    return bytes(out[len(window) :])


def _length(data: bytes, at: int, value: int) -> tuple[int, int]:
    if value < 15:  # noqa: PLR2004 - what four bits hold
        return value, at
    while at < len(data):
        byte = data[at]
        value += byte
        at += 1
        if byte < 255:  # noqa: PLR2004 - the last of a long length
            return value, at
    raise OSError("a length never ends")


def _copy(out: bytearray, offset: int, size: int) -> None:
    if not 0 < offset <= len(out) or size > _MAX_BLOCK:
        raise OSError("a copy begins before the block")
    piece = bytes(out[-offset:])
    out += (piece * (-(-size // offset)))[:size]
