"""Delimited text (CSV and kin): a bounded guess of the dialect, then Arrow's reader.

How it is read, because what a file means must not depend on the reader's mood:

1. Encoding: a byte-order mark decides; else UTF-8 if the whole file is valid UTF-8; else
   Latin-1, in which every byte is a character. A NUL byte outside UTF-16 is refused.
2. Delimiter: the one of ``, ; tab |`` that cuts the first lines into the same number of
   fields, more than one; a comma where none does. Quotes are double quotes.
3. The first row is the header unless every field of it is a number.
4. Types: one pass over the whole file finds the narrowest of integer, floating point,
   time stamp and string that holds every cell of a column. A number with a leading zero
   (a postcode) makes the column a string. `MISSING` spellings count as missing in columns
   of numbers and times; in columns of strings only the empty cell does.
5. A row with another number of fields than the header is refused, never padded or skipped.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Batch
from hauberk.errors import ArtifactError
from hauberk.formats.batches import bounded, check_names

MAX_ROW_BYTES = 4 << 20
"""A row must fit into one block of the reader; a longer one is an unclosed quote or a bomb."""

SNIFF_BYTES = 64 << 10
"""The dialect is guessed from this much, so that guessing costs the same for any file."""

SNIFF_ROWS = 50

DELIMITERS = (",", ";", "\t", "|")

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "?")

_LOSSY_NUMBER = r"^[+-]?0[\dxX]"
"""A leading zero, or hexadecimal: the number would not say which text it was."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one file is written.

    Attributes:
        names: Column names, unique and not empty.
        header_lines: Physical lines up to the end of the header, 0 where there is none.
        has_rows: Whether anything follows the header.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    header_lines: int
    has_rows: bool = True


def open_delimited(path: Path) -> tuple[Any, Any]:
    """An Arrow schema for the file at ``path`` and a function that opens a pass over it.

    Raises:
        ArtifactError: The file is not a table of one width, or breaks a bound.
    """
    dialect = sniff(path)
    schema = _infer(path, dialect)
    return schema, lambda: _batches(path, dialect, schema)


def sniff(path: Path) -> Dialect:
    """Guess the dialect from the first rows and the encoding from all bytes."""
    encoding = _encoding(path)
    text = _head(path, encoding)
    delimiter = max(DELIMITERS, key=lambda mark: _regularity(text, mark))
    rows, line = _rows(text, delimiter)
    if not rows:
        raise _refusal("The table has no rows", path, expected="a header", found="no text")
    header = not all(_is_number(cell) for cell in rows[0])
    names = [name.strip() for name in rows[0]] if header else [""] * len(rows[0])
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        names=check_names(names, str(path)),
        header_lines=line if header else 0,
        has_rows=not header or bool("".join(text.splitlines(keepends=True)[line:])),
    )


def _head(path: Path, encoding: str) -> str:
    """The first `SNIFF_BYTES`, or more where the first line is longer than that."""
    with path.open("rb") as file:
        head = file.read(SNIFF_BYTES)
        if b"\n" not in head and b"\r" not in head:
            head += file.read(MAX_ROW_BYTES)
        whole = not file.read(1)
    return codecs.getincrementaldecoder(encoding)("replace").decode(head, whole)


def _encoding(path: Path) -> str:
    """``utf-8-sig``, ``utf-16`` or ``latin-1``; see point 1 of the module."""
    with path.open("rb") as file:
        mark = file.read(4)
        file.seek(0)
        if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        encoding = "utf-8-sig"
        while chunk := file.read(_CHUNK):
            _refuse_nul(chunk, path)
            encoding = encoding if _decodes(decoder, chunk) else "latin-1"
        return encoding if _decodes(decoder, b"", final=True) else "latin-1"


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_nul(chunk: bytes, path: Path) -> None:
    if b"\0" in chunk:
        raise _refusal(
            "The file holds NUL bytes and is no text", path, expected="text", found="binary data"
        )


def _rows(text: str, delimiter: str) -> tuple[list[list[str]], int]:
    """The first rows as Python's reader sees them, and the line on which the first ends.

    The last row, perhaps cut, is left out where there are others.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    line = 0
    try:
        for row in reader:
            line = line or (reader.line_num if row else 0)
            rows.append(row)
            if len(rows) > SNIFF_ROWS:
                break
    except csv.Error:  # a field beyond the csv module's own limit ends the sample
        pass
    rows = [row for row in rows if row]
    return (rows[:-1] if len(rows) > 1 else rows), line


def _regularity(text: str, delimiter: str) -> tuple[bool, float, int]:
    """How much ``delimiter`` looks like one: more than one field, evenly, many."""
    widths = [len(row) for row in _rows(text, delimiter)[0]]
    if not widths or widths[0] < 2:  # noqa: PLR2004 - a delimiter makes at least two fields
        return (False, 0.0, 0)
    return (True, widths.count(widths[0]) / len(widths), widths[0])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _batches(path: Path, dialect: Dialect, schema: Any) -> Iterator[Batch]:
    """One pass with known types."""
    return bounded(_read(path, dialect, {field.name: field.type for field in schema}))


def _read(path: Path, dialect: Dialect, types: dict[str, Any]) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    bad: list[Any] = []
    n_read = 0
    if not dialect.has_rows:
        return

    def keep(row: Any) -> str:
        bad.append(row)
        return "error"

    try:
        reader = arrow.open_csv(
            path,
            read_options=arrow.ReadOptions(
                use_threads=False,  # with threads a bad row has no number
                block_size=MAX_ROW_BYTES,
                column_names=list(dialect.names),
                skip_rows=dialect.header_lines,
                encoding="utf8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
            ),
            parse_options=arrow.ParseOptions(
                delimiter=dialect.delimiter,
                newlines_in_values=True,
                invalid_row_handler=keep,
                # An empty line in a table of one column is a missing cell, not nothing.
                ignore_empty_lines=len(dialect.names) > 1,
            ),
            convert_options=arrow.ConvertOptions(
                column_types=types, null_values=list(MISSING), strings_can_be_null=False
            ),
        )
        for batch in reader:
            yield _blank_to_null(batch)
            n_read += batch.num_rows
    except pa.ArrowInvalid as error:
        raise _explain(path, dialect, bad, error, n_read) from None
    except UnicodeDecodeError:
        raise _refusal(
            "The text ends inside a character", path, expected=dialect.encoding, found="other bytes"
        ) from None


def _blank_to_null(batch: Any) -> Any:
    """Empty strings as missing cells, as point 4 of the module says."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
        if pa.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _explain(
    path: Path, dialect: Dialect, bad: list[Any], error: Exception, n_read: int
) -> ArtifactError:
    """Arrow's complaint as ours, without the raw row that Arrow quotes.

    Args:
        n_read: Rows of the blocks before, which had nothing wrong.
    """
    width = len(dialect.names)
    if bad:
        row = bad[0]
        return _refusal(
            f"Row {row.number} has {row.actual_columns} fields where the header has {width}",
            path,
            expected=f"{width} fields in every row",
            found=f"{row.actual_columns} fields in row {row.number}",
        )
    if "straddling" in str(error):
        return _refusal(
            "A row is too long or a quote is never closed",
            path,
            expected=f"at most {MAX_ROW_BYTES} bytes a row",
            found=f"a longer row, or an open quote, after row {n_read} (the header left out)",
        )
    return _refusal("The file changed or does not parse", path, expected="the same file", found="")


def _refusal(message: str, path: Path, *, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        message,
        subject=str(path),
        rule="a delimited table has one width and fits its bounds",
        expected=expected,
        found=found or "something else",
        hint="Repair the file where it is made; nothing was skipped or filled in.",
    )


# Types -------------------------------------------------------------------------------


def _infer(path: Path, dialect: Dialect) -> Any:
    """The schema by point 4 of the module: the first type that every cell of a column fits."""
    import pyarrow as pa

    ladder = (pa.int64(), pa.float64(), pa.timestamp("us"))
    open_types = {name: list(ladder) for name in dialect.names}
    filled = dict.fromkeys(dialect.names, False)
    for batch in _read(path, dialect, dict.fromkeys(dialect.names, pa.string())):
        for name in filter(open_types.get, dialect.names):
            cells = _present(batch.column(name))
            filled[name] = filled[name] or len(cells) > 0
            open_types[name] = _still_open(cells, open_types[name])
    return pa.schema(
        [
            (name, open_types[name][0] if open_types[name] and filled[name] else pa.string())
            for name in dialect.names
        ]
    )


def _present(cells: Any) -> Any:
    """The cells that are not missing for a number or a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.is_in(cells, value_set=pa.array(MISSING))
    return cells.filter(pc.and_(pc.is_valid(cells), pc.invert(missing)))


def _still_open(cells: Any, kinds: list[Any]) -> list[Any]:
    """Those of ``kinds`` (a part of the ladder) that fit ``cells`` too."""
    if not len(cells):
        return kinds
    for position, kind in enumerate(kinds):
        if _fits(cells, kind):
            # Integers are floating-point numbers too; neither reads as a time stamp.
            return [later for later in kinds[position:] if _is_time(later) == _is_time(kind)]
    return []


def _is_time(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_timestamp(kind))


def _fits(cells: Any, kind: Any) -> bool:
    """Whether every cell reads as ``kind`` and loses nothing by it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        cells.cast(kind)
    except pa.ArrowInvalid:
        return False
    if _is_time(kind):
        return True
    return not pc.any(pc.match_substring_regex(cells, _LOSSY_NUMBER), min_count=0).as_py()
