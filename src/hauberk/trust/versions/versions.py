"""A version of a data set: its files, its place in the lineage, and who says so.

A version is a document (canonical JSON, a blob) that names the list of files, the version
before it, where the data come from and what changed. An in-toto statement about the document
is signed by the lifecycle key; the document names its parent by digest, so whoever trusts
one version has the whole lineage. Every field counts: reading refuses unknown ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hauberk.core.artifact import Digest
from hauberk.errors import UsageError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.digest import digest_bytes, from_hex, hex_of, leaf_hash, merkle_root
from hauberk.trust.fields import Fields, misfit
from hauberk.trust.manifest import MAX_ENTRIES, Entry, check_path, of_entries
from hauberk.trust.predicates import DATA_VERSION
from hauberk.trust.statement import statement
from hauberk.trust.versions.recipes import Recipe, malformed

FORMAT: Final = "urn:hauberk:data-version:v1"
MAX_TEXT: Final = 2_000
MAX_DOCUMENT_BYTES: Final = 64 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a version.

    Attributes:
        kind: ``table`` or ``tensors`` where an index locates changes, else ``bytes``.
        logical: Root over the rows of a table, which survives another encoding.
        index: Where the index lies in the store.
    """

    path: str
    recipe: Recipe
    kind: str = "bytes"
    logical: Digest | None = None
    index: Recipe | None = None

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.recipe.size

    def row(self) -> dict[str, Any]:
        """The file as JSON."""
        return {
            "index": None if self.index is None else self.index.rows(),
            "kind": self.kind,
            "logical": None if self.logical is None else hex_of(self.logical),
            "parts": self.recipe.rows(),
            "path": self.path,
        }


KINDS: Final = ("bytes", "table", "tensors")


def read_file(row: Any) -> File:
    """The file that `File.row` spelt.

    Raises:
        ArtifactError: It is none.
    """
    if not isinstance(row, dict) or row.keys() != {"index", "kind", "logical", "parts", "path"}:
        raise malformed("files with index, kind, logical, parts and path")
    if row["kind"] not in KINDS or not isinstance(row["path"], str):
        raise malformed(f"files of a kind of {', '.join(KINDS)}")
    return File(
        path=check_path(row["path"]),
        recipe=Recipe.of(row["parts"]),
        kind=row["kind"],
        logical=None if row["logical"] is None else from_hex(row["logical"]),
        index=None if row["index"] is None else Recipe.of(row["index"]),
    )


def write_files(files: tuple[File, ...]) -> bytes:
    """The list of files, one line for each, sorted by path."""
    ordered = sorted(files, key=lambda file: file.path.encode())
    return b"".join(canonical_json(file.row()) + b"\n" for file in ordered)


def read_files(data: bytes) -> tuple[File, ...]:
    """The files that `write_files` listed.

    Raises:
        ArtifactError: The list is malformed, not sorted, or too long, or two paths may be one.
    """
    lines = data.split(b"\n")[:-1]
    if len(lines) > MAX_ENTRIES:
        raise malformed(f"at most {MAX_ENTRIES} files")
    files = tuple(read_file(parse_canonical(line, max_bytes=MAX_DOCUMENT_BYTES)) for line in lines)
    paths = [file.path.encode() for file in files]
    if paths != sorted(set(paths)):
        raise malformed("files sorted by path, each once")
    of_entries(Entry(path=one.path, digest=one.recipe.root, size=one.size) for one in files)
    return files


def root_of(files: tuple[File, ...]) -> Digest:
    """What stands for the bytes of all files with their paths."""
    leaves = (leaf_hash(f"{file.path}\0{file.recipe.root}".encode()) for file in files)
    return from_hex(merkle_root(leaves).hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version, without the bytes.

    Attributes:
        number: From 1, without gaps.
        parent: Digest of the document before; ``None`` for the first.
        root: Over the bytes of all files with their paths.
        files: Where the list of files lies.
        created: Seconds since the epoch, by the clock of who added it.
        origin: Where the data come from, in the words of who added them.
        label: Column that holds the label, for differences.
        tags: Names such as ``gold`` that this version bears; signed with it, so none moves.
        changes: Against the parent: counts, columns, and the delta records' blob.
        project: Of whose lineage it is a part; ``None`` in versions that an older tool wrote.
    """

    name: str
    number: int
    parent: Digest | None
    root: Digest
    files: Recipe
    n_files: int
    size: int
    created: int
    tool_version: str
    message: str = ""
    origin: str = ""
    licence: str = ""
    label: str | None = None
    tags: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    project: str | None = None

    @property
    def title(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.number}"

    def to_bytes(self) -> bytes:
        """The canonical spelling."""
        owner = {} if self.project is None else {_PROJECT: self.project}
        return canonical_json(
            {
                **owner,
                "changes": dict(self.changes),
                "created": self.created,
                "files": self.files.rows(),
                "format": FORMAT,
                "label": self.label,
                "licence": self.licence,
                "message": self.message,
                "nFiles": self.n_files,
                "name": self.name,
                "number": self.number,
                "origin": self.origin,
                "parent": None if self.parent is None else hex_of(self.parent),
                "root": hex_of(self.root),
                "size": self.size,
                "tags": list(self.tags),
                "toolVersion": self.tool_version,
            }
        )

    @property
    def digest(self) -> Digest:
        """What the version is called once nobody has to be believed."""
        return digest_bytes(self.to_bytes())

    def statement(self) -> bytes:
        """The in-toto statement about the document; the subject is the document."""
        predicate = {
            "name": self.name,
            "number": self.number,
            "parent": None if self.parent is None else hex_of(self.parent),
            "root": hex_of(self.root),
            "toolVersion": self.tool_version,
        }
        return statement({self.title: self.digest}, DATA_VERSION, predicate)


_PROJECT = "project"
_KEYS = (
    "changes", "created", "files", "format", "label", "licence", "message", "nFiles", "name",
    "number", "origin", "parent", "root", "size", "tags", "toolVersion",
)  # fmt: skip


def read_version(data: bytes) -> Version:
    """The version that `Version.to_bytes` spelt.

    Raises:
        ArtifactError: It is none.
    """
    fields = Fields.of(parse_canonical(data, max_bytes=MAX_DOCUMENT_BYTES), "data version")
    fields.only(*_KEYS, _PROJECT)
    if fields.text("format") != FORMAT:
        raise misfit("data version.format", FORMAT, fields.text("format"))
    values = fields.values
    parent, label = values["parent"], values["label"]
    if label is not None and not isinstance(label, str):
        raise misfit("data version.label", "a name or null", type(label).__name__)
    counts = {key: _count(values[key], key) for key in ("number", "nFiles", "size", "created")}
    if counts["number"] < 1 or (parent is None) != (counts["number"] == 1):
        raise misfit("data version.parent", "a parent for every version but the first", parent)
    return Version(
        name=check_name(fields.text("name")),
        number=counts["number"],
        parent=None if parent is None else from_hex(parent),
        root=from_hex(fields.text("root")),
        files=Recipe.of(values["files"]),
        n_files=counts["nFiles"],
        size=counts["size"],
        created=counts["created"],
        tool_version=fields.text("toolVersion"),
        message=_text(fields, "message"),
        origin=_text(fields, "origin"),
        licence=_text(fields, "licence"),
        tags=tuple(check_tag(tag) for tag in fields.texts("tags")),
        label=label,
        changes=fields.object("changes").values,
        project=fields.text(_PROJECT) if _PROJECT in values else None,
    )


def _count(value: Any, key: str) -> int:
    if type(value) is not int or value < 0:
        raise misfit(f"data version.{key}", "a whole number, 0 or more", value)
    return value


def _text(fields: Fields, key: str) -> str:
    return str(fields.get(key, str, "text"))


def check_tag(tag: str) -> str:
    """``tag`` if a version may bear it; numbers would be taken for versions.

    Raises:
        UsageError: It may not.
    """
    if tag.isdecimal():
        raise UsageError("a tag is no number", subject=tag, expected="a name such as gold")
    return check_name(tag)


def check_name(name: str) -> str:
    """``name`` if a data set may be called so.

    Raises:
        UsageError: It may not.
    """
    if not _NAME.match(name):
        raise UsageError(
            "not a name for a data set",
            subject=ascii(name)[:90],
            rule="names are short and mean the same everywhere",
            expected="lower-case letters, digits, dots, hyphens, underscores; at most 80",
            found=ascii(name)[:90],
            hint="choose a name such as loans or fashion-mnist",
        )
    return name


def check_text(value: str, what: str) -> str:
    """A short text without control characters that a person gave.

    Raises:
        UsageError: It is something else.
    """
    if len(value) > MAX_TEXT or not all(sign.isprintable() for sign in value):
        raise UsageError(
            f"not a {what}", subject=what, expected=f"one line of at most {MAX_TEXT} characters"
        )
    return value
