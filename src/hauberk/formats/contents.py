"""What a file holds, by its bytes and not by its name, at every level of nesting.

`contents` walks through archives and compressed streams and gives the parts that a loader
could be handed. One file may be several things at once, a pickle in front of a zip
archive for example, and each reading is followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

from hauberk.errors import ArtifactError, LimitError
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
from hauberk.formats.late_patterns import ending_of, late
from hauberk.formats.pickle_events import (
    Built,
    Called,
    Ended,
    Imported,
    PickleEvent,
    looks_loadable,
)
from hauberk.formats.pickle_values import printable
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import Span, spooled
from hauberk.formats.torch_archives import AOT, PROGRAM, code_folders, code_of

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


class Kind(StrEnum):
    """What a part is."""

    PICKLE = "pickle"
    NPY = "npy"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    GGUF = "gguf"
    HDF5 = "hdf5"
    TFLITE = "tensorflow lite"
    GRAPH = "tensorflow graph"
    BOOSTER = "booster"
    R_DATA = "R data"
    CORE_ML = "Core ML model"
    PADDLE = "Paddle program"
    SKOPS = "skops"
    DATA = "data of a model"
    MODEL_TEXT = "text of a model"
    CODE = "code that a loader runs"
    STORAGE = "raw tensor storage"
    TEXT = "text"
    FOREIGN = "no model format"
    UNREAD = "format that is not read"
    UNKNOWN = "unknown format"
    EMPTY = "empty"


class Part(NamedTuple):
    """One thing found in a file.

    Attributes:
        span: Its bytes; valid until the next part is asked for.
        inner: Path inside nested containers, outermost first.
        offset: Where it begins in the span: a pickle behind another one.
        detail: Name of the format where ``kind`` alone does not say it.
        events: What loading a pickle would do.
    """

    kind: Kind
    span: Span
    inner: tuple[str, ...] = ()
    offset: int = 0
    detail: str = ""
    events: Replay | None = None


class Replay:
    """The events of one pickle, read once, that can be drained to their end by two readers."""

    def __init__(self, events: Iterator[PickleEvent]) -> None:
        self._events = events
        self._ended: Ended | None = None

    def __iter__(self) -> Iterator[PickleEvent]:
        for event in self._events:
            if isinstance(event, Ended):
                self._ended = event
            yield event

    def ended(self) -> Ended:
        """The last event; what was not read by then is read now."""
        for _ in self:
            pass
        return cast("Ended", self._ended)


class _Place(NamedTuple):
    """Where the walk stands."""

    inner: tuple[str, ...]
    ledger: Ledger
    claims_pickle: bool
    name: str = ""
    code: str = ""
    codes: Mapping[str, str] | None = None

    def inside(self, name: str, code: str = "") -> _Place:
        return self._replace(
            inner=(*self.inner, printable(name)),
            claims_pickle=_claims(name),
            name=name,
            code=code,
            codes=None,
        )


NPY_MAGIC = b"\x93NUMPY"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SKOPS_SCHEMA = "schema.json"
_SEVENZIP = b"7z\xbc\xaf\x27\x1c"
_PICKLE_ENDINGS = frozenset(
    {"pkl", "pickle", "p", "pk", "joblib", "jl", "pt", "pth", "ckpt", "dill", "dat"}
)


def _claims(name: str) -> bool:
    ending = ending_of(name)
    without = ending[:-1] if ending[-1:].isdecimal() else ending
    return not _PICKLE_ENDINGS.isdisjoint({ending, without})


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
    place = _Place(inner, ledger or Ledger(), _claims(name), name)
    yield from _walk(span, place)


def _walk(span: Span, place: _Place) -> Iterator[Part | Trouble]:
    try:
        place.ledger.enter(len(place.inner))
        yield from _readings(span, place)
    except ArtifactError as error:
        yield _trouble(error, place)


def _readings(span: Span, place: _Place) -> Iterator[Part | Trouble]:
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
        yield _plain(span, head, place)


# Containers


def _as_archive(span: Span, head: bytes, place: _Place) -> Iterator[Part | Trouble]:
    end = find_zip(span)
    if end is not None and (head.startswith(b"PK") or _points_at_directory(span, end)):
        yield from _walk_zip(span, end, place)
    elif head.startswith(b"PK\x03\x04"):
        reason = "the zip archive has no directory"
        yield Trouble(TroubleKind.EVASIVE, reason, place.inner)
    if is_tar(head):
        yield from _walk_tar(span, place)
    if head.startswith(_SEVENZIP):
        yield from _walk_sevenzip(span, place)


def _points_at_directory(span: Span, end: int) -> bool:
    """Whether the end record has a directory in front of it, or is a chance match."""
    size = int.from_bytes(span.read(end + 12, 4), "little")
    return size <= end and span.read(end - size, 4) == b"PK\x01\x02"


def _walk_zip(span: Span, end: int, place: _Place) -> Iterator[Part | Trouble]:
    listing = list_zip(span, end)
    yield from (trouble._replace(inner=place.inner) for trouble in listing.troubles)
    overlap = any("overlap" in trouble.reason for trouble in listing.troubles)
    storages = _storage_folders(listing.entries)
    codes = code_folders(entry.name for entry in listing.entries)
    for entry in listing.entries:
        if entry.name.endswith("/") and not entry.size:
            continue
        inside = place.inside(entry.name, code_of(entry.name, codes))
        if overlap and entry.method != "stored":
            continue  # a bomb by construction; what it holds has been refused already
        if _is_storage(span, entry, storages):
            yield from _storage(span, entry, inside)
        else:
            yield from _zip_member(span, entry, inside)


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


def _storage(span: Span, entry: ZipEntry, place: _Place) -> Iterator[Part | Trouble]:
    place.ledger.enter(len(place.inner))
    yield Part(Kind.STORAGE, span.part(entry.data, entry.packed), place.inner)


def _zip_member(span: Span, entry: ZipEntry, place: _Place) -> Iterator[Part | Trouble]:
    if entry.is_encrypted:
        yield Trouble(TroubleKind.UNREAD, "a member is encrypted", place.inner, entry.start)
    elif not entry.method:
        reason = "a member's compression is not read"
        yield Trouble(TroubleKind.UNREAD, reason, place.inner, entry.start)
    elif entry.method == "stored":
        yield from _walk(span.part(entry.data, entry.packed), place)
    else:
        yield from _unpacked(entry.chunks(span, place.ledger), place)


def _walk_tar(span: Span, place: _Place) -> Iterator[Part | Trouble]:
    found = list(list_tar(span, place.ledger))
    codes = code_folders(entry.name for entry in found if isinstance(entry, TarEntry))
    for entry in found:
        if isinstance(entry, TarEntry):
            inside = place.inside(entry.name, code_of(entry.name, codes))
            yield from _walk(span.part(entry.data, entry.size), inside)
        else:
            yield entry._replace(inner=place.inner)


def _walk_sevenzip(span: Span, place: _Place) -> Iterator[Part | Trouble]:
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
    span: Span, packed: tuple[sevenzip.Folder, list[sevenzip.SevenZipEntry]], place: _Place
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


def _spent(chunks: Iterator[bytes], packed: int, place: _Place) -> Iterator[bytes]:
    unpacked = 0
    for chunk in chunks:
        unpacked += len(chunk)
        place.ledger.spend(len(chunk), unpacked=unpacked, packed=packed)
        yield chunk


def _as_stream(span: Span, head: bytes, place: _Place) -> Iterator[Part | Trouble]:
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
    chunks: Iterator[bytes], place: _Place, *, is_weak: bool = False
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


def _trouble(error: ArtifactError, place: _Place) -> Trouble:
    kind = TroubleKind.BOUND if isinstance(error, BoundError) else TroubleKind.EVASIVE
    return Trouble(kind, error.message, place.inner)


# Pickles


def _as_npy(span: Span, head: bytes, place: _Place) -> Iterator[Part | Trouble]:
    if not head.startswith(NPY_MAGIC):
        return
    from hauberk.formats.numpy_files import read_npy_header

    header = read_npy_header(span)
    if header.has_objects:
        yield from _pickles(span, header.data, place)
    else:
        yield Part(Kind.NPY, span, place.inner)


def _as_hdf5(span: Span, head: bytes, place: _Place) -> Iterator[Part | Trouble]:
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


def _as_pickles(span: Span, head: bytes, place: _Place) -> Iterator[Part | Trouble]:
    is_zip = head.startswith(b"PK\x03\x04")  # its first bytes are opcodes too, by chance
    is_claimed = place.claims_pickle and not is_zip
    if not head.startswith(NPY_MAGIC) and begins_pickle(span, 0, is_claimed=is_claimed):
        yield from _pickles(span, 0, place, PLAIN if is_zip else "")


def _pickles(span: Span, start: int, place: _Place, detail: str = "") -> Iterator[Part | Trouble]:
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


_IDENTIFIER = late(r"[A-Za-z_][\w.]*")
_TRIAL_OPCODES = 200_000
_STRONG = re.compile(rb"\x80[\x04\x05]\x95|\x80[\x02\x03][}\](c\x8aX]")
_FIRST_OPCODES = re.compile(rb"[\x80(\]})IFLSVKJMGNUXTBCcipPQ\x88-\x8f\x95\x96]")


def begins_pickle(span: Span, at: int, *, is_claimed: bool) -> bool:
    """Whether a pickle begins here: it is tried, because old protocols have no magic.

    Args:
        is_claimed: Whether the file's name says so; then a damaged one counts too.
    """
    head = span.read(at, 3)
    if not _FIRST_OPCODES.match(head):
        return False
    is_binary = head[:1] == b"\x80" and head[1:2] <= b"\x05"
    if is_binary and (is_claimed or _STRONG.match(head)):
        return True
    try:
        return _trial(span, at, is_binary=is_binary)
    except LimitError:
        return True


def _trial(span: Span, at: int, *, is_binary: bool) -> bool:
    for event in read_pickle(span, at, arrays=True, max_opcodes=_TRIAL_OPCODES):
        if isinstance(event, Imported) and not _is_plausible(event):
            return False
        if isinstance(event, (Called, Built)) or (is_binary and isinstance(event, Imported)):
            return True
        if isinstance(event, Ended):
            return not event.broken
    return False


def _is_plausible(event: Imported) -> bool:
    names = (event.target.module, event.target.name)
    return all(_IDENTIFIER().fullmatch(name) for name in names)


# Everything else

_MAGICS: tuple[tuple[int, bytes, Kind, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", Kind.HDF5, "HDF5"),
    (0, b"GGUF", Kind.GGUF, "GGUF"),
    (4, b"TFL3", Kind.TFLITE, "TensorFlow Lite"),
    (0, b"Rar!\x1a\x07", Kind.UNREAD, "RAR archive"),
    (0, b"LZIP", Kind.UNREAD, "lzip stream"),
    (0, b"ptrt", Kind.UNREAD, "TensorRT engine"),
    (0, b"ftrt", Kind.UNREAD, "TensorRT engine"),
    (0, b"RKNN", Kind.UNREAD, "RKNN model"),
    (0, b"IMOD", Kind.UNREAD, "Ascend model"),
    (0, b"LDMK", Kind.UNREAD, "K210 model"),
    (4, b"ET12", Kind.UNREAD, "ExecuTorch program"),
    (0, b"\xac\xed\x00\x05", Kind.UNREAD, "serialized Java object"),
    (0, b"X\n\0\0\0", Kind.R_DATA, "R data"),
    (0, b"B\n\x02\0\0\0", Kind.R_DATA, "R data"),
    (0, b"B\n\x03\0\0\0", Kind.R_DATA, "R data"),
    (0, b"A\n2\n", Kind.R_DATA, "R data"),
    (0, b"A\n3\n", Kind.R_DATA, "R data"),
    (0, b"RDX2\nX\n", Kind.R_DATA, "R data"),
    (0, b"RDX3\nX\n", Kind.R_DATA, "R data"),
    (0, b"RDA2\nA\n", Kind.R_DATA, "R data"),
    (0, b"RDA3\nA\n", Kind.R_DATA, "R data"),
    (0, b"RDB2\nB\n", Kind.R_DATA, "R data"),
    (0, b"RDB3\nB\n", Kind.R_DATA, "R data"),
    (0, b"lmgg", Kind.UNREAD, "GGML file"),
    (0, b"tjgg", Kind.UNREAD, "GGML file"),
    (0, b"fmgg", Kind.UNREAD, "GGML file"),
    (0, b"MZqFpD", Kind.UNREAD, "llamafile"),
    (0, b"CBM1", Kind.BOOSTER, "CatBoost model"),
    (0, b"binf", Kind.BOOSTER, "XGBoost binary"),
    (0, b"PAR1", Kind.FOREIGN, "Parquet"),
    (0, b"ARROW1", Kind.FOREIGN, "Arrow"),
    (0, b"\xff\xff\xff\xff", Kind.FOREIGN, "Arrow stream"),
    (0, b"\x89PNG\r\n\x1a\n", Kind.FOREIGN, "PNG"),
    (0, b"\xff\xd8\xff", Kind.FOREIGN, "JPEG"),
    (0, b"GIF8", Kind.FOREIGN, "GIF"),
    (8, b"WEBP", Kind.FOREIGN, "WebP"),
    (0, b"II*\0", Kind.FOREIGN, "TIFF"),
    (0, b"MM\0*", Kind.FOREIGN, "TIFF"),
    (0, b"BM", Kind.FOREIGN, "bitmap"),
    (0, b"%PDF-", Kind.FOREIGN, "PDF"),
    (0, b"SQLite format 3\0", Kind.DATA, "SQLite"),
    (0, b"RIFF", Kind.FOREIGN, "RIFF"),
    (0, b"OggS", Kind.FOREIGN, "Ogg"),
    (0, b"fLaC", Kind.FOREIGN, "FLAC"),
    (0, b"ID3", Kind.FOREIGN, "MP3"),
    (4, b"ftyp", Kind.FOREIGN, "MP4"),
    (0, b"wOF", Kind.FOREIGN, "font"),
    (0, b"\0\x01\0\0\0", Kind.FOREIGN, "font"),
    (0, b"\x7fELF", Kind.FOREIGN, "ELF program"),
    (0, b"\xcf\xfa\xed\xfe", Kind.FOREIGN, "Mach-O program"),
    (0, b"MZ\x90\0", Kind.FOREIGN, "Windows program"),
    (0, b"\xca\xfe\xba\xbe", Kind.FOREIGN, "Java class"),
)
"""Offset, bytes, what it means, name."""

_BYTES_ENDINGS = frozenset(
    {"safetensors", "gguf", "onnx", "keras", "h5", "hdf5", "pth", "joblib", "tflite", "npy", "npz"}
    | {"skops"}
)
"""Endings of formats that are bytes; old pickles are text, and ``.pt`` is Portuguese too."""

_MODEL_ENDINGS = _BYTES_ENDINGS | {"pt", "pkl", "pickle", "ckpt"}
_WEIGHTS_NAME = late(
    r"(^|/)(pytorch_model|model|adapter_model|diffusion_pytorch_model|consolidated|weights|checkpoint"
    r"|ggml|flax_model|encoder|decoder|openvino_model)[\w.-]*\.bin$",
    re.IGNORECASE,
)
POINTER = "a pointer of Git LFS, and not the model"
_NATIVE = frozenset({"ELF program", "Windows program", "Mach-O program"})

_UBJ = re.compile(rb"\{[LlIiU#]")


def _plain(span: Span, head: bytes, place: _Place) -> Part:
    kind, detail = _plain_kind(span, head)
    if kind is Kind.UNKNOWN and place.name.lower().endswith(".safetensors"):
        kind = Kind.SAFETENSORS  # its reader says what is wrong with the header
    if kind in {Kind.UNKNOWN, Kind.ONNX} and _is_fingerprint(span, place.name):
        kind, detail = Kind.DATA, "fingerprint"
    if kind is Kind.TEXT:
        kind, detail = _text_part(span, head, place)
    elif place.code == AOT and detail in _NATIVE:
        kind, detail = Kind.CODE, AOT
    elif detail in _NATIVE and _claims_model(place.name):
        kind, detail = Kind.CODE, PROGRAM
    return Part(kind, span, place.inner, detail=detail)


def _is_fingerprint(span: Span, name: str) -> bool:
    """A few hashes have no magic; the name that TensorFlow gives them stands in for it."""
    if re.split(r"[/\\\\]", name)[-1] != "fingerprint.pb":
        return False
    from hauberk.formats.tensorflow_kinds import is_fingerprint

    return is_fingerprint(span)


def _claims_model(name: str) -> bool:
    return bool(ending_of(name) in _MODEL_ENDINGS or _WEIGHTS_NAME().search(name))


def _text_part(span: Span, head: bytes, place: _Place) -> tuple[Kind, str]:
    if _claims_model(place.name) and head.startswith(b"#!"):
        return Kind.CODE, PROGRAM
    if _claims_model(place.name) and head.startswith(b"version https://git-lfs"):
        return Kind.UNREAD, POINTER
    if place.inner[-1:] == (SKOPS_SCHEMA,):
        return Kind.SKOPS, "skops schema"
    if place.code and place.name.endswith(".py"):
        return Kind.CODE, place.code
    from hauberk.formats.text_kinds import text_kind

    if found := text_kind(span, head, place.name):
        return Kind.MODEL_TEXT, found
    is_other = ending_of(place.name) in _BYTES_ENDINGS or _WEIGHTS_NAME().search(place.name)
    return (Kind.UNREAD, "text, and no model as its name says") if is_other else (Kind.TEXT, "text")


def _plain_kind(span: Span, head: bytes) -> tuple[Kind, str]:
    if head[8:9] == b"{" and head[5:8] == b"\0\0\0":  # a length below 2**40, then JSON
        return Kind.SAFETENSORS, "safetensors"
    for at, magic, kind, detail in _MAGICS:
        if head[at : at + len(magic)] == magic:
            return kind, detail
    if is_text(head):
        return Kind.TEXT, "text"
    if _UBJ.match(head):
        return Kind.BOOSTER, "UBJSON"
    return _message_kind(span)


def _message_kind(span: Span) -> tuple[Kind, str]:
    """Formats that only their whole structure tells."""
    from hauberk.formats.core_ml import is_core_ml
    from hauberk.formats.onnx_files import is_onnx
    from hauberk.formats.paddle_files import PARAMETERS, is_parameters, is_program
    from hauberk.formats.plain_data import data_kind
    from hauberk.formats.tensorflow_kinds import graph_kind

    data = data_kind(span)
    if data:
        return Kind.DATA, data

    if is_onnx(span):
        return Kind.ONNX, "ONNX"
    if graph := graph_kind(span):
        return Kind.GRAPH, graph
    if is_core_ml(span):
        return Kind.CORE_ML, "Core ML"
    if is_parameters(span):
        return Kind.DATA, PARAMETERS
    return (Kind.PADDLE, "Paddle") if is_program(span) else (Kind.UNKNOWN, "unknown")


def is_text(head: bytes) -> bool:
    """Whether the first bytes are UTF-8 text or a legacy encoding of a language of Europe."""
    if b"\0" in head:
        return head.startswith((b"\xff\xfe", b"\xfe\xff"))
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)  # noqa: PLR2004
    if controls:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 or sum(byte > 127 for byte in head) < len(head) // 4  # noqa: PLR2004
    return True
