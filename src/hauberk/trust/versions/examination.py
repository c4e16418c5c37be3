"""Hold stored or checked-out bytes against a version and say where they differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hauberk.core.ports import Blobs
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.digest import open_regular
from hauberk.trust.versions import tables, tensors
from hauberk.trust.versions.recipes import Part, Recipe, part_bytes, read
from hauberk.trust.versions.tables import TableIndex
from hauberk.trust.versions.tensors import TensorIndex
from hauberk.trust.versions.versions import File
from hauberk.trust.walking import places

MAX_NAMED: Final = 20
"""Places that one difference names; more are counted."""

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One file that is not what the version says.

    Attributes:
        what: ``removed``, ``added``, ``changed`` or ``broken`` (in the store).
        places: Rows and columns, tensors or byte ranges, as far as they can be told.
        more: How many further places there are.
    """

    path: str
    what: str
    places: tuple[str, ...] = ()
    more: int = 0

    def __str__(self) -> str:
        rest = f" and {self.more} more" if self.more else ""
        where = f": {'; '.join(self.places)}{rest}" if self.places else ""
        return f"{self.what} {self.path}{where}"


def check_stored(files: tuple[File, ...], blobs: Blobs, scratch: Path) -> Iterator[Defect]:
    """Read every part of every file from the store.

    Args:
        scratch: Folder for copies of broken files, of which indexes are made.
    """
    for file in files:
        broken = [_range(start, part) for start, part in _broken(file.recipe, blobs)]
        if broken:
            located = _located_in_store(file, blobs, scratch)
            yield _defect(file.path, "broken", located or tuple(broken))


def _broken(recipe: Recipe, blobs: Blobs) -> Iterator[tuple[int, Part]]:
    at = 0
    for part in recipe.parts:
        try:
            part_bytes(part, blobs)
        except (TrustError, ArtifactError, UnavailableError):
            yield at, part
        at += part.size


def _range(start: int, part: Part) -> str:
    return f"bytes {start} to {start + part.size - 1}"


def _located_in_store(file: File, blobs: Blobs, scratch: Path) -> tuple[str, ...]:
    """Rows or tensors that the broken bytes spoil, read from a copy of what is there."""
    copy = scratch / f"broken{Path(file.path).suffix}"
    try:
        with copy.open("wb") as target:
            for part in file.recipe.parts:
                target.write(_as_it_is(part, blobs))
        return located(file, copy, blobs)
    except (ArtifactError, TrustError, UnavailableError, UsageError):
        return ()
    finally:
        copy.unlink(missing_ok=True)


def _as_it_is(part: Part, blobs: Blobs) -> bytes:
    """The bytes of a part even where they are others; a part of a blob is never checked."""
    if part.patch is not None:
        return part_bytes(part, blobs)
    size = blobs.size(part.digest)
    half = size // 2  # a partial read is not compared with the digest
    first = b"".join(blobs.open(part.digest, 0, half)) if half else b""
    return first + b"".join(blobs.open(part.digest, half, size + 1 if not half else size))


def check_copy(files: tuple[File, ...], path: Path, blobs: Blobs) -> Iterator[Defect]:
    """Compare a checked-out copy with its version, unsigned files included.

    Args:
        path: A folder, or the file itself where the version has one file.

    Raises:
        ArtifactError: A link or special file lies there.
        UsageError: There is nothing.
    """
    lying = dict(places(path))
    named = {file.path: file for file in files}
    if path.is_file() and len(files) == 1:
        lying = {files[0].path: path}
    for name in sorted(lying.keys() - named.keys()):
        yield Defect(path=name, what="added")
    for name, file in named.items():
        place = lying.get(name)
        if place is None:
            yield Defect(path=name, what="removed")
            continue
        ranges = tuple(_differing(file.recipe, place))
        if ranges:
            yield _defect(name, "changed", _tried(file, place, blobs) or ranges)


def _differing(recipe: Recipe, place: Path) -> Iterator[str]:
    """Byte ranges of a file that are not those of its recipe; one pass, no memory."""
    with open_regular(place) as descriptor, open(descriptor, "rb", 0, closefd=False) as file:
        at = 0
        for part in recipe.parts:
            state, left = hashlib.sha256(), part.size
            while left and (piece := file.read(min(left, _PIECE))):
                state.update(piece)
                left -= len(piece)
            if left or f"sha256:{state.hexdigest()}" != part.digest:
                yield _range(at, part)
            at += part.size
        if file.read(1):
            yield f"bytes from {at} on, which are not part of the version"


def _tried(file: File, place: Path, blobs: Blobs) -> tuple[str, ...]:
    try:
        return located(file, place, blobs)
    except (ArtifactError, TrustError, UnavailableError, UsageError, ModuleNotFoundError):
        return ()


def located(file: File, place: Path, blobs: Blobs) -> tuple[str, ...]:
    """Which batches and columns, or which tensors, of a file differ from its index.

    Raises:
        ArtifactError: What lies at ``place`` cannot be read as what it was.
    """
    if file.index is None:
        return ()
    known = b"".join(read(file.index, blobs, subject=f"index of {file.path}"))
    if file.kind == "tensors":
        found = tensors.index_of(place)
        names = TensorIndex.from_bytes(known).differences(found or TensorIndex({}))
        return tuple(f"tensor {name!r}" for name in names)
    from hauberk.formats.tables import open_table

    old, new = TableIndex.from_bytes(known), tables.index_of(open_table(place))
    places = old.differences(new)
    if old.rows != new.rows and places:  # behind a row that came or went, every batch differs
        return (
            *_shape(old, new),
            f"the batch from row {places[0].first} on is the first to differ",
        )
    return (*_shape(old, new), *map(str, places))


def _shape(old: TableIndex, new: TableIndex) -> Iterator[str]:
    if old.rows != new.rows:
        yield f"{new.rows} rows instead of {old.rows}"
    for name in sorted(old.columns.keys() ^ new.columns.keys()):
        yield f"column {name!r} {'came' if name in new.columns else 'went'}"


def _defect(path: str, what: str, found: tuple[str, ...]) -> Defect:
    return Defect(
        path=path, what=what, places=found[:MAX_NAMED], more=max(len(found) - MAX_NAMED, 0)
    )
