"""NumPy's npy and npz files without NumPy's loader.

The header of an npy file (NEP 1) is a Python literal, read here with `ast.literal_eval`
after its length was checked. Arrays of objects, which are pickles, structured types and
shapes that do not fit the bytes are refused. An npz is a zip of npy files: members may not
overlap, repeat, be encrypted or expand beyond the bounds, and they are read as a stream,
so that the size of an array never decides how much memory is used.
"""

from __future__ import annotations

import ast
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from hauberk.core.artifact import Batch
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.batches import MAX_COLUMNS, check_names, rows_per_batch

MAX_HEADER_BYTES = 10_000
"""As NumPy's own limit: `ast.literal_eval` may not be fed more of a stranger's text."""

MAX_ARRAY_BYTES = 16 << 30
"""Declared size of one array; above what one machine trains on from a single file."""

MAX_ORDERED_BYTES = 1 << 30
"""An array in Fortran order must be held whole to be cut into rows."""

MAX_RATIO = 250
"""Expansion of a compressed member beyond `FREE_BYTES`; real arrays reach some tens."""

FREE_BYTES = 256 << 20
"""Below this size a high ratio (an array of zeros) costs nothing."""

MAX_MEMBERS = 256

USUAL = ("X", "y")
"""Names of features and labels where nobody says others."""

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"

_DTYPE = re.compile(
    r"[<>|=]?(b1|[iu][1248]|f[248]|[US][0-9]{1,7}|[mM]8\[[0-9]{0,9}(?:[YMWDhms]|[munpfa]s)\])"
)
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_LOCAL_HEADER_BYTES = 30
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an npy file says of itself.

    Attributes:
        dtype: NumPy's short form, such as ``<f8``.
        row_bytes: Bytes of one element of the first axis.
    """

    dtype: str
    shape: tuple[int, ...]
    ordered: bool
    item_bytes: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.item_bytes * math.prod(self.shape[1:])

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole array."""
        return self.item_bytes * math.prod(self.shape)


Opener = Callable[[], IO[bytes]]


def open_arrays(path: Path, arrays: tuple[str, str]) -> tuple[Any, Any]:
    """An Arrow schema for the npy or npz file at ``path`` and its pass.

    The first of ``arrays`` names the features, the second the labels; further arrays with
    one value per row become columns too. A matrix becomes one column per value, an array
    of more axes one column of tensors.

    Raises:
        ArtifactError: The file breaks a rule of its format or a bound.
        UsageError: An npz lacks the arrays asked for; names those that it has.
    """
    members = _members(path)
    headers = {name: _header_of(opener, path, name) for name, opener in members.items()}
    chosen = _choose(headers, arrays, path)
    n_rows = headers[chosen[0]].shape[0]
    schema = _schema({name: headers[name] for name in chosen}, path)
    parts = {name: (members[name], headers[name]) for name in chosen}
    return schema, lambda: _batches(parts, schema, n_rows, path)


def _members(path: Path) -> dict[str, Opener]:
    """Name to opener of each npy stream; a bare npy file has the name ``X``."""
    with path.open("rb") as file:
        if file.read(len(NPY_MAGIC)) == NPY_MAGIC:
            return {"X": lambda: path.open("rb")}
    infos = _checked_members(path)
    return {name.removesuffix(".npy"): _opener(path, name) for name in infos}


def _opener(path: Path, name: str) -> Opener:
    def open_member() -> IO[bytes]:
        archive = zipfile.ZipFile(path)
        return archive.open(name)

    return open_member


def _checked_members(path: Path) -> tuple[str, ...]:
    """Names of the members after the rules for archives were checked."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        _refuse(path, "a readable zip archive", type(error).__name__)
    names = [info.filename for info in infos]
    if not 0 < len(names) <= MAX_MEMBERS or len(set(names)) < len(names):
        _refuse(path, f"1 to {MAX_MEMBERS} members with different names", f"{len(names)} members")
    for info in infos:
        _check_member(info, path)
    _check_overlap(infos, path)
    return tuple(names)


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    if not info.filename.endswith(".npy"):
        _refuse(path, "members that end in .npy", repr(info.filename[:100]))
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        _refuse(path, "stored or deflated members", f"{info.filename!r} packed in another way")
    if info.file_size > MAX_ARRAY_BYTES + MAX_HEADER_BYTES:
        _refuse(path, f"at most {MAX_ARRAY_BYTES} bytes an array", f"{info.file_size} bytes")
    if info.file_size > FREE_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        _refuse(
            path,
            f"an expansion of at most {MAX_RATIO}",
            f"{info.file_size} bytes out of {info.compress_size}",
        )


def _check_overlap(infos: list[zipfile.ZipInfo], path: Path) -> None:
    """Members that share bytes expand without bound (quoted-overlap bombs)."""
    end = 0
    for info in infos:
        if info.header_offset < end:
            _refuse(path, "members that do not overlap", f"{info.filename!r} starts inside another")
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
        end += len(info.filename.encode("utf-8", "replace"))
    if end > path.stat().st_size:
        _refuse(path, "members inside the file", "a member that ends beyond it")


# Headers -----------------------------------------------------------------------------


def _header_of(opener: Opener, path: Path, name: str) -> Header:
    with _reading(path), opener() as stream:
        header = read_header(stream, path)
    if not header.shape:
        _refuse(path, "arrays with at least one axis", f"a single value as {name!r}")
    return header


def read_header(stream: IO[bytes], path: Path) -> Header:
    """Read and check the header; leaves ``stream`` at the first byte of the data.

    Raises:
        ArtifactError: It is no header of a plain numeric or string array.
    """
    start = stream.read(len(NPY_MAGIC) + 2)
    if not start.startswith(NPY_MAGIC) or start[-2] not in _LENGTH_BYTES:
        _refuse(path, "the magic bytes of npy 1.0 to 3.0", "other bytes")
    length = int.from_bytes(stream.read(_LENGTH_BYTES[start[-2]]), "little")
    if length > MAX_HEADER_BYTES:
        _refuse(path, f"a header of at most {MAX_HEADER_BYTES} bytes", f"{length} bytes")
    return _parse_header(stream.read(length), path)


def _parse_header(raw: bytes, path: Path) -> Header:
    try:
        # Python 2 wrote long integers with an L, and numpy still reads them.
        text = re.sub(r"\b(\d+)L\b", r"\1", raw.decode("utf-8").strip())
        fields = ast.literal_eval(text)
        descr, ordered, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        _refuse(path, "a dictionary with descr, fortran_order and shape", "something else")
    if not isinstance(descr, str) or not _DTYPE.fullmatch(descr):
        _refuse(path, "numbers, truth values, times or strings of fixed length", _named(descr))
    if not isinstance(shape, tuple) or not all(_is_size(size) for size in shape):
        _refuse(path, "a shape of integers from 0 on", "another shape")
    header = Header(dtype=descr, shape=shape, ordered=bool(ordered), item_bytes=_item_bytes(descr))
    if header.n_bytes > MAX_ARRAY_BYTES or header.row_bytes > MAX_ARRAY_BYTES:
        _refuse(path, f"at most {MAX_ARRAY_BYTES} bytes an array", f"{header.n_bytes} declared")
    return header


def _named(descr: Any) -> str:
    if isinstance(descr, str) and "O" in descr:
        return "an array of Python objects, which is a pickle"
    return "a structured or unknown type"


def _is_size(size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and size >= 0


def _item_bytes(descr: str) -> int:
    plain = descr.lstrip("<>|=").partition("[")[0]
    kind, number = plain[0], int(plain[1:])
    return number * 4 if kind == "U" else number


# Rows --------------------------------------------------------------------------------


def _choose(headers: Mapping[str, Header], arrays: tuple[str, str], path: Path) -> tuple[str, ...]:
    """The features, then every other array that has one value for each row."""
    features, labels = arrays
    # Rows without labels are data too; only what somebody named must be there.
    is_optional = len(headers) == 1 or (arrays == USUAL and labels not in headers)
    wanted = (features,) if is_optional else (features, labels)
    for name in wanted:
        if name not in headers:
            raise UsageError(
                f"The archive has no array {name!r}",
                subject=str(path),
                expected=" and ".join(map(repr, wanted)),
                found=", ".join(sorted(headers)),
                hint="Name the arrays: --arrays X=features,y=labels",
            )
    n_rows = headers[features].shape[0]
    if labels in headers and headers[labels].shape != (n_rows,):
        _refuse(path, f"one label for each of {n_rows} rows", f"shape {headers[labels].shape}")
    others = [
        name for name, header in headers.items() if name != features and header.shape == (n_rows,)
    ]
    return (features, *others)


def _schema(headers: Mapping[str, Header], path: Path) -> Any:
    import pyarrow as pa

    fields = []
    for name, header in headers.items():
        if header.row_bytes > MAX_ORDERED_BYTES:
            _refuse(path, f"rows of at most {MAX_ORDERED_BYTES} bytes", f"{header.row_bytes}")
        if len(header.shape) == 2 and header.shape[1] <= MAX_COLUMNS:  # noqa: PLR2004 - a matrix
            kind = _arrow_type(header)
            fields += [(f"{name}_{i}", kind) for i in range(header.shape[1])]
        elif len(header.shape) > 1:
            _check_tensor(header, path)
            fields.append((name, pa.fixed_shape_tensor(_arrow_type(header), header.shape[1:])))
        else:
            fields.append((name, _arrow_type(header)))
    schema = pa.schema(fields)
    check_names(schema.names, str(path))
    return schema


def _check_tensor(header: Header, path: Path) -> None:
    if 0 in header.shape[1:] or header.dtype.lstrip("<>|=")[0] in "USbmM":
        _refuse(path, "tensors of numbers that hold something", f"{header.dtype} {header.shape}")


def _arrow_type(header: Header) -> Any:
    import numpy as np
    import pyarrow as pa

    dtype = np.dtype(header.dtype)
    if dtype.kind in "US":
        return pa.string()
    if dtype.kind in "mM":
        return pa.timestamp("us") if dtype.kind == "M" else pa.duration("us")
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def _batches(
    parts: Mapping[str, tuple[Opener, Header]], schema: Any, n_rows: int, path: Path
) -> Iterator[Batch]:
    import pyarrow as pa

    row_bytes = sum(header.row_bytes for _, header in parts.values())
    step = rows_per_batch(row_bytes)
    with ExitStack() as stack, _reading(path):
        readers = [_Rows(stack.enter_context(opener()), path) for opener, _ in parts.values()]
        for start in range(0, n_rows, step):
            count = min(step, n_rows - start)
            columns = [column for reader in readers for column in _columns(reader.take(count))]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
        for reader in readers:
            reader.finish()


class _Rows:
    """The rows of one array as a stream."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path = stream, path
        self._header = read_header(stream, path)
        self._next = 0
        self._whole = self._read_ordered() if self._is_transposed() else None

    def _is_transposed(self) -> bool:
        return self._header.ordered and len(self._header.shape) > 1

    def _read_ordered(self) -> Any:
        import numpy as np

        if self._header.n_bytes > MAX_ORDERED_BYTES:
            _refuse(
                self._path,
                f"at most {MAX_ORDERED_BYTES} bytes in Fortran order",
                f"{self._header.n_bytes} bytes",
            )
        raw = self._exactly(self._header.n_bytes)
        return np.frombuffer(raw, self._header.dtype).reshape(self._header.shape, order="F")

    def take(self, count: int) -> Any:
        """The next ``count`` rows as an array of native byte order."""
        import numpy as np

        shape = (count, *self._header.shape[1:])
        if self._whole is not None:
            rows = self._whole[self._next : self._next + count]
        else:
            raw = self._exactly(count * self._header.row_bytes)
            rows = np.frombuffer(raw, self._header.dtype).reshape(shape)
        self._next += count
        if rows.dtype.kind in "mM":
            return np.ascontiguousarray(rows.astype(f"{rows.dtype.kind}8[us]"))
        return np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("="))

    def finish(self) -> None:
        """Check that the array ends where its shape says."""
        if self._stream.read(1):
            _refuse(self._path, "no bytes behind the last row", "more bytes")

    def _exactly(self, size: int) -> bytes:
        parts = []
        left = size
        while left and (part := self._stream.read(min(left, _CHUNK))):
            parts.append(part)
            left -= len(part)
        if left:
            _refuse(self._path, f"{size} bytes", f"an end after {size - left}")
        return b"".join(parts)


def _columns(rows: Any) -> list[Any]:
    import numpy as np
    import pyarrow as pa

    if rows.ndim == 2 and rows.shape[1] <= MAX_COLUMNS:  # noqa: PLR2004 - a matrix
        return [pa.array(column) for column in np.ascontiguousarray(rows.T)]
    if rows.ndim > 1:
        return [pa.FixedShapeTensorArray.from_numpy_ndarray(rows)]
    if rows.dtype.kind == "S":
        return [pa.array([item.decode("latin-1") for item in rows.tolist()], pa.string())]
    return [pa.array(rows)]


class _reading:  # noqa: N801 - reads as a statement: ``with _reading(path):``
    """Turns what a broken archive makes the decoders raise into `ArtifactError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        broken = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
        if isinstance(error, broken):
            _refuse(self._path, "a whole archive", type(error).__name__)


def _refuse(path: Path, expected: str, found: str) -> NoReturn:
    raise ArtifactError(
        "The array file breaks a rule of its format",
        subject=str(path),
        rule="arrays are plain numbers or strings, and as large as they say",
        expected=expected,
        found=found,
        hint="Write it again with numpy.savez_compressed from plain arrays.",
    )
