"""Croissant metadata: written for data that is handed on, and held against data that came.

A description names every file with its SHA-256 and every column of its tables. What is
believed of a foreign one are its digests alone, and those only to refuse: the bytes must be
the ones that it describes.

References:
    MLCommons (2024), Croissant format specification 1.0.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.errors import ArtifactError, HauberkError, UnavailableError, UsageError
from hauberk.formats.strict_json import JsonLimits, decode

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
MAX_FILES = 100_000
"""Files of one description; more are to be packed first."""

MAX_BYTES = 64 << 20
_LIMITS = JsonLimits(max_bytes=MAX_BYTES, max_objects=2_000_000, max_values=8_000_000)
_CHUNK = 1 << 20

_FORMATS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".txt": "text/plain",
    ".html": "text/html",
    ".zip": "application/zip",
}
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".jsonl"})
_TYPES = {
    ColumnKind.CATEGORY: "sc:Text",
    ColumnKind.TEXT: "sc:Text",
    ColumnKind.TIME: "sc:Date",
    ColumnKind.IMAGE: "sc:ImageObject",
    ColumnKind.OTHER: "sc:Text",
}

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a person says of the data; what is empty is left out."""

    name: str
    description: str = ""
    licence: str = ""
    url: str = ""
    version: str = ""
    published: str = ""
    cite: str = ""
    label: str | None = None


# Writing -----------------------------------------------------------------------------------


def described(path: Path, words: Words) -> dict[str, Any]:
    """The description of the file or folder at ``path``.

    Raises:
        UsageError: There is nothing, or no table has the label.
        ArtifactError: A link leads out of the folder, or there are too many files.
    """
    files = _files(path)
    sets, labelled, ids = [], False, _ids(files)
    for name, file in files.items():
        if file.suffix.lower() in _TABLES and (table := _table(file)) is not None:
            sets.append(_records(ids[name], table, words.label, alone=len(files) == 1))
            labelled |= words.label in {column.name for column in table.columns}
    if words.label and not labelled:
        raise UsageError(
            "no table has the column that is named as the label",
            subject=str(path),
            expected=words.label,
            found=f"{len(sets)} tables without it",
        )
    about = {
        "description": words.description or f"{words.name}: {len(files)} files",
        "license": words.licence,
        "url": words.url,
        "version": words.version,
        "datePublished": words.published,
        "citeAs": words.cite,
    }
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": words.name,
        **{key: value for key, value in about.items() if value},
        "distribution": [_object(ids[name], name, file) for name, file in files.items()],
        **({"recordSet": sets} if sets else {}),
    }


def _files(path: Path) -> dict[str, Path]:
    """Names in the description to files, sorted; links out of the folder are refused."""
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise UsageError(
            "there is nothing to describe", subject=str(path), expected="a file or a folder"
        )
    root = path.resolve()
    found = {}
    for file in sorted(path.rglob("*")):
        if file.is_file():
            if not file.resolve().is_relative_to(root):
                raise ArtifactError(
                    "a link leads out of the folder that is described",
                    subject=str(file),
                    expected=f"files below {path}",
                    found=str(file.resolve()),
                )
            found[file.relative_to(path).as_posix()] = file
        if len(found) > MAX_FILES:
            raise ArtifactError(
                "too many files for one description",
                subject=str(path),
                expected=f"at most {MAX_FILES}",
                found="more",
                hint="pack them into archives or one Parquet file",
            )
    return found


def _ids(names: Iterable[str]) -> dict[str, str]:
    """Each name as an ``@id``, which readers want without blanks and signs of their own."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for place, name in enumerate(names):
        plain = re.sub(r"[^A-Za-z0-9._/-]", "_", name)
        found[name] = f"{plain}-{place}" if plain in taken else plain
        taken.add(found[name])
    return found


def _object(name_id: str, name: str, file: Path) -> dict[str, Any]:
    digest, size = digest_of(file)
    return {
        "@type": "cr:FileObject",
        "@id": name_id,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": _FORMATS.get(file.suffix.lower(), "application/octet-stream"),
        "sha256": digest,
    }


def _table(file: Path) -> Dataset | None:
    """The table in ``file``; ``None`` where it cannot be read as one: it is a file then."""
    from hauberk.formats.tables import open_table

    try:
        return open_table(file)
    except HauberkError:
        return None


def _records(file_id: str, table: Dataset, label: str | None, *, alone: bool) -> dict[str, Any]:
    import pyarrow as pa

    first = next(iter(table.read()), None)
    record_set = "rows" if alone else f"rows-of-{file_id}"
    ids = _ids(column.name for column in table.columns)
    fields = []
    for column in table.columns:
        kind: Any = _TYPES.get(column.kind, "sc:Float")
        if column.kind is ColumnKind.NUMBER and first is not None:
            whole = pa.types.is_integer(first.schema.field(column.name).type)
            kind = "sc:Integer" if whole else "sc:Float"
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"{record_set}/{ids[column.name]}",
                "name": column.name,
                "dataType": [kind, "cr:Label"] if column.name == label else kind,
                "source": {"fileObject": {"@id": file_id}, "extract": {"column": column.name}},
            }
        )
    return {"@type": "cr:RecordSet", "@id": record_set, "name": record_set, "field": fields}


def text_of(document: Mapping[str, Any]) -> str:
    """The description as a file: the same for the same data and words."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


# Holding against ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A file as a description has it.

    Attributes:
        name: Its name or address there.
        sha256: 64 hexadecimal digits, or empty where the description has none.
    """

    name: str
    sha256: str


@dataclass(slots=True)
class Comparison:
    """How files lie beside their description."""

    equal: list[str] = field(default_factory=list)
    other: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    undescribed: list[str] = field(default_factory=list)
    undigested: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every described file is there with the described bytes, and no other is."""
        wrong = self.other or self.missing or self.undescribed or self.undigested
        return bool(self.equal) and not wrong


def read_description(path: Path) -> tuple[Described, ...]:
    """The files that the description at ``path`` names.

    Raises:
        ArtifactError: It is no Croissant description, or malformed.
        UnavailableError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnavailableError(
            f"a description cannot be read: {reason}", subject=str(path)
        ) from error
    return files_in(data, str(path))


def files_in(data: bytes, subject: str) -> tuple[Described, ...]:
    """The same from bytes."""
    document = decode(data, _LIMITS)
    objects = document.get("distribution") if isinstance(document, dict) else None
    if not isinstance(objects, list) or not objects:
        raise ArtifactError(
            "this is no Croissant description",
            subject=subject,
            expected="a JSON object with a distribution of FileObjects",
            found=type(document).__name__,
        )
    return tuple(_described(one, subject) for one in objects if _is_file(one))


def _is_file(one: Any) -> bool:
    kind = str(one.get("@type", "")) if isinstance(one, dict) else ""
    # What lies inside another object is bound by the digest of that one.
    return kind.rpartition(":")[2] == "FileObject" and "containedIn" not in one


def _described(one: Mapping[str, Any], subject: str) -> Described:
    name = one.get("contentUrl") or one.get("@id") or one.get("name")
    digest = one.get("sha256", "")
    is_digest = isinstance(digest, str) and (
        not digest or (len(digest) == 64 and not set(digest.lower()) - set("0123456789abcdef"))  # noqa: PLR2004 - SHA-256
    )
    if not isinstance(name, str) or not name or not is_digest:
        raise ArtifactError(
            "a FileObject of the description is malformed",
            subject=subject,
            expected="contentUrl and sha256 with 64 hexadecimal digits",
            found=repr((name, digest))[:200],
        )
    return Described(name=name, sha256=digest.lower())


def held_against(files: tuple[Described, ...], folder: Path, own: Path | None = None) -> Comparison:
    """The files below ``folder`` (or the one file there) beside their description.

    Args:
        own: The description itself, which does not describe itself.
    """
    found = Comparison()
    there = _files(folder)
    if own is not None:
        there = {n: file for n, file in there.items() if file.resolve() != own.resolve()}
    for one in files:
        name = _local(one.name, there)
        if name is None:
            found.missing.append(one.name)
            continue
        digest = digest_of(there.pop(name))[0]
        if not one.sha256:
            found.undigested.append(one.name)
        elif digest == one.sha256:
            found.equal.append(one.name)
        else:
            found.other[one.name] = (one.sha256, digest)
    found.undescribed.extend(there)
    return found


def _local(name: str, there: Mapping[str, Path]) -> str | None:
    """The file that ``name`` (a path, or an address whose last part it is) stands for."""
    path = PurePosixPath(name.split("?", 1)[0])
    candidates = (str(path), path.name) if "://" in name else (str(path),)
    return next((one for one in candidates if one in there), None)


def digest_for(files: tuple[Described, ...], name: str, subject: str) -> str:
    """The digest that a description has for the file called ``name``, or its only one.

    Raises:
        ArtifactError: It has no digest for it.
    """
    last = PurePosixPath(name.split("?", 1)[0]).name
    fitting = [one for one in files if PurePosixPath(one.name.split("?", 1)[0]).name == last]
    chosen = fitting if len(fitting) == 1 else list(files)
    if len(chosen) != 1 or not chosen[0].sha256:
        raise ArtifactError(
            "the description has no digest for a source",
            subject=subject,
            rule="a source with a Croissant description has the digest that stands there",
            expected=f"one FileObject for {last} with sha256",
            found=", ".join(one.name for one in files[:5]) or "no files",
        )
    return chosen[0].sha256


def digest_of(file: Path) -> tuple[str, int]:
    """SHA-256 and size of a file.

    Raises:
        UnavailableError: It cannot be read.
    """
    state, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as stream:
            for chunk in _chunks(stream):
                state.update(chunk)
                size += len(chunk)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnavailableError(f"a file cannot be read: {reason}", subject=str(file)) from error
    return state.hexdigest(), size


def _chunks(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
