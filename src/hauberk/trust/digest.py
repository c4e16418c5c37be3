"""Digests: what bytes, files and folders are called once nobody has to be believed.

The identity of bytes is their SHA-256, written ``sha256:<64 hex digits>``. Beside it a large
file has `Leaves`: hashes of its 1 MiB pieces under a Merkle tree (RFC 6962 section 2.1), which
say *where* two versions differ and let pieces be checked alone. A folder is known by the
Merkle root of its manifest (`hauberk.trust.manifest`).

A folder's digest says nothing of being a folder's, so whoever names one ends the name with
a slash; `digest_path` gives files and folders their digests and `is_folder_name` reads names.

Files are opened without following a symbolic link in the last component and must stay as
they are while being read: size, times and identity are compared before and after.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UnavailableError

LEAF_BYTES = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PREFIX = "sha256:"


def parse_digest(text: object) -> Digest:
    """``text`` as a digest.

    Raises:
        ArtifactError: It is not ``sha256:`` and 64 lower-case hexadecimal digits.
    """
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise ArtifactError(
            "this is no digest",
            rule="digests are SHA-256, in lower-case hexadecimal",
            expected="sha256:<64 hex digits>",
            found=str(text)[:80] if isinstance(text, str) else type(text).__name__,
        )
    return Digest(text)


def hex_of(digest: Digest) -> str:
    """The 64 hexadecimal digits without the name of the algorithm."""
    return digest.removeprefix(_PREFIX)


def from_hex(text: object) -> Digest:
    """The digest with these 64 hexadecimal digits.

    Raises:
        ArtifactError: They are not that.
    """
    return parse_digest(f"{_PREFIX}{text}" if isinstance(text, str) else text)


def digest_bytes(data: bytes) -> Digest:
    """SHA-256 of ``data``.

    >>> digest_bytes(b"")[:20]
    'sha256:e3b0c44298fc1'
    """
    return Digest(_PREFIX + hashlib.sha256(data).hexdigest())


def digest_stream(chunks: Iterable[bytes]) -> Digest:
    """SHA-256 of all ``chunks`` in order, whatever their borders."""
    state = hashlib.sha256()
    for chunk in chunks:
        state.update(chunk)
    return Digest(_PREFIX + state.hexdigest())


def digest_file(path: Path) -> Digest:
    """SHA-256 of a regular file that nobody changes meanwhile.

    Raises:
        ArtifactError: It is a symbolic link, a folder or a special file.
        TrustError: It changed while it was read.
        UnavailableError: It is missing or cannot be read.
    """
    return digest_and_size(path)[0]


def digest_and_size(path: Path, *, dir_fd: int | None = None) -> tuple[Digest, int]:
    """Digest and length in bytes of a regular file, as `digest_file` reads it.

    Args:
        path: What to open.
        dir_fd: Folder that a relative ``path`` starts from, already opened.
    """
    with open_regular(path, dir_fd=dir_fd) as file, _raw(file) as stream:
        digest = Digest(_PREFIX + hashlib.file_digest(stream, "sha256").hexdigest())
        return digest, os.fstat(file).st_size


@contextmanager
def open_regular(path: Path, *, dir_fd: int | None = None) -> Iterator[int]:
    """A descriptor of a regular file, checked at the end to be the file of the beginning."""
    try:
        # O_NONBLOCK: opening a pipe without a writer must not hang before fstat sees it
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
    except OSError as error:
        raise _not_opened(path, error) from error
    try:
        before = _identity(file)
        if not stat.S_ISREG(before[0]):
            raise _not_regular(path, stat.filemode(before[0]))
        yield file
        if _identity(file) != before:
            raise _changed(path)
    finally:
        os.close(file)


def _raw(file: int) -> FileIO:
    return FileIO(file, closefd=False)


def _identity(file: int) -> tuple[int, ...]:
    seen = os.fstat(file)
    return (seen.st_mode, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def is_folder_name(name: str) -> bool:
    """Whether ``name``, in a statement, names a folder."""
    return name.endswith("/")


def digest_path(path: Path) -> Digest:
    """`digest_file` of a file, `digest_tree` of a folder.

    Raises:
        ArtifactError: It is neither.
        TrustError: It changed while it was read.
        UnavailableError: It is missing or cannot be read.
    """
    if path.is_dir() and not path.is_symlink():
        return digest_tree(path)
    return digest_file(path)


def digest_tree(path: Path) -> Digest:
    """Merkle root of the manifest of a whole folder, see `hauberk.trust.manifest`."""
    from hauberk.trust.manifest import manifest_of

    return manifest_of(path).root


def check(found: Digest, expected: Digest, *, subject: str, hint: str | None = None) -> None:
    """Refuse bytes that are not the expected ones.

    Raises:
        TrustError: The digests differ.
    """
    if found != expected:
        raise TrustError(
            f"{subject} is not what was recorded",
            subject=subject,
            rule="bytes have the digest that was recorded for them",
            expected=expected,
            found=found,
            hint=hint or "restore the recorded bytes, or run the step that makes them again",
        )


# Merkle trees ------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 section 2.1: a leaf, told apart from a node by its first byte."""
    state = hashlib.sha256(b"\x00")
    state.update(data)  # a sum of both would copy a whole piece
    return state.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 section 2.1: a node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf hashes in order; that of no leaves is the hash of nothing."""
    peaks: list[tuple[int, bytes]] = []  # perfect subtrees, largest first: (height, hash)
    for leaf in leaves:
        height, top = 0, leaf
        while peaks and peaks[-1][0] == height:
            top = node_hash(peaks.pop()[1], top)
            height += 1
        peaks.append((height, top))
    if not peaks:
        return hashlib.sha256().digest()
    root = peaks.pop()[1]
    while peaks:
        root = node_hash(peaks.pop()[1], root)
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaves:
    """Hashes of a file's 1 MiB pieces.

    Attributes:
        size: Length of the file in bytes.
        hashes: `leaf_hash` of each piece; the last piece may be shorter.
    """

    size: int
    hashes: tuple[bytes, ...]

    @property
    def root(self) -> Digest:
        """Merkle root over the pieces; not the SHA-256 of the file."""
        return Digest(_PREFIX + merkle_root(self.hashes).hex())

    def differences(self, other: Leaves) -> tuple[tuple[int, int], ...]:
        """Byte ranges ``(start, end)`` where the two files differ, one per piece."""
        count = max(len(self.hashes), len(other.hashes))
        longest = max(self.size, other.size)
        return tuple(
            (index * LEAF_BYTES, min((index + 1) * LEAF_BYTES, longest))
            for index in range(count)
            if self.hashes[index : index + 1] != other.hashes[index : index + 1]
        )


def leaves_of(path: Path) -> Leaves:
    """The pieces of a regular file, read once.

    Raises:
        As `digest_file`.
    """
    with open_regular(path) as file:
        hashes = tuple(leaf_hash(piece) for piece in _pieces(file))
        return Leaves(size=os.fstat(file).st_size, hashes=hashes)


def _pieces(file: int) -> Iterator[bytes]:
    with open(file, "rb", buffering=LEAF_BYTES, closefd=False) as stream:
        while piece := stream.read(LEAF_BYTES):
            yield piece


# Refusals ----------------------------------------------------------------------------


def _not_opened(path: Path, error: OSError) -> ArtifactError | UnavailableError:
    import errno

    if error.errno in (errno.ELOOP, errno.EMLINK):
        return _not_regular(path, "a symbolic link")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return _not_regular(path, "a special file")
    return UnavailableError(
        f"cannot read {path}",
        subject=str(path),
        expected="a readable file",
        found=error.strerror or "an error",
        hint="check that the file exists and that you may read it",
    )


def _not_regular(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        f"{path} is not a regular file",
        subject=str(path),
        rule="only regular files and folders are digested",
        expected="a regular file",
        found=found,
        hint="replace it by a copy of the file that it stands for",
    )


def _changed(path: Path) -> TrustError:
    return TrustError(
        f"{path} changed while it was read",
        subject=str(path),
        rule="a file stays as it is while it is digested",
        expected="the same size, times and identity at both ends",
        found="a change",
        hint="end whatever writes to it and try again",
    )
