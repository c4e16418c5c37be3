"""What a file holds, by its bytes and not by its name, at every level of nesting.

`contents` walks through archives and compressed streams and gives the parts that a loader
could be handed. One file may be several things at once, a pickle in front of a zip
archive for example, and each reading is followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hauberk.errors import ArtifactError
from hauberk.formats.archives import (
    BoundError,
    Ledger,
    TarEntry,
    Trouble,
    TroubleKind,
    ZipEntry,
    find_zip,
    is_tar,
    list_tar,
    list_zip,
    path_trick,
    stream_kind,
    unpack,
)
from hauberk.formats.late_patterns import late
from hauberk.formats.parts import Kind, Part, Place, Replay, claims_pickle
from hauberk.formats.pickle_events import looks_loadable
from hauberk.formats.pickle_starts import begins_pickle
from hauberk.formats.pickles import read_pickle
from hauberk.formats.plain_kinds import plain_part
from hauberk.formats.spans import Span, spooled
from hauberk.formats.torch_archives import code_folders, code_of

if TYPE_CHECKING:
    from hauberk.formats import sevenzip

HEAD_BYTES = 1 << 12

HEAD_OF_BOMB = 1 << 20
"""How much of a stream that unpacks to too much is looked at all the same."""

PLAIN = "as pickle.load reads it"
"""Detail of a second reading: the bytes of joblib's arrays are opcodes for ``pickle.load``."""

TAIL = "bytes behind a pickle"
"""Detail of what follows the last pickle of a file; no loader runs it."""

MAX_STACKED = 10_000
"""Pickles one behind the other in one file."""


NPY_MAGIC = b"\x93NUMPY"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_SEVENZIP = b"7z\xbc\xaf\x27\x1c"


def contents(
    span: Span, name: str = "", inner: tuple[str, ...] = (), ledger: Ledger | None = None
) -> Iterator[Part | Trouble]:
    """The parts of a file and what could not be taken at face value, in file order.

    Args:
        span: Bytes of a stranger.
        name: What the file is called; only a claim, used to tell a damaged pickle from
            bytes of an unknown format.
        inner: Path of containers that the file was found in.
        ledger: Budget, shared with whatever holds this file.
    """
    place = Place(inner, ledger or Ledger(), claims_pickle(name), name)
    yield from _walk(span, place)


def _walk(span: Span, place: Place) -> Iterator[Part | Trouble]:
    try:
        place.ledger.enter(len(place.inner))
        yield from _readings(span, place)
    except ArtifactError as error:
        yield _trouble(error, place)


def _readings(span: Span, place: Place) -> Iterator[Part | Trouble]:
    """Every way in which the bytes could be read."""
    head = span.read(0, HEAD_BYTES)
    if not head:
        yield Part(Kind.EMPTY, span, place.inner)
        return
    found = False
    for reading in (_as_archive, _as_stream, _as_npy, _as_hdf5, _as_pickles):
        for part in reading(span, head, place):
            found = True
            yield part
    if not found:
        yield plain_part(span, head, place)


# Containers


def _as_archive(span: Span, head: bytes, place: Place) -> Iterator[Part | Trouble]:
    end = find_zip(span)
    if end is not None and (head.startswith(b"PK") or _points_at_directory(span, end)):
        if not (is_tar(head) and _is_member(span, end, place)):
            yield from _walk_zip(span, end, place)
    elif head.startswith(b"PK\x03\x04"):
        reason = "the zip archive has no directory"
        yield Trouble(TroubleKind.EVASIVE, reason, place.inner)
    if is_tar(head):
        yield from _walk_tar(span, place)
    if head.startswith(_SEVENZIP):
        yield from _walk_sevenzip(span, place)


def _is_member(span: Span, end: int, place: Place) -> bool:
    """Whether a zip archive is one whole member of a tar archive, which is read as a file then."""
    record = span.read(end, 22)
    directory = int.from_bytes(record[12:16], "little") + int.from_bytes(record[16:20], "little")
    start = end - directory
    return any(
        isinstance(entry, TarEntry) and entry.data == start and end < entry.data + entry.size
        for entry in list_tar(span, place.ledger)
    )


def _points_at_directory(span: Span, end: int) -> bool:
    """Whether the end record has a directory in front of it, or is a chance match."""
    size = int.from_bytes(span.read(end + 12, 4), "little")
    return size <= end and span.read(end - size, 4) == b"PK\x01\x02"


def _walk_zip(span: Span, end: int, place: Place) -> Iterator[Part | Trouble]:
    listing = list_zip(span, end)
    yield from (trouble._replace(inner=place.inner) for trouble in listing.troubles)
    overlap = any("overlap" in trouble.reason for trouble in listing.troubles)
    storages = _storage_folders(listing.entries)
    codes = code_folders(entry.name for entry in listing.entries)
    is_document = any(entry.name in _DOCUMENTS for entry in listing.entries)
    for entry in listing.entries:
        if entry.name.endswith("/") and not entry.size:
            continue
        inside = place.inside(entry.name, code_of(entry.name, codes))
        if overlap and entry.method != "stored":
            continue  # a bomb by construction; what it holds has been refused already
        if _is_storage(span, entry, storages):
            yield from _storage(span, entry, inside)
        elif is_document:
            yield from map(_of_document, _zip_member(span, entry, inside))
        else:
            yield from _zip_member(span, entry, inside)


_DOCUMENTS = frozenset({"mimetype", "[Content_Types].xml"})
"""Members that tell an archive to be a document of an office, a drawing, or a book."""


def _of_document(part: Part | Trouble) -> Part | Trouble:
    """Bytes of no known format are a document's own; whatever is known in it is judged."""
    if isinstance(part, Part) and part.kind is Kind.UNKNOWN:
        return part._replace(kind=Kind.DATA, detail=_DOCUMENT)
    return part


_DOCUMENT = "part of a document"

_Folders = tuple[tuple[str, Callable[[], re.Pattern[str]]], ...]


def _storage_folders(entries: tuple[ZipEntry, ...]) -> _Folders:
    """Folders of raw tensor bytes in a torch archive, with the names that those have."""
    names = [entry.name for entry in entries]
    signs = (("data.pkl", _STORAGE_NAME), ("archive_format", _EXPORTED))
    return tuple(
        (name.removesuffix(sign), pattern)
        for sign, pattern in signs
        for name in names
        if name.endswith("/" + sign)
    )


_STORAGE_NAME = late(r"(data|constants|xl_model_weights)/[^/]+|byteorder|version|\.\w.*")
_EXPORTED = late(r"data/(weights|constants)/\w+|byteorder|\.data/\w+|archive_\w+")
"""Raw members of what torch.export writes; those that a loader would unpickle are .pt."""


def _is_storage(span: Span, entry: ZipEntry, folders: _Folders) -> bool:
    """Whether a member is read as raw numbers; torch.export may also have it unpickled."""
    for folder, pattern in folders:
        if entry.name.startswith(folder) and pattern().fullmatch(entry.name.removeprefix(folder)):
            return pattern is _STORAGE_NAME or not looks_loadable(span.read(entry.data, 512))
    return False


def _storage(span: Span, entry: ZipEntry, place: Place) -> Iterator[Part | Trouble]:
    place.ledger.enter(len(place.inner))
    yield Part(Kind.STORAGE, span.part(entry.data, entry.packed), place.inner)


def _zip_member(span: Span, entry: ZipEntry, place: Place) -> Iterator[Part | Trouble]:
    if entry.is_encrypted:
        yield Trouble(TroubleKind.UNREAD, "a member is encrypted", place.inner, entry.start)
    elif not entry.method:
        reason = "a member's compression is not read"
        yield Trouble(TroubleKind.UNREAD, reason, place.inner, entry.start)
    elif entry.method == "stored":
        yield from _walk(span.part(entry.data, entry.packed), place)
    else:
        yield from _unpacked(entry.chunks(span, place.ledger), place)


def _walk_tar(span: Span, place: Place) -> Iterator[Part | Trouble]:
    found = list(list_tar(span, place.ledger))
    codes = code_folders(entry.name for entry in found if isinstance(entry, TarEntry))
    for entry in found:
        if isinstance(entry, TarEntry):
            inside = place.inside(entry.name, code_of(entry.name, codes))
            yield from _walk(span.part(entry.data, entry.size), inside)
        else:
            yield entry._replace(inner=place.inner)


def _walk_sevenzip(span: Span, place: Place) -> Iterator[Part | Trouble]:
    """Members in order; a stream that holds several is unpacked once."""
    from hauberk.formats import sevenzip

    try:
        archive = sevenzip.list_sevenzip(span)
        codes = code_folders(entry.name for entry in archive.entries)
        for number, folder in enumerate(archive.folders):
            entries = [entry for entry in archive.entries if entry.folder == number]
            yield from _walk_folder(span, (folder, entries), place._replace(codes=codes))
    except sevenzip.UnreadError as error:
        yield Trouble(TroubleKind.UNREAD, f"the 7z archive has {error}", place.inner)


def _walk_folder(
    span: Span, packed: tuple[sevenzip.Folder, list[sevenzip.SevenZipEntry]], place: Place
) -> Iterator[Part | Trouble]:
    from hauberk.formats import sevenzip

    folder, entries = packed
    problems: list[ArtifactError] = []
    chunks = _spent(sevenzip.unpack_folder(span, folder), folder.packed, place)
    with spooled(_until_problem(chunks, problems)) as result:
        yield from (_trouble(problem, place) for problem in problems)
        for entry in entries:
            inside = place.inside(entry.name, code_of(entry.name, place.codes or {}))
            if trick := path_trick(entry.name):
                yield Trouble(TroubleKind.EVASIVE, trick, inside.inner)
            content = result.part(entry.start, entry.size)
            if not entry.is_link:
                yield from _walk(content, inside)
            elif path_trick(content.read(0, 4096).decode("utf-8", "replace")):
                yield Trouble(TroubleKind.EVASIVE, "a link leads out of the folder", inside.inner)


def _spent(chunks: Iterator[bytes], packed: int, place: Place) -> Iterator[bytes]:
    unpacked = 0
    for chunk in chunks:
        unpacked += len(chunk)
        place.ledger.spend(len(chunk), unpacked=unpacked, packed=packed)
        yield chunk


def _as_stream(span: Span, head: bytes, place: Place) -> Iterator[Part | Trouble]:
    kind = stream_kind(head)
    packed = span
    if head.startswith(b"ZF0x"):
        # joblib before 0.10: "ZF", the size as 19 characters, an optional blank, then zlib.
        kind, packed = "zlib", span.part(22 if head[21:22] == b" " else 21)
    if kind is not None:
        inside = place._replace(inner=(*place.inner, f"({kind})"))
        # Two bytes make a zlib header: a stream that breaks at once is another format.
        is_weak = kind == "zlib" and not place.claims_pickle
        yield from _unpacked(unpack(packed.chunks(), kind, place.ledger), inside, is_weak=is_weak)


def _unpacked(
    chunks: Iterator[bytes], place: Place, *, is_weak: bool = False
) -> Iterator[Part | Trouble]:
    """What is packed, as far as it unpacks: a loader acts on the first bytes at once."""
    problems: list[ArtifactError] = []
    with spooled(_until_problem(chunks, problems)) as result:
        if problems and not (is_weak and not result.size):
            yield _trouble(problems[0], place)
        # What is too much is refused already; its beginning shows what it was meant to be.
        is_bomb = bool(problems) and isinstance(problems[0], BoundError)
        if result.size or not problems:
            yield from _walk(result.part(0, HEAD_OF_BOMB) if is_bomb else result, place)


def _until_problem(chunks: Iterator[bytes], problems: list[ArtifactError]) -> Iterator[bytes]:
    try:
        yield from chunks
    except ArtifactError as error:
        problems.append(error)


def _trouble(error: ArtifactError, place: Place) -> Trouble:
    kind = TroubleKind.BOUND if isinstance(error, BoundError) else TroubleKind.EVASIVE
    return Trouble(kind, error.message, place.inner)


# Pickles


def _as_npy(span: Span, head: bytes, place: Place) -> Iterator[Part | Trouble]:
    if not head.startswith(NPY_MAGIC):
        return
    from hauberk.formats.numpy_files import read_npy_header

    header = read_npy_header(span)
    if header.has_objects:
        yield from _pickles(span, header.data, place)
    else:
        yield Part(Kind.NPY, span, place.inner)


def _as_hdf5(span: Span, head: bytes, place: Place) -> Iterator[Part | Trouble]:
    """HDF5 behind a block of the user's: whatever stands in front, the library finds it."""
    if head.startswith(HDF5_MAGIC) or not _may_hold_hdf5(span):
        return
    from hauberk.formats.hdf5_reading import hdf5_start

    if hdf5_start(span):
        yield Part(Kind.HDF5, span, place.inner, detail="HDF5")


def _may_hold_hdf5(span: Span) -> bool:
    """Whether the magic stands where the library looks: at 512 bytes and each double of it."""
    at = 512
    while at < span.size:
        if span.read(at, len(HDF5_MAGIC)) == HDF5_MAGIC:
            return True
        at *= 2
    return False


def _as_pickles(span: Span, head: bytes, place: Place) -> Iterator[Part | Trouble]:
    is_zip = head.startswith(b"PK\x03\x04")  # its first bytes are opcodes too, by chance
    is_claimed = place.claims_pickle and not is_zip
    if not head.startswith(NPY_MAGIC) and begins_pickle(span, 0, is_claimed=is_claimed):
        yield from _pickles(span, 0, place, PLAIN if is_zip else "")


def _pickles(span: Span, start: int, place: Place, detail: str = "") -> Iterator[Part | Trouble]:
    """The pickle at ``start`` and those right behind it, as legacy torch files have them.

    Args:
        detail: `PLAIN` where another reading of the same bytes is the likely one.
    """
    at = start
    for _ in range(MAX_STACKED):
        limit = place.ledger.max_opcodes
        events = Replay(read_pickle(span, at, arrays=True, max_opcodes=limit))
        yield Part(Kind.PICKLE, span, place.inner, at, detail, events=events)
        ended = events.ended()
        if ended.arrays:
            plain = Replay(read_pickle(span, at, max_opcodes=limit))
            yield Part(Kind.PICKLE, span, place.inner, at, PLAIN, events=plain)
        at = ended.offset
        if ended.broken or at >= span.size or not begins_pickle(span, at, is_claimed=False):
            break
    else:
        yield Trouble(TroubleKind.BOUND, "too many pickles in one file", place.inner, at)
    if at < span.size:
        yield Part(Kind.STORAGE, span, place.inner, at, TAIL)
