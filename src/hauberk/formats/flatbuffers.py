"""Flatbuffers: a web of offsets that readers in C++ follow, each checked before it is followed.

Numbers of fields are those of the schema of whoever reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hauberk.errors import ArtifactError
from hauberk.formats.spans import Span

MAX_TABLES = 1_000_000
"""Tables visited; a model of a thousand layers has some ten thousand."""

MAX_NAME_BYTES = 4096


@dataclass(frozen=True, slots=True)
class FlatTable:
    """A table by its place and the places of its fields."""

    file: FlatFile
    at: int
    fields: tuple[int, ...]

    def place(self, field: int) -> int:
        """Where a field stands; 0 where it is left out."""
        offset = self.fields[field] if field < len(self.fields) else 0
        return self.at + offset if offset else 0

    def number(self, field: int, size: int, default: int = 0) -> int:
        """A signed number of ``size`` bytes."""
        place = self.place(field)
        return self.file.number(place, size, signed=True) if place else default

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Place and count of a vector; ``(0, 0)`` where it is left out."""
        place = self.place(field)
        return self.file.vector(self.file.follow(place), width) if place else (0, 0)

    def tables(self, field: int) -> Iterator[FlatTable]:
        """The tables of a vector."""
        start, count = self.vector(field, 4)
        return (self.file.table(self.file.follow(start + 4 * i)) for i in range(count))

    def text(self, field: int) -> str:
        """A string, empty where it is left out."""
        start, count = self.vector(field, 1)
        return self.file.read(start, min(count, MAX_NAME_BYTES)).decode("utf-8", "replace")


class FlatFile:
    """The buffer, of which every offset is checked before it is followed.

    Args:
        what: What it should be, in words, for errors.
    """

    def __init__(self, span: Span, what: str) -> None:
        self._span, self._what = span, what
        self.size = span.size
        self._tables = 0

    def read(self, at: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``at``."""
        data = self._span.read(at, size) if at >= 0 else b""
        if len(data) < size:
            raise malformed(self._what, f"an offset points at byte {at} of {self.size}")
        return data

    def number(self, at: int, size: int, *, signed: bool = False) -> int:
        """The number of ``size`` bytes at ``at``."""
        return int.from_bytes(self.read(at, size), "little", signed=signed)

    def follow(self, at: int) -> int:
        """Where the offset at ``at`` leads."""
        return at + self.number(at, 4)

    def vector(self, at: int, width: int) -> tuple[int, int]:
        """Place and count of the vector at ``at``, whose items have ``width`` bytes."""
        count = self.number(at, 4)
        if count * width > self.size - at - 4:
            raise malformed(self._what, f"a vector at byte {at} claims {count} items")
        return at + 4, count

    def table(self, at: int) -> FlatTable:
        """The table at ``at``."""
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise malformed(self._what, f"it has more than {MAX_TABLES} tables")
        start = at - self.number(at, 4, signed=True)
        size = self.number(start, 2)
        if size < 4 or size % 2:  # noqa: PLR2004 - the two lengths in front
            raise malformed(self._what, f"the table at byte {at} is cut")
        raw = self.read(start + 4, size - 4)
        fields = tuple(int.from_bytes(raw[i : i + 2], "little") for i in range(0, len(raw), 2))
        return FlatTable(self, at, fields)


def malformed(what: str, reason: str) -> ArtifactError:
    """The error for a buffer that leads out of its file."""
    return ArtifactError(
        f"the {what} is malformed: {reason}",
        rule="offsets and lengths of a flatbuffer lie inside of the file",
        found=reason,
        hint="write the file again",
    )
