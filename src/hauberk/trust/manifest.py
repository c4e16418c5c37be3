"""Manifests: a folder as the sorted list of its files, each with digest and length.

A manifest names *every* file below a folder, so that an added file is as visible as a
changed one. Its root is a Merkle root (RFC 6962) over the canonical spelling of its
entries; empty folders, times and permissions are not part of it.

Paths are relative, separated by ``/`` and mean the same everywhere. Refused are: symbolic
links and special files anywhere below, empty parts, ``.`` and ``..``, absolute paths,
backslashes, control characters, names that are not UTF-8, a file that is also a folder,
and two paths that some file system would hold for one (equal after canonical caseless
matching, Unicode section 3.13, D145). The folder is walked by descriptors, so exchanging a
part of a path for a symbolic link meanwhile leads nowhere.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import (
    check,
    digest_and_size,
    from_hex,
    hex_of,
    leaf_hash,
    merkle_root,
)

FORMAT = "urn:hauberk:manifest:v1"
MAX_ENTRIES = 1_000_000
MAX_DEPTH = 64  # folders inside each other
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux
MAX_MANIFEST_BYTES = 256 << 20  # a million entries with paths of 100 bytes
_NAMED = 5  # how many paths an error names


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """One file.

    Attributes:
        path: Relative to the folder, separated by ``/``.
        digest: SHA-256 of the whole file.
        size: Length in bytes.
    """

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All files of a folder, sorted by path.

    Attributes:
        entries: Sorted by the UTF-8 bytes of their paths, each path once.
    """

    entries: tuple[Entry, ...]

    @cached_property
    def root(self) -> Digest:
        """The digest that stands for the whole folder."""
        leaves = (leaf_hash(canonical_json(_row(entry))) for entry in self.entries)
        return from_hex(merkle_root(leaves).hex())

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)

    def by_path(self) -> dict[str, Entry]:
        """Path to entry."""
        return {entry.path: entry for entry in self.entries}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How two manifests differ, as sorted paths.

    Attributes:
        added: Only in the new one; where the old one was signed, these are unsigned files.
        removed: Only in the old one.
        changed: In both, with other bytes.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        return "; ".join(f"{name} {_few(paths)}" for name, paths in parts if paths) or "none"


def check_path(path: str) -> str:
    """``path`` if it means the same file below a folder on every system.

    Raises:
        ArtifactError: It does not.
    """
    problem = _problem(path)
    if problem:
        raise ArtifactError(
            f"path refused: {problem}",
            subject=ascii(path)[:200],
            rule="paths are relative, separated by '/', and mean the same everywhere",
            expected="a path such as data/train.csv",
            found=problem,
            hint="rename the file",
        )
    return path


def _problem(path: str) -> str | None:
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "not UTF-8"
    parts = path.split("/")
    problems = {
        "too long": size > MAX_PATH_BYTES,
        "too many folders": len(parts) > MAX_DEPTH,
        "an empty part (absolute, doubled or trailing slash)": "" in parts,
        "a part that climbs or stays ('.', '..')": not {".", ".."}.isdisjoint(parts),
        "a backslash": "\\" in path,
        "a control character": any(unicodedata.category(char) == "Cc" for char in path),
    }
    return next((name for name, is_so in problems.items() if is_so), None)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def of_entries(entries: Iterable[Entry]) -> Manifest:
    """A manifest of entries in any order.

    Raises:
        ArtifactError: A path is refused, two paths may be one, or there are too many.
    """
    return _checked(replace(entry, path=check_path(entry.path)) for entry in entries)


def _checked(entries: Iterable[Entry]) -> Manifest:
    """A manifest of entries in any order, refused where two paths may be one."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.path.encode()))
    if len(ordered) > MAX_ENTRIES:
        raise _too_many()
    seen: dict[str, str] = {}
    for entry in ordered:
        folded = _folded(entry.path)
        if folded in seen:
            raise _collision(seen[folded], entry.path)
        seen[folded] = entry.path
    for folded, path in seen.items():
        parent = folded.rpartition("/")[0]
        while parent:
            if parent in seen:
                raise _collision(seen[parent], path)
            parent = parent.rpartition("/")[0]
    return Manifest(entries=ordered)


# Folders -----------------------------------------------------------------------------


def manifest_of(root: Path, paths: Iterable[str] | None = None) -> Manifest:
    """The manifest of a folder on disk.

    Args:
        root: The folder. It may itself be reached over symbolic links: the caller chose it.
        paths: Take these files only, for folders whose content another list decides
            (tracked files of a repository). Default: everything.

    Raises:
        ArtifactError: The folder holds something that has no place in a manifest.
        TrustError: A file changed while it was read.
        UnavailableError: Something is missing or cannot be read.
    """
    with _folder(str(root), follow=True) as top:
        if paths is None:
            return _checked(_walk(top, "", 1))
        return _checked(_listed(top, paths))


def digest_beneath(root: Path, path: str) -> tuple[Digest, int]:
    """Digest and length of one file below ``root``, without following any link on the way.

    Raises:
        ArtifactError: The path is refused, or meets a link or a special file.
        TrustError: The file changed while it was read.
        UnavailableError: It is missing or cannot be read.
    """
    with _folder(str(root), follow=True) as top:
        entry = _entry_beneath(top, path)
    return entry.digest, entry.size


def tree_beneath(root: Path, path: str) -> Manifest:
    """`manifest_of` a folder below ``root``, without following any link on the way."""
    parts = check_path(path).split("/")
    with _folder(str(root), follow=True) as top, _descend(top, parts) as folder:
        return _checked(_walk(folder, "", 1))


@contextmanager
def _folder(name: str, *, parent: int | None = None, follow: bool = False) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW)
    try:
        handle = os.open(name, flags, dir_fd=parent)
    except NotADirectoryError as error:  # also what O_NOFOLLOW gives for a link to a folder
        raise _special(name, "a folder", "a symbolic link or a file") from error
    except OSError as error:
        raise UnavailableError(
            f"cannot open folder {name}",
            subject=name,
            expected="a readable folder",
            found=error.strerror or "an error",
            hint="check that the folder exists and that you may read it",
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _descend(top: int, parts: list[str]) -> Iterator[int]:
    if not parts:
        yield top
        return
    with _folder(parts[0], parent=top) as inner, _descend(inner, parts[1:]) as last:
        yield last


def _walk(folder: int, prefix: str, depth: int) -> Iterator[Entry]:
    if depth > MAX_DEPTH:
        raise _special(prefix, f"at most {MAX_DEPTH} folders inside each other", "more")
    with os.scandir(folder) as listing:
        names = sorted((item.name, item.stat(follow_symlinks=False).st_mode) for item in listing)
    for name, mode in names:
        path = check_path(prefix + name)
        if stat.S_ISDIR(mode):
            with _folder(name, parent=folder) as inner:
                yield from _walk(inner, f"{path}/", depth + 1)
        elif stat.S_ISREG(mode):
            yield _entry(folder, name, path)
        else:
            raise _special(path, "a regular file or a folder", stat.filemode(mode))


def _listed(top: int, paths: Iterable[str]) -> Iterator[Entry]:
    for path in paths:
        yield _entry_beneath(top, path)


def _entry_beneath(top: int, path: str) -> Entry:
    *parents, name = check_path(path).split("/")
    with _descend(top, parents) as folder:
        return _entry(folder, name, path)


def _entry(folder: int, name: str, path: str) -> Entry:
    digest, size = digest_and_size(Path(name), dir_fd=folder)
    return Entry(path=path, digest=digest, size=size)


# Comparison --------------------------------------------------------------------------


def compare(old: Manifest, new: Manifest) -> Difference:
    """What became of the files of ``old`` in ``new``."""
    before, after = old.by_path(), new.by_path()
    return Difference(
        added=tuple(path for path in after if path not in before),
        removed=tuple(path for path in before if path not in after),
        changed=tuple(path for path in before if path in after and before[path] != after[path]),
    )


def check_folder(root: Path, manifest: Manifest) -> None:
    """Refuse a folder that differs from its manifest in any file, unsigned ones included.

    Raises:
        TrustError: Files were added, removed or changed.
        As `manifest_of`.
    """
    difference = compare(manifest, manifest_of(root))
    if difference:
        raise TrustError(
            f"{root} differs from its manifest",
            subject=str(root),
            rule="a folder holds exactly the files of its manifest",
            expected=manifest.root,
            found=str(difference),
            hint="restore the recorded files and remove the others",
        )


def check_file(manifest: Manifest, path: str, digest: Digest) -> None:
    """Refuse a file that the manifest lacks or knows with other bytes.

    Raises:
        TrustError: It does.
    """
    entry = manifest.by_path().get(path)
    if entry is None:
        raise TrustError(
            f"{path} is not in the manifest",
            subject=path,
            rule="every file is named by its folder's manifest",
            expected=f"one of {len(manifest.entries)} files",
            found="an unsigned file",
            hint="remove it, or make a new manifest",
        )
    check(digest, entry.digest, subject=path)


# Spelling ----------------------------------------------------------------------------


def to_json(manifest: Manifest) -> bytes:
    """The canonical spelling of a manifest."""
    files = [_row(entry) for entry in manifest.entries]
    return canonical_json({"format": FORMAT, "files": files})


def from_json(data: bytes) -> Manifest:
    """The manifest that `to_json` spelt.

    Raises:
        ArtifactError: The bytes are no manifest, or name paths that are refused.
    """
    body = parse_json(data, max_bytes=MAX_MANIFEST_BYTES)
    if not isinstance(body, Mapping) or body.keys() != {"format", "files"}:
        raise _malformed("an object with 'format' and 'files'")
    if body["format"] != FORMAT or not isinstance(body["files"], list):
        raise _malformed(f"format {FORMAT} with a list of files")
    manifest = _checked([_entry_of(row) for row in body["files"]])
    if [entry.path for entry in manifest.entries] != [row["path"] for row in body["files"]]:
        raise _malformed("files sorted by path")
    return manifest


def _row(entry: Entry) -> dict[str, Any]:
    return {"path": entry.path, "sha256": hex_of(entry.digest), "size": entry.size}


def _entry_of(row: Any) -> Entry:
    if not isinstance(row, Mapping) or row.keys() != {"path", "sha256", "size"}:
        raise _malformed("files with 'path', 'sha256' and 'size'")
    path, size = row["path"], row["size"]
    if not isinstance(path, str) or type(size) is not int or size < 0:
        raise _malformed("a path and a length in bytes")
    return Entry(path=check_path(path), digest=from_hex(row["sha256"]), size=size)


# Refusals ----------------------------------------------------------------------------


def _few(paths: tuple[str, ...]) -> str:
    shown = ", ".join(paths[:_NAMED])
    return f"{shown} and {len(paths) - _NAMED} more" if len(paths) > _NAMED else shown


def _malformed(expected: str) -> ArtifactError:
    return ArtifactError(
        "this is no manifest",
        rule="manifests have exactly the fields of their format",
        expected=expected,
        found="something else",
    )


def _too_many() -> ArtifactError:
    return ArtifactError(
        "too many files for one manifest",
        rule="manifests are bounded",
        expected=f"at most {MAX_ENTRIES} files",
        found="more",
        hint="split the folder, or pack its files",
    )


def _collision(one: str, other: str) -> ArtifactError:
    return ArtifactError(
        "two paths may be one",
        subject=ascii(other),
        rule="no two paths are equal but for case or Unicode form, none is file and folder",
        expected="one path",
        found=f"{one!a} and {other!a}",
        hint="rename one of them",
    )


def _special(path: str, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        f"{path} has no place in a manifest",
        subject=path,
        rule="folders hold regular files and folders only, no links",
        expected=expected,
        found=found,
        hint="replace links by copies; leave sockets, pipes and devices out",
    )
