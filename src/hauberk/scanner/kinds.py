"""What one file is, by its first bytes; its name only breaks ties.

A file may be two things: an npz archive is a table and may hold pickles, so both are said.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.formats.archives import Trouble, find_zip, list_zip, stream_kind
from hauberk.formats.arrow_types import unpickled_parts
from hauberk.formats.contents import contents
from hauberk.formats.json_objects import ALIKE, HEAD_BYTES, MIN_ROWS, may_hold_rows, outline
from hauberk.formats.jsonlines import first_items, looks_like_array
from hauberk.formats.late_patterns import ending_of
from hauberk.formats.parts import Kind, Part
from hauberk.formats.spans import Span, open_span

_HEAD_BYTES = 1 << 16
_MIN_LINES = 2
_TABLE_LINES = 20

_MODEL_ENDINGS = frozenset(
    """
    pkl pickle joblib jl pt pth ckpt bin model onnx h5 hdf5 keras pb tflite gguf ggml npy npz
    safetensors skops dill mar zip tar tgz gz bz2 xz 7z zst rar pmml ubj cbm pt2 ptl pte
    caffemodel mnn rknn om hef kmodel espdl dlc uff nnef tmfile params weights sav spm bst
    mlmodel mlpackage pdmodel pdparams pdiparams msgpack nemo engine trt plan rds llamafile
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_TABLE_ENDINGS = frozenset({"csv", "tsv", "tab", "jsonl", "ndjson"})


_MOST_ROWS = 0.8
"""Share of an object that is rows where settings stand beside them."""

_TEXT_BYTES = bytes([0, 9, 10, 13, *range(32, 127), *range(160, 256)])
_STRAY = 0.02
"""Share of other bytes in what is text all the same."""


class FileKind(StrEnum):
    """What a file is taken for.

    ``OTHER`` is content that no control looks at: pictures, fonts, programs, unknown bytes
    whose name claims nothing.
    """

    MODEL = "model file"
    TABLE = "table"
    TABLE_AND_MODEL = "table that may hold pickles"
    TEXT = "text"
    TEXT_OF_TABLES = "JSON object of several tables"
    TEXT_AND_MODEL = "text that loaders of models read"
    OTHER = "other"
    UNREADABLE = "unreadable"


def kind_of(path: Path) -> FileKind:
    """What the file at ``path`` is; never raises for what it holds."""
    try:
        with open_span(path) as span:
            kind = _kind_of(span, path.name)
            is_object = kind is FileKind.TEXT and may_hold_rows(span.read(0, HEAD_BYTES))
        return _kind_of_object(path) if is_object else kind
    except HauberkError:
        return FileKind.UNREADABLE


class Rows(StrEnum):
    """Whether arrays look like data, and where from: weights come in the same files."""

    NONE = "none"
    ARRAY = "one array of plain values"
    ARCHIVE = "an archive with the array X"


def rows_in(path: Path) -> Rows:
    """What a file of arrays holds for somebody who wants rows."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return Rows.ARCHIVE if "X.npy" in archive.namelist() else Rows.NONE
    except (OSError, ValueError, zipfile.BadZipFile):
        return Rows.ARRAY if _is_plain_array(path) else Rows.NONE


def _is_plain_array(path: Path) -> bool:
    """Whether an npy file holds numbers or strings and no records."""
    from hauberk.formats.numpy_files import read_npy_header

    try:
        with open_span(path) as span:
            return isinstance(read_npy_header(span).descr, str)
    except HauberkError:
        return True  # a damaged array is told as one


def _kind_of(span: Span, name: str) -> FileKind:
    packed = _kind_of_packed(span, name)
    return packed or _kind_of_plain(span, name)


def _kind_of_packed(span: Span, name: str) -> FileKind | None:
    """By the first bytes alone: unpacking it once, when it is judged, is enough."""
    head = span.read(0, 16)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(span)
    kind = stream_kind(head)
    is_stream = kind in {"gzip", "bz2", "xz", "zstd", "lz4"}
    is_stream = is_stream or (kind == "zlib" and ending_of(name) in _MODEL_ENDINGS)
    return FileKind.MODEL if is_stream or head.startswith(b"7z\xbc\xaf\x27\x1c") else None


def _kind_of_plain(span: Span, name: str) -> FileKind:
    first = next(contents(span, name), None)
    if first is None or isinstance(first, Trouble) or first.inner:
        is_npz = isinstance(first, Part) and first.kind is Kind.NPY
        return FileKind.TABLE_AND_MODEL if is_npz else FileKind.MODEL
    if first.kind in {Kind.TEXT, Kind.MODEL_TEXT}:
        return _kind_of_text(span, name, first.kind)
    if first.kind is Kind.FOREIGN:
        return _kind_of_foreign(span, first.detail)
    if first.kind in {Kind.UNKNOWN, Kind.EMPTY}:
        return _kind_of_unknown(span, name, is_empty=first.kind is Kind.EMPTY)
    return FileKind.TABLE_AND_MODEL if first.kind is Kind.NPY else FileKind.MODEL


def _kind_of_unknown(span: Span, name: str, *, is_empty: bool) -> FileKind:
    """By its name; a table may hold control characters, and its reader says the rest."""
    ending = ending_of(name)
    if ending in _MODEL_ENDINGS:
        return FileKind.MODEL
    is_table = ending in _TABLE_ENDINGS
    if is_empty:
        return FileKind.OTHER if is_table else FileKind.TEXT  # an empty `__init__.py` is code
    is_table = is_table and _is_nearly_text(span.read(0, _HEAD_BYTES))
    return FileKind.TABLE if is_table else FileKind.OTHER


def _is_nearly_text(head: bytes) -> bool:
    """Whether it is text but for a few bytes, or text of two bytes a character without a mark."""
    return len(head.translate(None, _TEXT_BYTES)) <= _STRAY * len(head)


def _kind_of_foreign(span: Span, detail: str) -> FileKind:
    """A table whose schema holds a pickle is what a model file is: something that is loaded."""
    if detail not in {"Parquet", "Arrow"}:
        return FileKind.OTHER
    is_loaded = next(unpickled_parts(span), None) is not None
    return FileKind.TABLE_AND_MODEL if is_loaded else FileKind.TABLE


def _kind_of_zip(span: Span) -> FileKind:
    """By its directory alone: unpacking it once, when it is judged, is enough."""
    end = find_zip(span)
    try:
        names = [entry.name for entry in list_zip(span, end).entries] if end is not None else []
    except HauberkError:
        return FileKind.MODEL
    is_npz = bool(names) and all(name.endswith(".npy") for name in names)
    return FileKind.TABLE_AND_MODEL if is_npz else FileKind.MODEL


def _kind_of_text(span: Span, name: str, kind: Kind) -> FileKind:
    if kind is Kind.MODEL_TEXT:
        return FileKind.TEXT_AND_MODEL
    return FileKind.TABLE if _is_table(span, name) else FileKind.TEXT


def _kind_of_object(path: Path) -> FileKind:
    """One array of many objects that is nearly all of the file is a table; several are told."""
    found = outline(path)
    if found is None or not found.is_whole or not found.tables:
        return FileKind.TEXT
    if len(found.tables) > 1:
        return FileKind.TEXT_OF_TABLES
    is_data = not found.is_nested or found.share >= _MOST_ROWS
    return FileKind.TABLE if is_data else FileKind.TEXT


def _is_table(span: Span, name: str) -> bool:
    """Whether text is made of rows: its name says so, or its first lines agree."""
    if ending_of(name) in _TABLE_ENDINGS:
        return True
    first = span.read(0, _HEAD_BYTES)
    if looks_like_array(first):
        return _is_array_of_rows(first, is_whole=span.size <= _HEAD_BYTES)
    head = first.decode("utf-8", "replace")
    lines = head.splitlines()[: _TABLE_LINES + 1]
    whole = lines if span.size <= _HEAD_BYTES else lines[:-1]
    if len(whole) < _MIN_LINES:
        return False
    return _are_records(whole) or any(_are_rows(whole, mark) for mark in ",;\t|")


def _is_array_of_rows(head: bytes, *, is_whole: bool) -> bool:
    """Whether an array holds many objects with nearly the same names, as settings do not."""
    rows = first_items(head)
    if len(rows) < (MIN_ROWS if is_whole else _MIN_LINES):
        return False
    names = [frozenset(row) for row in rows]
    common, every = frozenset.intersection(*names), frozenset.union(*names)
    return bool(common) and len(common) >= ALIKE * len(every)


def _are_records(lines: list[str]) -> bool:
    import json

    try:
        return all(isinstance(json.loads(line), dict) for line in lines if line.strip())
    except (ValueError, RecursionError):
        return False


def _are_rows(lines: list[str], mark: str) -> bool:
    """Whether all lines have as many cells as the first, whose cells are names."""
    import csv

    try:
        rows = [row for row in csv.reader(lines, delimiter=mark) if row]
    except csv.Error:
        return False
    header = rows[0] if rows else []
    are_names = all(re.fullmatch(r"[^\n{}()=<>]{1,64}", cell.strip()) for cell in header)
    is_wide = len(header) > 1 and len(rows) >= _MIN_LINES
    return is_wide and are_names and all(len(row) == len(header) for row in rows)
