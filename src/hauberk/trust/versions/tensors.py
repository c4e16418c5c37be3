"""Which bytes of a file belong to which tensor: safetensors and npz.

Names and ranges are read from the file's own directory within bounds; nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hauberk.errors import ArtifactError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.versions.recipes import malformed

MAX_HEADER_BYTES: Final = 100_000_000  # the bound of the safetensors format
MAX_TENSORS: Final = 200_000
MAX_INDEX_BYTES: Final = 256 << 20
_PREFIX = 8
_LOCAL_HEADER: Final = 30  # zip: fixed part of a local header, before name and extra field


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Where a tensor lies in its file, and what its bytes there hash to."""

    start: int
    end: int
    sha256: str


@dataclass(frozen=True)
class TensorIndex:
    """The tensors of one file by name."""

    tensors: Mapping[str, Tensor]

    def to_bytes(self) -> bytes:
        """The canonical spelling."""
        rows = {name: [t.start, t.end, t.sha256] for name, t in self.tensors.items()}
        return canonical_json({"tensors": rows})

    @classmethod
    def from_bytes(cls, data: bytes) -> TensorIndex:
        """The index that `to_bytes` spelt.

        Raises:
            ArtifactError: It is none.
        """
        body = parse_json(data, max_bytes=MAX_INDEX_BYTES, max_depth=4)
        if not isinstance(body, dict) or not isinstance(body.get("tensors"), dict):
            raise malformed("an index of tensors")
        return cls({name: _tensor(row) for name, row in body["tensors"].items()})

    def differences(self, other: TensorIndex) -> tuple[str, ...]:
        """Names of tensors that came, went or have other bytes."""
        names = self.tensors.keys() | other.tensors.keys()
        return tuple(
            sorted(n for n in names if _digest(self.tensors, n) != _digest(other.tensors, n))
        )


def _digest(tensors: Mapping[str, Tensor], name: str) -> str | None:
    tensor = tensors.get(name)
    return None if tensor is None else tensor.sha256


def _tensor(row: Any) -> Tensor:
    shape = (int, int, str)
    if not isinstance(row, list) or tuple(map(type, row)) != shape or not 0 <= row[0] <= row[1]:
        raise malformed("tensors with start, end and digest")
    return Tensor(start=row[0], end=row[1], sha256=row[2])


def index_of(path: Path) -> TensorIndex | None:
    """The tensors of the file at ``path``; ``None`` where it holds none by name.

    Raises:
        ArtifactError: It is of such a kind and malformed.
    """
    ranges = _ranges(path)
    if ranges is None:
        return None
    with path.open("rb") as file:
        found = {}
        for name, start, end in ranges:
            file.seek(start)
            found[name] = Tensor(start=start, end=end, sha256=_hash(file, end - start))
    return TensorIndex(found)


def _hash(file: Any, left: int) -> str:
    state = hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        state.update(piece)
        left -= len(piece)
    return state.hexdigest()


def _ranges(path: Path) -> list[tuple[str, int, int]] | None:
    with path.open("rb") as file:
        head = file.read(_PREFIX + 1)
    if head.startswith(b"PK\x03\x04") and path.suffix.lower() == ".npz":
        return list(_npz(path))
    length = int.from_bytes(head[:_PREFIX], "little")
    room = path.stat().st_size - _PREFIX
    if head[_PREFIX:] == b"{" and 0 < length <= min(room, MAX_HEADER_BYTES):
        return list(_safetensors(path, length))
    return None


def _safetensors(path: Path, length: int) -> Iterator[tuple[str, int, int]]:
    with path.open("rb") as file:
        file.seek(_PREFIX)
        header = parse_json(file.read(length), max_bytes=MAX_HEADER_BYTES, max_depth=8)
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise _broken(path, f"a header of at most {MAX_TENSORS} tensors")
    room = path.stat().st_size - _PREFIX - length
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not isinstance(offsets, list) or [type(at) for at in offsets] != [int, int]:
            raise _broken(path, "tensors with two offsets")
        start, end = offsets
        if not 0 <= start <= end <= room:
            raise _broken(path, "offsets inside the file")
        yield name, _PREFIX + length + start, _PREFIX + length + end


def _npz(path: Path) -> Iterator[tuple[str, int, int]]:
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            infos = archive.infolist()
            if len(infos) > MAX_TENSORS:
                raise _broken(path, f"at most {MAX_TENSORS} arrays")
            for info in infos:
                file.seek(info.header_offset)
                header = file.read(_LOCAL_HEADER)
                start = info.header_offset + _LOCAL_HEADER
                start += int.from_bytes(header[26:28], "little")
                start += int.from_bytes(header[28:30], "little")
                end = start + info.compress_size
                if not start <= end <= size:
                    raise _broken(path, "arrays inside the file")
                yield info.filename.removesuffix(".npy"), start, end
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise _broken(path, "a readable archive") from error


def _broken(path: Path, expected: str) -> ArtifactError:
    return ArtifactError(
        "the file's tensors cannot be told apart",
        subject=str(path),
        rule="the directory of tensors fits the file",
        expected=expected,
        found="something else",
    )
