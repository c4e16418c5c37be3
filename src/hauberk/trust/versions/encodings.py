"""Parquet files made again from the rows of an older one: an edit costs its rows, not their pages.

One changed value changes a whole compressed page, and a new value in a dictionary the width of
every number behind it. So where the pages of a file would cost much, and the writer that is
installed here makes exactly its bytes of its rows, what is kept is the patch between the rows
of both versions, as text, and how the writer was set. Reading does the same again and compares
the digest, as for every part: bytes that another writer would make are refused, never believed.

That writer is named in the part. Another version of it may make other bytes; reading then says
which one to install. Hence this is done only where it is asked for (`hauberk data add --by-rows`),
and a file that was written by another program, or is not made again here, is kept by its pages.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats.columnar import MAX_STRING_BYTES
from hauberk.trust.fields import Fields
from hauberk.trust.versions import patches

MAX_BYTES: Final = 48 << 20
"""Largest file that is made again; it, its rows and their text are held in memory."""

MAX_TEXT: Final = patches.MAX_BYTES
_MAGIC: Final = b"PAR1"
_MAX_SCHEMA: Final = 1 << 20
_MAX_PAGES: Final = 256 << 20
_BATCH: Final = 8_192
_CODECS: Final = {
    "UNCOMPRESSED": "none",
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "ZSTD": "zstd",
    "LZ4": "lz4",
    "BROTLI": "brotli",
}
_PLAIN: Final = ("bool", "int", "uint", "halffloat", "float", "double", "string", "large_string")
_DATED: Final = ("date32", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a file is made of the text of its rows.

    Attributes:
        program: Version of pyarrow.
        schema: Of the table, as an Arrow IPC message; what metadata it has is part of the file.
        codec: Compression of every column.
        version: Of the format.
        pages: Version of data pages.
        dictionary: Whether values are numbered.
        by_content: Whether pages end where the content says.
        group_rows: Rows in a group; 0 for the writer's own number.
    """

    program: str
    schema: bytes
    codec: str
    version: str
    pages: str
    dictionary: bool
    by_content: bool
    group_rows: int

    def document(self) -> dict[str, Any]:
        """The encoding as JSON."""
        return {
            "by_content": self.by_content,
            "codec": self.codec,
            "dictionary": self.dictionary,
            "group_rows": self.group_rows,
            "pages": self.pages,
            "program": self.program,
            "schema": base64.b64encode(zlib.compress(self.schema, 9)).decode(),
            "version": self.version,
        }

    @classmethod
    def of(cls, value: Any) -> Encoding:
        """The encoding that `document` spelt.

        Raises:
            ArtifactError: It is none.
        """
        fields = Fields.of(value, "encoding")
        fields.only(*cls.__slots__)
        return cls(
            program=fields.text("program"),
            schema=_schema_bytes(fields.text("schema")),
            codec=_one_of(fields.text("codec"), tuple(_CODECS.values())),
            version=_one_of(fields.text("version"), ("1.0", "2.4", "2.6")),
            pages=_one_of(fields.text("pages"), ("1.0", "2.0")),
            dictionary=fields.flag("dictionary"),
            by_content=fields.flag("by_content"),
            group_rows=fields.count("group_rows"),
        )


def _schema_bytes(text: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(base64.b64decode(text, validate=True), _MAX_SCHEMA)
    except (ValueError, zlib.error) as error:
        raise _malformed("a compressed schema") from error
    if not inflater.eof:
        raise _malformed(f"a schema of at most {_MAX_SCHEMA} bytes")
    return found


def _one_of(found: str, known: tuple[str, ...]) -> str:
    if found not in known:
        raise _malformed(" or ".join(known))
    return found


def may_be(data: bytes) -> bool:
    """Whether `recognised` is worth a try."""
    return data.startswith(_MAGIC) and len(data) <= MAX_BYTES


def recognised(data: bytes) -> tuple[Encoding, bytes] | None:
    """How ``data`` was made of its rows, and their text; ``None`` where it is not made again."""
    if not may_be(data):
        return None
    try:
        import pyarrow as pa

        file = _opened(data)
        if not _is_ours(file.metadata, file.schema_arrow, pa.__version__):
            return None
        text = _text_of(file)
        candidates = _candidates(file.metadata, file.schema_arrow.serialize().to_pybytes())
        found = (one for one in candidates if _encoded(one, text) == data)
        encoding = next(found, None)
    except (ImportError, OSError, ValueError, TypeError, KeyError, NotImplementedError):
        return None  # pyarrow's errors are of these; whatever is odd is kept by its pages
    return None if encoding is None else (encoding, text)


def _opened(data: bytes) -> Any:
    """The file, within the bounds that every Parquet file is read in."""
    from pyarrow import parquet

    return parquet.ParquetFile(
        io.BytesIO(data),
        pre_buffer=False,
        thrift_string_size_limit=MAX_STRING_BYTES,
        thrift_container_size_limit=MAX_BYTES,
    )


def _is_ours(metadata: Any, schema: Any, program: str) -> bool:
    """Whether this very program wrote it, with columns whose text says everything."""
    return (
        metadata.created_by == f"parquet-cpp-arrow version {program}"
        and metadata.num_rows > 0
        and 0 < metadata.num_columns == len(schema)
        and len(set(schema.names)) == len(schema)
        and all(_is_plain(str(one.type)) for one in schema)
    )


def _is_plain(kind: str) -> bool:
    return kind.rstrip("0123456789") in _PLAIN or kind.startswith(_DATED)


def _text_of(file: Any) -> bytes:
    """Rows as text, a line each. What reading it again does not give is no text of the rows."""
    import pyarrow as pa
    from pyarrow import csv

    metadata = file.metadata
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    cells = metadata.num_rows * metadata.num_columns
    if cells > MAX_TEXT // 2 or sum(one.total_byte_size for one in groups) > _MAX_PAGES:
        raise ValueError("more than is held in memory")
    sink = io.BytesIO()
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
        csv.write_csv(pa.Table.from_batches([batch]), sink, options)
        if sink.tell() > MAX_TEXT:
            raise ValueError("more than is held in memory")
    return sink.getvalue()


def _candidates(metadata: Any, schema: bytes) -> Iterator[Encoding]:
    """Settings that the file's own metadata leaves open, usual ones first."""
    import pyarrow as pa

    group, column = metadata.row_group(0), metadata.row_group(0).column(0)
    for pages in ("1.0", "2.0"):
        for by_content in (False, True):
            yield Encoding(
                program=pa.__version__,
                schema=schema,
                codec=_CODECS[column.compression],
                version=metadata.format_version,
                pages=pages,
                dictionary=any("DICTIONARY" in one for one in column.encodings),
                by_content=by_content,
                group_rows=group.num_rows if metadata.num_row_groups > 1 else 0,
            )


def text_of(data: bytes) -> bytes:
    """The text of the rows of a file that was kept before.

    Raises:
        ArtifactError: It is no such file.
    """
    try:
        return _text_of(_opened(data))
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise _malformed("a Parquet file of plain columns") from error


def encoded(encoding: Encoding, text: bytes) -> bytes:
    """The file that ``text`` makes; whoever asks compares its digest.

    Raises:
        ArtifactError: The text does not fit the schema.
        UnavailableError: The writer is not installed.
    """
    try:
        return _encoded(encoding, text)
    except ImportError as error:
        raise another_writer(encoding.program, "none") from error
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise _malformed("rows of the table's columns") from error


def _encoded(encoding: Encoding, text: bytes) -> bytes:
    import pyarrow as pa
    from pyarrow import csv, parquet

    schema = pa.ipc.read_schema(pa.py_buffer(encoding.schema))
    table = csv.read_csv(
        io.BytesIO(text),
        read_options=csv.ReadOptions(
            column_names=schema.names, use_threads=False, block_size=max(len(text), 1)
        ),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={one.name: one.type for one in schema},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
            timestamp_parsers=[csv.ISO8601],
        ),
    )
    table = table.combine_chunks().replace_schema_metadata(schema.metadata)
    sink = io.BytesIO()
    parquet.write_table(
        table.cast(schema),
        sink,
        compression=encoding.codec,
        version=encoding.version,
        data_page_version=encoding.pages,
        use_dictionary=encoding.dictionary,
        use_content_defined_chunking=encoding.by_content,
        row_group_size=encoding.group_rows or None,
    )
    return sink.getvalue()


def another_writer(wanted: str, found: str) -> UnavailableError:
    """The error where the writer that made a file is not the one that is installed."""
    return UnavailableError(
        "a file of this version is made again by the writer that wrote it",
        subject="pyarrow",
        rule="kept rows become the very bytes that were added, or nothing",
        expected=f"pyarrow {wanted}",
        found=found,
        hint=f"pip install pyarrow=={wanted} in an environment of its own and check out there",
    )


def installed() -> str:
    """Version of the writer that is installed."""
    try:
        import pyarrow as pa
    except ImportError:
        return "none"
    return str(pa.__version__)


def _malformed(expected: str) -> ArtifactError:
    return ArtifactError(
        "this is no encoding of rows",
        rule="documents of versions have exactly the fields of their format",
        expected=expected,
        found="something else",
        hint="restore the store from a backup",
    )
